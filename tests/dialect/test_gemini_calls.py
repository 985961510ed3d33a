"""Calls in answers of the Gemini API: found, refused and given other arguments, whole, streamed and as an array."""

from __future__ import annotations

import json
from collections.abc import Hashable
from itertools import pairwise
from typing import Any

import pytest
from google.genai import types
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.dialect.gemini import GENERATE
from gateway.dialect.gemini_stream import GenerateStream
from gateway.errors import Malformed
from gateway.policy.call import Call, Called, Change
from gateway.wire.document import parse
from gateway.wire.frames import Framing, framer
from tests.dialect.laws import doc, play
from tests.dialect.refusing import CUTS, REFUSAL, Decide, pieces_of, through

REFUSED = Change(refusal=REFUSAL)
SIGNED = {"thoughtSignature": "c2ln"}


def call(name: str = "send_mail", **args: Any) -> dict[str, Any]:
    return {"functionCall": {"name": name, "args": args}}


def answer(*parts: Any, **members: Any) -> dict[str, Any]:
    return {"candidates": [{"content": {"role": "model", "parts": list(parts)}, **members}], "responseId": "r1"}


def parts_of(raw: bytes) -> list[Any]:
    parts: list[Any] = json.loads(raw)["candidates"][0]["content"]["parts"]
    return parts


SAID = {"text": "I send it."}
RAN = {"executableCode": {"language": "PYTHON", "code": "1"}}
SEARCHED = {"toolCall": {"toolType": "GOOGLE_SEARCH", "args": {}}}


def test_calls_are_those_that_the_agent_runs() -> None:
    found = GENERATE.calls(doc(answer(SAID, RAN, call(to="a@b.example"), SEARCHED, call("look"))))
    assert found == (
        Called((0, 0), Call("send_mail", {"to": "a@b.example"})),
        Called((0, 1), Call("look", {})),
    )


def test_calls_are_found_in_both_spellings_and_without_lists() -> None:
    body = {"candidates": {"content": {"parts": {"function_call": {"id": "1", "name": "f", "args": {"a": 1}}}}}}
    document = doc(body)
    assert GENERATE.calls(document) == (Called((0, 0), Call("f", {"a": 1}, "1")),)
    changed = json.loads(GENERATE.changed(document, {(0, 0): REFUSED}))
    assert changed["candidates"]["content"]["parts"] == {"text": REFUSAL}


def test_candidates_are_told_apart() -> None:
    body = {"candidates": [answer(call("a"))["candidates"][0], {**answer(call("b"))["candidates"][0], "index": 1}]}
    assert [(one.key, one.call.name) for one in GENERATE.calls(doc(body))] == [((0, 0), "a"), ((1, 0), "b")]
    changed = json.loads(GENERATE.changed(doc(body), {(1, 0): REFUSED}))
    assert [one["content"]["parts"] for one in changed["candidates"]] == [[call("a")], [{"text": REFUSAL}]]


@pytest.mark.parametrize("value", [{}, [], 3, {"candidates": "x"}, {"candidates": [None]}, answer("x", {"text": "y"})])
def test_an_answer_of_another_form_has_no_calls(value: Any) -> None:
    document = doc(value)
    assert GENERATE.calls(document) == ()
    assert GENERATE.changed(document, {(0, 0): REFUSED}) == document.raw


@pytest.mark.parametrize("args", [None, "x", [1]])
def test_a_call_of_which_nothing_is_right_is_still_a_call(args: Any) -> None:
    (found,) = GENERATE.calls(doc(answer({"functionCall": {"name": 3, "id": 4, "args": args}})))
    assert found.call == Call("", {} if args is None else args)


def test_a_refused_call_is_a_text_at_its_place_and_all_else_stays_as_it_came() -> None:
    raw = json.dumps(answer(SAID, call(), call("look", at=1.50), finishReason="STOP"), indent=1).encode()
    document = parse(raw)
    start, end = document.span(("candidates", 0, "content", "parts", 1))
    text = json.dumps({"text": REFUSAL}, separators=(",", ":")).encode()
    assert GENERATE.changed(document, {(0, 0): REFUSED}) == raw[:start] + text + raw[end:]


@pytest.mark.parametrize("key", ["thoughtSignature", "thought_signature"])
def test_the_signature_of_a_refused_call_stays_and_the_first_call_that_is_left_gets_it_too(key: str) -> None:
    """The API refuses the next turn where the first call of a step bears none."""
    document = doc(answer({**call(), key: "c2ln"}, call("look"), call("again")))
    assert parts_of(GENERATE.changed(document, {(0, 0): REFUSED})) == [
        {"text": REFUSAL, key: "c2ln"},
        {**call("look"), "thoughtSignature": "c2ln"},
        call("again"),
    ]


