"""Gemini: who speaks in each part, both spellings of every field, what is not read, and where instructions go."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.dialect.gemini import GENERATE
from gateway.dialect.proto_json import camel, snake
from gateway.errors import Malformed
from gateway.segment import Kind, Role, Trust
from gateway.wire.document import apply
from tests.dialect.laws import (
    REFUSAL,
    TRANSCRIPTS,
    assert_edits_stay_in_place,
    assert_unknown_members_are_read,
    at,
    doc,
    texts,
    unread,
)

REQUEST: dict[str, Any] = {
    "model": "models/gemini-2.5-flash",
    "systemInstruction": {"parts": [{"text": "You are a guide."}]},
    "cachedContent": "cachedContents/c1",
    "labels": {"team": "blue"},
    "safetySettings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}],
    "toolConfig": {"functionCallingConfig": {"mode": "AUTO"}},
    "generationConfig": {
        "stopSequences": ["END"],
        "responseMimeType": "application/json",
        "responseSchema": {"type": "OBJECT", "description": "The answer."},
    },
    "tools": [
        {
            "functionDeclarations": [
                {
                    "name": "fetch",
                    "description": "Fetch a page.",
                    "parameters": {
                        "type": "OBJECT",
                        "properties": {"url": {"type": "STRING", "description": "Where."}},
                    },
                    "parametersJsonSchema": {"type": "object", "title": "Args"},
                }
            ],
        },
        {"googleSearch": {}},
        {"mcpServers": [{"name": "m"}], "urlContext": {}},
    ],
    "contents": [
        {"parts": [{"text": "Hello."}]},
        {
            "role": "user",
            "parts": [
                {"text": "Look at these."},
                {"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgo="}},
                {"inlineData": {"mimeType": "application/pdf", "data": "JVBE", "displayName": "report.pdf"}},
                {"fileData": {"mimeType": "audio/wav", "fileUri": "https://files.example/f1"}},
                {"fileData": {"fileUri": "gs://bucket/f2"}, "videoMetadata": {"fps": 1}},
            ],
        },
        {
            "role": "model",
            "parts": [
                {"text": "Let me think.", "thought": True},
                {"text": "I fetch it.", "thoughtSignature": "sig"},
                {"text": "Done."},
                {"functionCall": {"id": "c1", "name": "fetch", "args": {"urls": ["https://a.example"]}}},
                {"executableCode": {"language": "PYTHON", "code": "print(1)"}},
                {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "1"}},
                {"toolCall": {"id": "c2", "toolType": "GOOGLE_SEARCH", "args": {"query": "bridges"}}},
                {"toolResponse": {"id": "c2", "toolType": "GOOGLE_SEARCH", "response": {"page": "found it"}}},
            ],
        },
        {
            "role": "user",
            "parts": [
                {
                    "functionResponse": {
                        "id": "c1",
                        "name": "fetch",
                        "response": {"id": "doc-17", "page": "page text"},
                        "parts": [{"inlineData": {"mimeType": "video/mp4", "data": "AAAA"}}],
                    }
                }
            ],
        },
        {"role": "function", "parts": {"text": "old style"}},
    ],
}
SKIPPED = ("safetySettings", "toolConfig", "videoMetadata")
MODEL = ("contents", 2, "parts")
LAST = ("contents", 3, "parts", 0, "functionResponse")
DEFINED = (Role.SYSTEM, Trust.UNTRUSTED, Kind.TOOL_DEFINITION, False)
CALL = (Role.ASSISTANT, Trust.MODEL, Kind.TOOL_CALL, False)
RESULT = (Role.TOOL, Trust.UNTRUSTED, Kind.TOOL_RESULT, True)
RAN = (Role.TOOL, Trust.UNTRUSTED, Kind.TOOL_RESULT, False)
FUNCTION = ("tools", 0, "functionDeclarations", 0)


def snaked(value: Any) -> Any:
    """The same body with the proto's own field names, as far as the API defines them."""
    if isinstance(value, dict):
        return {snake(key): snaked(member) for key, member in value.items()}
    return [snaked(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize("spelling", [lambda value: value, snaked], ids=["camelCase", "snake_case"])
@pytest.mark.parametrize(
    ("path", "text", "voice"),
    [
        (
            ("systemInstruction", "parts", 0, "text"),
            "You are a guide.",
            (Role.SYSTEM, Trust.OPERATOR, Kind.TEXT, False),
        ),
        (("labels", "team"), "blue", (Role.USER, Trust.PRINCIPAL, Kind.OPAQUE, False)),
        (
            ("generationConfig", "responseSchema", "description"),
            "The answer.",
            (Role.SYSTEM, Trust.PRINCIPAL, Kind.TOOL_DEFINITION, False),
        ),
        ((*FUNCTION, "name"), "fetch", DEFINED),
        ((*FUNCTION, "description"), "Fetch a page.", DEFINED),
        ((*FUNCTION, "parameters", "properties", "url", "description"), "Where.", DEFINED),
        ((*FUNCTION, "parametersJsonSchema", "title"), "Args", DEFINED),
        (("contents", 0, "parts", 0, "text"), "Hello.", (Role.USER, Trust.PRINCIPAL, Kind.TEXT, False)),
        (
            ("contents", 1, "parts", 2, "inlineData", "displayName"),
            "report.pdf",
            (Role.USER, Trust.UNTRUSTED, Kind.DOCUMENT, False),
        ),
        (
            ("contents", 1, "parts", 4, "fileData", "fileUri"),
            "gs://bucket/f2",
            (Role.USER, Trust.PRINCIPAL, Kind.OPAQUE, False),
        ),
        ((*MODEL, 0, "text"), "Let me think.", (Role.ASSISTANT, Trust.MODEL, Kind.REASONING, False)),
        ((*MODEL, 1, "text"), "I fetch it.", (Role.ASSISTANT, Trust.MODEL, Kind.TEXT, False)),
        ((*MODEL, 3, "functionCall", "args", "urls", 0), "https://a.example", CALL),
        ((*MODEL, 4, "executableCode", "code"), "print(1)", CALL),
        ((*MODEL, 5, "codeExecutionResult", "output"), "1", RAN),
        ((*MODEL, 6, "toolCall", "args", "query"), "bridges", CALL),
        ((*MODEL, 7, "toolResponse", "response", "page"), "found it", RAN),
        ((*LAST, "response", "id"), "doc-17", RAN),
        ((*LAST, "response", "page"), "page text", RESULT),
        (("contents", 4, "parts", "text"), "old style", RESULT),
    ],
)
def test_each_text_of_a_request_has_its_speaker(spelling: Any, path: Any, text: str, voice: Any) -> None:
    spelt = tuple(step if spelling is not snaked or isinstance(step, int) else snake(step) for step in path)
    found = at(GENERATE.request(doc(spelling(REQUEST))), *spelt)
    assert (found.text, (found.role, found.trust, found.kind, found.wrappable)) == (text, voice)


def test_thoughts_signed_texts_and_names_cannot_be_edited() -> None:
    fixed = {part.text for part in GENERATE.request(doc(REQUEST)).segments if not part.editable}
    assert fixed == {"Let me think.", "I fetch it.", "fetch"}


@pytest.mark.parametrize("spelling", [lambda value: value, snaked], ids=["camelCase", "snake_case"])
def test_what_is_not_read_is_named(spelling: Any) -> None:
    assert [what for what, _ in unread(GENERATE.request(doc(spelling(REQUEST))))] == [
        "stored_context",
        "hosted_tool",
        "hosted_tool",
        "hosted_tool",
        "image",
        "file",
        "audio",
        "file",
        "video",
    ]


@pytest.mark.parametrize("data", ["UG9pc29uPz8-", "UG9pc29uPz8+", "77u/UG9pc29uPz8+"])
def test_a_file_that_is_text_is_read_and_stays_as_it_is(data: str) -> None:
    file = {"inlineData": {"mimeType": "text/markdown", "data": data}}
    found = GENERATE.request(doc({"contents": [{"parts": [file]}]}))
    (one,) = found.segments
    assert (one.text, one.trust, one.kind, one.editable) == ("Poison??>", Trust.UNTRUSTED, Kind.DOCUMENT, False)
    assert one.place.path == ("contents", 0, "parts", 0, "inlineData", "data")
    assert found.uninspected == ()


@pytest.mark.parametrize("data", ["/w==", "***", "A", 3, None])
def test_a_file_that_is_said_to_be_text_and_is_none_is_named(data: Any) -> None:
    file = {"inlineData": {"mimeType": "text/plain", "data": data}}
    assert [one.what for one in GENERATE.request(doc({"contents": [{"parts": [file]}]})).uninspected] == ["file"]


def test_an_edit_of_any_text_of_a_request_stays_in_its_place() -> None:
    assert_edits_stay_in_place(REQUEST, GENERATE.request)


@pytest.mark.parametrize("spelling", [lambda value: value, snaked], ids=["camelCase", "snake_case"])
def test_a_member_that_is_not_known_is_read_wherever_it_stands(spelling: Any) -> None:
    skipped = (*SKIPPED, *map(snake, SKIPPED))
    assert_unknown_members_are_read(spelling(REQUEST), GENERATE.request, skipped)


@pytest.mark.parametrize(
    "body",
    [
        {"systemInstruction": {}, "system_instruction": {}},
        {"contents": [{"parts": [{"functionCall": {}, "function_call": {}}]}]},
        {"tools": [{"functionDeclarations": [], "function_declarations": []}]},
        {"some_new_field": 1, "someNewField": 2},
    ],
)
def test_both_spellings_of_a_field_are_refused(body: Any) -> None:
    with pytest.raises(Malformed, match="both spellings"):
        GENERATE.request(doc(body))


def test_the_clients_own_objects_may_have_any_keys() -> None:
    call = {"functionCall": {"name": "f", "args": {"user_id": "a", "userId": "b"}}}
    reading = GENERATE.request(doc({"contents": [{"role": "model", "parts": [call]}]}))
    assert [part.text for part in reading.segments] == ["f", "a", "b"]


@given(st.from_regex(r"[a-z][a-z0-9]*([A-Z][a-z0-9]+)*", fullmatch=True))
@settings(max_examples=40, deadline=None)
def test_the_two_spellings_lead_to_each_other(name: str) -> None:
    assert camel(snake(name)) == name


STRANGE = st.recursive(
    st.text(max_size=8) | st.integers(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["x_a", "x_b"]), inner),
    max_leaves=8,
)


@given(st.sampled_from(["text", "functionCall", "functionResponse", "inlineData", "newPart"]), STRANGE)
@settings(max_examples=60, deadline=None)
def test_a_part_of_any_shape_is_read_completely(kind: str, value: Any) -> None:
    document = doc({"contents": [{"role": "model", "parts": [{kind: value}]}]})
    strings = {path: text for path, text in document.strings() if text and path != ("contents", 0, "role")}
    assert strings.items() <= texts(GENERATE.request(document)).items()


@pytest.mark.parametrize("contents", ["just text", [["x"]], [{"role": "robot", "parts": "x"}], [{"role": 7, "x": "y"}]])
def test_contents_of_another_shape_are_untrusted_text(contents: Any) -> None:
    reading = GENERATE.request(doc({"contents": contents}))
    assert reading.segments
    assert {part.trust for part in reading.segments} <= {Trust.UNTRUSTED, Trust.PRINCIPAL}


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"content": {"parts": [{"text": "x"}]}, "taskType": "RETRIEVAL_DOCUMENT"}, ("content", "parts", 0)),
        ({"requests": [{"content": {"parts": [{"text": "x"}]}}]}, ("requests", 0, "content", "parts", 0)),
        (
            {"generateContentRequest": {"contents": {"parts": [{"text": "x"}]}}},
            ("generateContentRequest", "contents", "parts", 0),
        ),
        (
            {
                "batch": {
                    "inputConfig": {"requests": {"requests": [{"request": {"contents": {"parts": {"text": "x"}}}}]}}
                }
            },
            ("batch", "inputConfig", "requests", "requests", 0, "request", "contents", "parts"),
        ),
    ],
)
def test_requests_of_other_methods_are_the_users_words_too(body: Any, path: Any) -> None:
    found = at(GENERATE.request(doc(body)), *path, "text")
    assert (found.text, found.role, found.trust) == ("x", Role.USER, Trust.PRINCIPAL)


ANSWER: dict[str, Any] = {
    "candidates": [
        {
            "index": 0,
            "content": {
                "role": "model",
                "parts": [{"text": "Charles Bridge."}, {"functionCall": {"name": "f", "args": {}}}],
            },
            "finishReason": "STOP",
            "finishMessage": "done",
            "safetyRatings": [{"category": "c"}],
            "citationMetadata": {"citations": [{"uri": "https://c.example", "startIndex": 3}]},
            "groundingMetadata": {"groundingChunks": [{"web": {"uri": "https://w.example", "title": "Web"}}]},
            "logprobsResult": {"chosenCandidates": [{"token": "Charles"}]},
        }
    ],
    "promptFeedback": {"blockReason": "OTHER"},
    "usageMetadata": {"promptTokenCount": 1},
    "modelVersion": "gemini-2.5-flash",
    "responseId": "r1",
}


def test_an_answer_is_the_models_and_what_it_quotes_is_data() -> None:
    reading = GENERATE.answer(doc(ANSWER))
    assert [(part.text, part.trust) for part in reading.segments] == [
        ("Charles Bridge.", Trust.MODEL),
        ("f", Trust.MODEL),
        ("done", Trust.UNTRUSTED),
        ("https://c.example", Trust.UNTRUSTED),
        ("https://w.example", Trust.UNTRUSTED),
        ("Web", Trust.UNTRUSTED),
    ]
    assert unread(reading) == [("logprobs", ("candidates", 0, "logprobsResult"))]
    assert reading.model == "gemini-2.5-flash"
    assert_edits_stay_in_place(ANSWER, GENERATE.answer)
    assert_unknown_members_are_read(ANSWER, GENERATE.answer, ("safetyRatings", "usageMetadata"))