def test_a_call_that_is_left_keeps_its_own_signature() -> None:
    own = {**call("look"), "thoughtSignature": "b3du"}
    document = doc(answer({**call(), **SIGNED}, own, call("again")))
    assert parts_of(GENERATE.changed(document, {(0, 0): REFUSED})) == [{"text": REFUSAL, **SIGNED}, own, call("again")]


def test_arguments_are_replaced_and_nothing_else() -> None:
    document = doc(answer({**call(to="x@evil.example"), **SIGNED}, {"functionCall": {"name": "f"}}))
    changes: dict[Hashable, Change] = {
        (0, 0): Change(arguments={"to": "a@b.example"}),
        (0, 1): Change(arguments={"a": 1}),
    }
    assert parts_of(GENERATE.changed(document, changes)) == [{**call(to="a@b.example"), **SIGNED}, call("f", a=1)]


def test_with_no_change_the_bytes_are_those_that_came() -> None:
    document = doc(answer(call()))
    assert GENERATE.changed(document, {}) == document.raw


def test_calls_in_the_answers_of_a_batch() -> None:
    body = {"metadata": {"output": {"inlinedResponses": [{"response": answer(call("a"))}, {"response": answer()}]}}}
    body |= {"response": answer(call("b"))}
    found = GENERATE.calls(doc(body))
    assert [one.call.name for one in found] == ["a", "b"]
    changed = json.loads(GENERATE.changed(doc(body), {found[0].key: REFUSED}))
    assert changed["metadata"]["output"]["inlinedResponses"][0]["response"] == answer({"text": REFUSAL})
    assert changed["response"] == answer(call("b"))


# Streams.


def piece(path: str, more: bool | None = None, **value: Any) -> dict[str, Any]:
    return {"jsonPath": path, **value, **({} if more is None else {"willContinue": more})}


def part(*pieces: Any, more: bool = True, **members: Any) -> dict[str, Any]:
    told = {**members, **({"partialArgs": list(pieces)} if pieces else {}), **({"willContinue": True} if more else {})}
    return {"functionCall": told}


def streamed(*events: dict[str, Any]) -> list[tuple[tuple[Any, ...], tuple[Called, ...]]]:
    return [(one.calling, one.called) for one in play(GenerateStream(Framing.SSE), list(events))]


def test_a_call_in_one_part_is_complete_with_it() -> None:
    done = Called((0, 0), Call("send_mail", {"to": "a"}))
    more = Called((0, 1), Call("look", {}))
    assert streamed(answer(SAID), answer(call(to="a"), call("look")), answer(finishReason="STOP")) == [
        ((), ()),
        (((0, 0), (0, 1)), (done, more)),
        ((), ()),
    ]


def test_a_call_in_pieces_is_complete_with_its_last_part() -> None:
    events = [
        answer(part(name="light", id="1")),
        answer(part(piece("$.brightness", numberValue=50))),
        answer(part(piece("$.color", more=True, stringValue="wa"))),
        answer(part(piece("$.color", stringValue="rm"), piece("$.on", boolValue=True), piece("$.by", nullValue=None))),
        answer(part(more=False), call("look")),
    ]
    done = Called((0, 0), Call("light", {"brightness": 50, "color": "warm", "on": True, "by": None}, "1"))
    assert streamed(*events) == [(((0, 0),), ())] * 4 + [(((0, 0), (0, 1)), (done, Called((0, 1), Call("look", {}))))]


@pytest.mark.parametrize(
    ("pieces", "arguments"),
    [
        (
            [piece("$.a.b[0].c", stringValue="x"), piece("$.a.b[0].d", numberValue=1)],
            {"a": {"b": [{"c": "x", "d": 1}]}},
        ),
        ([piece("$['a b'][\"c.d\"]", stringValue="x")], {"a b": {"c.d": "x"}}),
        ([piece("$.a[0]", stringValue="x"), piece("$.a[1]", stringValue="y")], {"a": ["x", "y"]}),
        ([piece("$.a", stringValue=""), piece("$.a", stringValue="x")], {"a": "x"}),
        ([piece("$.a", nullValue="NULL_VALUE")], {"a": None}),
        ([piece("$.a", more=True), piece("$.a", stringValue="x")], {"a": "x"}),
        ([{"json_path": "$.a", "string_value": "x"}], {"a": "x"}),
        ([piece("$.a", null_value="NULL_VALUE")], {"a": None}),
    ],
)
def test_pieces_are_put_where_their_paths_lead(pieces: list[Any], arguments: Any) -> None:
    _, (_, (called,)) = streamed(answer(part(*pieces, name="f")), answer(part(more=False)))
    assert (called.call.arguments, called.call.is_readable) == (arguments, True)