@pytest.mark.parametrize(
    ("body", "path", "trust"),
    [
        ([ANSWER], (0, "candidates", 0, "content", "parts", 0, "text"), Trust.MODEL),
        (
            {"response": {"inlinedResponses": {"inlinedResponses": [{"response": ANSWER}]}}},
            (
                *("response", "inlinedResponses", "inlinedResponses", 0, "response"),
                *("candidates", 0, "content", "parts", 0, "text"),
            ),
            Trust.MODEL,
        ),
        ({"error": {"message": "quota"}}, ("error", "message"), Trust.UNTRUSTED),
        ({"promptFeedback": {"blockReasonMessage": "why"}}, ("promptFeedback", "blockReasonMessage"), Trust.UNTRUSTED),
    ],
)
def test_answers_of_other_shapes_are_read(body: Any, path: Any, trust: Trust) -> None:
    assert at(GENERATE.answer(doc(body)), *path).trust is trust


def test_a_poisoned_function_response_is_data_to_be_marked() -> None:
    raw = (TRANSCRIPTS / "gemini/poisoned_tool_result/request.json").read_bytes()
    reading = GENERATE.request(doc(json.loads(raw)))
    (poisoned,) = [part for part in reading.segments if "Ignore all previous" in part.text]
    assert (poisoned.role, poisoned.trust, poisoned.wrappable) == (Role.TOOL, Trust.UNTRUSTED, True)


RULES = {"text": "RULES"}
ONE = {"text": "one"}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({}, {"systemInstruction": {"parts": [RULES]}}),
        ({"systemInstruction": None}, {"systemInstruction": {"parts": [RULES]}}),
        ({"systemInstruction": {}}, {"systemInstruction": {"parts": [RULES]}}),
        ({"systemInstruction": {"parts": None}}, {"systemInstruction": {"parts": [RULES]}}),
        ({"system_instruction": {"parts": [ONE]}}, {"system_instruction": {"parts": [ONE, RULES]}}),
        ({"system_instruction": {"parts": ONE}}, {"system_instruction": {"parts": [ONE, RULES]}}),
        (
            {"cachedContent": "c", "contents": [{"parts": [ONE]}, {"role": "user", "parts": [ONE]}, {"role": "model"}]},
            {
                "cachedContent": "c",
                "contents": [{"parts": [ONE]}, {"role": "user", "parts": [RULES, ONE]}, {"role": "model"}],
            },
        ),
        (
            {"cached_content": "c", "contents": {"parts": ONE}},
            {"cached_content": "c", "contents": {"parts": [RULES, ONE]}},
        ),
        ({"batch": {"displayName": "b"}}, {"batch": {"displayName": "b"}}),
        ({"batch": {"inputConfig": {"fileName": "f"}}}, {"batch": {"inputConfig": {"fileName": "f"}}}),
        (
            {"batch": {"input_config": {"requests": {"requests": [{"request": {}}]}}}},
            {
                "batch": {
                    "input_config": {"requests": {"requests": [{"request": {"systemInstruction": {"parts": [RULES]}}}]}}
                }
            },
        ),
    ],
)
def test_rules_go_into_the_system_instruction_or_beside_the_data(before: Any, after: Any) -> None:
    document = doc(before)
    once = apply(document.raw, GENERATE.instruct(document, "RULES"))
    assert json.loads(once) == after
    assert once == apply(document.raw, GENERATE.instruct(document, "RULES"))


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"systemInstruction": "text"}, "not a content"),
        (["x"], "not an object"),
        ({"cachedContent": "c", "contents": [{"role": "model"}]}, "no turn of the user"),
        ({"systemInstruction": {}, "system_instruction": {}}, "both spellings"),
    ],
)
def test_a_body_with_no_place_for_rules_is_refused(body: Any, reason: str) -> None:
    with pytest.raises(Malformed, match=reason):
        GENERATE.instruct(doc(body), "RULES")


def test_an_edited_answer_loses_its_token_probabilities_which_spell_it_again() -> None:
    document = doc(ANSWER)
    patches = GENERATE.after_edit(document, ("candidates", 0, "content", "parts", 0, "text"))
    changed = json.loads(apply(document.raw, patches))
    assert changed["candidates"][0].pop("logprobsResult") is None
    assert len(changed["candidates"][0]) == len(ANSWER["candidates"][0]) - 1


@pytest.mark.parametrize(
    ("body", "path"),
    [
        (ANSWER, ("promptFeedback", "blockReasonMessage")),
        ({"candidates": [{"finishMessage": "x"}]}, ("candidates", 0, "finishMessage")),
        ({"candidates": ["x"]}, ("candidates", 0)),
    ],
)
def test_other_edits_change_nothing_else(body: Any, path: Any) -> None:
    assert GENERATE.after_edit(doc(body), path) == ()


def test_a_refusal_is_a_status_of_google_rpc() -> None:
    body = orjson.loads(GENERATE.refusal(REFUSAL))
    assert (body["error"]["code"], body["error"]["status"]) == (400, "INVALID_ARGUMENT")