@pytest.mark.parametrize(
    "pieces",
    [
        [piece("a", stringValue="x")],
        [piece("$", stringValue="x")],
        [piece("$[0]", stringValue="x")],
        [piece("$..a", stringValue="x")],
        [piece("$.a[*]", stringValue="x")],
        [piece("$.a[1]", stringValue="x")],
        [piece("$.a", stringValue="x"), piece("$.a.b", stringValue="x")],
        [piece("$.a", numberValue=1), piece("$.a", stringValue="x")],
        [{"stringValue": "x"}],
        ["x"],
    ],
    ids=str,
)
def test_pieces_that_make_no_arguments_are_a_text_that_is_not_readable(pieces: list[Any]) -> None:
    ((_, (called,)),) = streamed(answer(part(*pieces, name="f", more=False)))
    assert not called.call.is_readable
    assert called.call.name == "f"
    assert json.loads(called.call.arguments) == pieces


def test_pieces_go_on_from_whole_arguments() -> None:
    events = [answer(part(name="f", args={"a": 1})), answer(part(piece("$.b", numberValue=2), more=False))]
    assert streamed(*events)[-1][1][0].call.arguments == {"a": 1, "b": 2}


def test_a_call_that_its_candidate_ends_is_not_readable() -> None:
    begun = answer(part(piece("$.a", stringValue="x"), name="f", args={"b": 1}))
    calling, (called,) = streamed(begun, answer(finishReason="MAX_TOKENS"))[-1]
    assert calling == ((0, 0),)
    assert not called.call.is_readable
    assert json.loads(called.call.arguments) == [{"b": 1}, piece("$.a", stringValue="x")]


def test_a_call_within_which_the_stream_ends_is_not_finished() -> None:
    reader = GenerateStream(Framing.SSE)
    play(reader, [answer(part(name="f")), answer(part(piece("$.a", stringValue="x")))])
    told = Call("f", json.dumps([piece("$.a", stringValue="x")], separators=(",", ":")), is_readable=False)
    assert reader.unfinished() == (Called((0, 0), told),)
    assert reader.unfinished() == ()


def test_a_call_that_changes_its_name_is_refused() -> None:
    with pytest.raises(Malformed, match="changes its name"):
        streamed(answer(part(name="look")), answer(part(name="wipe", more=False)))


def test_an_event_that_is_not_json_stays() -> None:
    reader = GenerateStream(Framing.SSE)
    reader.read(None, None, b"x")
    assert reader.changed(None, None, b"x", {(0, 0): REFUSED}) == ((None, b"x"),)


def test_nothing_keeps_a_stream_alive() -> None:
    """google-genai takes a comment for a broken answer, and there is no event that says nothing."""
    assert GenerateStream(Framing.SSE).keepalive == b""


def written(events: list[dict[str, Any]], framing: Framing) -> bytes:
    payloads = [json.dumps(one).encode() for one in events]
    if framing is Framing.ARRAY:
        return b"[" + b",\r\n".join(payloads) + b"\n]\n"
    return b"".join(b"data: " + payload + b"\r\n\r\n" for payload in payloads)


def payloads_of(raw: bytes, framing: Framing) -> list[Any]:
    if framing is Framing.ARRAY:
        items: list[Any] = json.loads(raw)
        return items
    frames = framer(framing, 1_000_000).feed(raw)
    return [json.loads(frame.data) for frame in frames if frame.data and frame.data != b"[DONE]"]


def sent(events: list[dict[str, Any]], decide: Decide) -> list[Any]:
    raw = through([written(events, Framing.SSE)], GenerateStream(Framing.SSE), Framing.SSE, decide)
    return [part for one in payloads_of(raw, Framing.SSE) for part in one["candidates"][0]["content"]["parts"]]


IN_PIECES = [
    answer({**part(name="send_mail", id="1"), **SIGNED}),
    answer(part(piece("$.to", more=True, stringValue="x@ev"))),
    answer(part(piece("$.to", stringValue="il.example"))),
    answer(part(more=False), call("look")),
]


def test_the_parts_of_a_refused_call_are_its_refusal_and_empty_texts() -> None:
    def decide(called: Called) -> Change | None:
        return REFUSED if called.call.name == "send_mail" else None

    empty = {"text": ""}
    left = {**call("look"), **SIGNED}
    assert sent(IN_PIECES, decide) == [{"text": REFUSAL, **SIGNED}, empty, empty, empty, left]


def test_other_arguments_are_in_the_first_part_of_a_call() -> None:
    def decide(called: Called) -> Change | None:
        return Change(arguments={"to": "a@b.example"}) if called.call.name == "send_mail" else None

    whole = {"functionCall": {"id": "1", "name": "send_mail", "args": {"to": "a@b.example"}}, **SIGNED}
    empty = {"text": ""}
    assert sent(IN_PIECES, decide) == [whole, empty, empty, empty, call("look")]


def test_other_arguments_of_a_call_with_pieces_in_one_part() -> None:
    events = [answer(part(piece("$.to", stringValue="x"), name="f", more=False))]
    assert sent(events, lambda _: Change(arguments={"to": "y"})) == [call("f", to="y")]


def test_events_that_left_before_there_was_a_change_are_counted() -> None:
    reader = GenerateStream(Framing.SSE)
    events = [answer(call("look")), answer(call("send_mail"))]
    play(reader, events[:1])
    document = doc(events[1])
    (called,) = reader.read(None, document, document.raw).called
    ((_, data),) = reader.changed(None, document, document.raw, {called.key: REFUSED})
    assert parts_of(data) == [{"text": REFUSAL}]


ARGUMENTS = st.dictionaries(
    st.sampled_from("abc"), st.text(max_size=12) | st.integers(-9, 9) | st.booleans(), max_size=3
)
FATES = st.none() | st.just(REFUSED) | ARGUMENTS.map(lambda some: Change(arguments=some))
ASKED = st.tuples(ARGUMENTS, FATES, st.booleans())


def in_pieces(number: int, arguments: dict[str, Any]) -> list[dict[str, Any]]:
    """A call as a model streams it: its name, each value, texts in two halves, and the end."""
    parts = [part(name=f"tool_{number}")]
    for key, value in arguments.items():
        if isinstance(value, str):
            half = len(value) // 2
            parts.append(part(piece(f"$.{key}", more=True, stringValue=value[:half])))
            parts.append(part(piece(f"$.{key}", stringValue=value[half:])))
        else:
            kind = "boolValue" if isinstance(value, bool) else "numberValue"
            parts.append(part(piece(f"$.{key}", **{kind: value})))
    return [*parts, part(more=False)]


def heard(payloads: list[Any]) -> tuple[str, list[Call], list[str]]:
    """Text, calls and reasons to end, as an agent on google-genai puts them together."""
    answers = [types.GenerateContentResponse.model_validate(payload) for payload in payloads]
    candidates = [candidate for one in answers for candidate in one.candidates or ()]
    texts = [part.text or "" for one in candidates if one.content for part in one.content.parts or ()]
    calls = [called.call for one in play(GenerateStream(Framing.SSE), payloads) for called in one.called]
    return "".join(texts), calls, [one.finish_reason.name for one in candidates if one.finish_reason]


@given(st.lists(ASKED, max_size=4), st.sampled_from([Framing.SSE, Framing.ARRAY]), st.integers(1, 4), CUTS)
@settings(max_examples=150, deadline=None)
def test_what_an_agent_makes_of_a_changed_stream_is_the_changed_answer(
    asked: list[tuple[dict[str, Any], Change | None, bool]], framing: Framing, size: int, cuts: list[int]
) -> None:
    fate = {f"tool_{number}": change for number, (_, change, _) in enumerate(asked)}
    whole: list[Any] = [SAID, *(call(f"tool_{number}", **some) for number, (some, _, _) in enumerate(asked))]
    parts: list[Any] = [SAID]
    for number, (some, _, is_streamed) in enumerate(asked):
        parts += in_pieces(number, some) if is_streamed else [call(f"tool_{number}", **some)]
    if asked:
        whole[1], parts[1] = {**whole[1], **SIGNED}, {**parts[1], **SIGNED}
    bounds = [*range(0, len(parts), size), len(parts)]
    events = [answer(*parts[start:end]) for start, end in pairwise(bounds)] + [
        answer({"text": ""}, finishReason="STOP")
    ]

    def decide(called: Called) -> Change | None:
        return fate[called.call.name]

    document = doc(answer(*whole, finishReason="STOP"))
    changes = {one.key: change for one in GENERATE.calls(document) if (change := decide(one)) is not None}
    raw = written(events, framing)
    left = through(pieces_of(raw, cuts), GenerateStream(framing), framing, decide)
    if not changes:
        assert left == raw
    payloads = payloads_of(left, framing)
    assert heard(payloads) == heard([json.loads(GENERATE.changed(document, changes))])
    assert_calls_are_signed(payloads)
    # The array read whole, as it is where a client does not stream, comes to the same.
    array = parse(written(events, Framing.ARRAY))
    asked_for = [Call(one["functionCall"]["name"], one["functionCall"]["args"]) for one in whole[1:]]
    assert [one.call for one in GENERATE.calls(array)] == asked_for
    assert json.loads(GENERATE.changed(array, changes)) == payloads


def assert_calls_are_signed(payloads: list[Any]) -> None:
    """The first part of the first call bears a signature, as the API wants it back."""
    parts = [part for one in payloads for part in one["candidates"][0]["content"]["parts"]]
    calls = [part for part in parts if "functionCall" in part]
    assert not calls or calls[0]["thoughtSignature"] == "c2ln"
