"""Live sessions: what a client's messages hold, how the server's texts grow and end, and what becomes of calls."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import pytest
from google.genai import types
from hypothesis import given as examples
from hypothesis import settings
from hypothesis import strategies as st

from gateway.dialect.base import Denials, EventReading
from gateway.dialect.gemini_live import LiveSocket
from gateway.dialect.gemini_live_stream import LiveStream
from gateway.errors import Malformed
from gateway.policy.call import Call, Change
from gateway.policy.transcript import Defined, Hosted, Returned
from gateway.segment import Kind, Role, Trust
from gateway.wire.document import apply
from gateway.wire.frames import Framing
from tests.dialect.calling import Decide, Passed, as_it_is, given, passed, refused
from tests.dialect.laws import (
    REFUSAL,
    assert_edits_stay_in_place,
    assert_unknown_members_are_read,
    at,
    deltas,
    doc,
    joined,
    unread,
)
from tests.dialect.replay import event
from tests.dialect.telling import returned, said
from tests.fakes import live
from tests.fakes.script import Call as Scripted

SETUP: dict[str, Any] = {
    "model": "models/gemini-live",
    "systemInstruction": {"parts": [{"text": "Be brief."}]},
    "tools": [{"functionDeclarations": [{"name": "send", "description": "Sends mail."}]}, {"googleSearch": {}}],
    "generationConfig": {"responseModalities": ["AUDIO"], "responseSchema": {"title": "an answer"}},
    "inputAudioTranscription": {"customVocabulary": ["Lockgate"]},
    "sessionResumption": {"handle": "h"},
}
IMAGE = {"mimeType": "image/png", "data": "aGk="}
SOUND = {"mimeType": "audio/pcm", "data": "aGk="}

SPOKEN: list[tuple[dict[str, Any], tuple[str | int, ...], Role, Trust, Kind]] = [
    ({"setup": SETUP}, ("systemInstruction", "parts", 0, "text"), Role.SYSTEM, Trust.OPERATOR, Kind.TEXT),
    (
        {"setup": SETUP},
        ("tools", 0, "functionDeclarations", 0, "description"),
        Role.SYSTEM,
        Trust.UNTRUSTED,
        Kind.TOOL_DEFINITION,
    ),
    (
        {"setup": SETUP},
        ("generationConfig", "responseSchema", "title"),
        Role.SYSTEM,
        Trust.PRINCIPAL,
        Kind.TOOL_DEFINITION,
    ),
    ({"setup": SETUP}, ("inputAudioTranscription", "customVocabulary", 0), Role.SYSTEM, Trust.OPERATOR, Kind.TEXT),
    (
        {"contextUpdate": {"systemInstruction": {"parts": [{"text": "now"}]}}},
        ("systemInstruction", "parts", 0, "text"),
        Role.SYSTEM,
        Trust.OPERATOR,
        Kind.TEXT,
    ),
    (
        {"clientContent": {"turns": [{"role": "user", "parts": [{"text": "hi"}]}]}},
        ("turns", 0, "parts", 0, "text"),
        Role.USER,
        Trust.PRINCIPAL,
        Kind.TEXT,
    ),
    (
        {"client_content": {"turns": {"role": "model", "parts": {"text": "hi"}}}},
        ("turns", "parts", "text"),
        Role.ASSISTANT,
        Trust.MODEL,
        Kind.TEXT,
    ),
    ({"realtimeInput": {"text": "hi"}}, ("text",), Role.USER, Trust.PRINCIPAL, Kind.TEXT),
    (
        {"toolResponse": {"functionResponses": [{"id": "c", "name": "f", "response": {"result": "it went out"}}]}},
        ("functionResponses", 0, "response", "result"),
        Role.TOOL,
        Trust.UNTRUSTED,
        Kind.TOOL_RESULT,
    ),
]


class TestClients:
    @pytest.mark.parametrize(("message", "path", "role", "trust", "kind"), SPOKEN)
    def test_each_text_has_its_role_and_its_trust(
        self, message: Any, path: Any, role: Role, trust: Trust, kind: Kind
    ) -> None:
        (name,) = message
        found = at(LiveSocket().request(doc(message)), name, *path)
        assert (found.role, found.trust, found.kind) == (role, trust, kind)

    def test_the_model_is_known_by_its_name_alone(self) -> None:
        assert LiveSocket().request(doc({"setup": SETUP})).model == "gemini-live"
        assert LiveSocket().request(doc({"setup": {"model": 3}})).model is None

    @pytest.mark.parametrize(
        ("message", "named"),
        [
            ({"setup": SETUP}, ["hosted_tool", "stored_context"]),
            ({"realtimeInput": {"audio": SOUND}}, ["audio"]),
            ({"realtimeInput": {"mediaChunks": [SOUND, IMAGE]}}, ["audio", "image"]),
            ({"realtimeInput": {"activityStart": {}}}, []),
            ({"contextUpdate": {"tools": {"tools": [{"codeExecution": {}}]}}}, ["hosted_tool"]),
        ],
    )
    def test_what_is_no_text_is_named(self, message: Any, named: list[str]) -> None:
        assert [what for what, _ in unread(LiveSocket().request(doc(message)))] == named

    @pytest.mark.parametrize(
        "message", [*(row[0] for row in SPOKEN), {"realtimeInput": {"audio": SOUND}}, {"setup": {}, "x": "y"}]
    )
    def test_unknown_members_are_read_and_edits_stay_in_place(self, message: Any) -> None:
        skipped = ("response", "googleSearch")
        assert_unknown_members_are_read(message, LiveSocket().request, skipped)
        assert_edits_stay_in_place(message, LiveSocket().request)

    def test_rules_go_behind_the_instruction_and_one_that_takes_its_place(self) -> None:
        for name in ("setup", "contextUpdate", "context_update"):
            document = doc({name: {"systemInstruction": {"parts": [{"text": "Be brief."}]}}})
            left = json.loads(apply(document.raw, LiveSocket().instruct(document, "RULES")))
            assert left[name]["systemInstruction"]["parts"] == [{"text": "Be brief."}, {"text": "RULES"}]

    def test_a_setup_without_instruction_gets_one_and_other_messages_get_none(self) -> None:
        document = doc({"setup": {"model": "m"}})
        left = json.loads(apply(document.raw, LiveSocket().instruct(document, "RULES")))
        assert left["setup"]["systemInstruction"] == {"parts": [{"text": "RULES"}]}
        others: list[Any] = [{"contextUpdate": {"tools": {}}}, {"clientContent": {}}, [], {"contextUpdate": 3}]
        for message in others:
            assert LiveSocket().instruct(doc(message), "RULES") == ()

    @pytest.mark.parametrize(
        ("message", "asks"),
        [
            ({"clientContent": {"turns": [], "turnComplete": True}}, True),
            ({"client_content": {"turn_complete": True}}, True),
            ({"clientContent": {"turns": []}}, False),
            ({"toolResponse": {"functionResponses": []}}, True),
            ({"realtimeInput": {"text": "hi"}}, True),
            ({"realtimeInput": {"audio": SOUND}}, False),
            ({"setup": SETUP}, False),
            ([], False),
        ],
    )
    def test_what_makes_the_model_answer(self, message: Any, asks: bool) -> None:
        assert LiveSocket().asks(doc(message)) is asks

    def test_a_client_that_is_refused_is_told_by_the_close_alone(self) -> None:
        assert LiveSocket().complaint(REFUSAL) == b""
        assert json.loads(LiveSocket().refusal(REFUSAL))["error"]["code"] == 400

    @pytest.mark.parametrize(
        ("message", "expected"),
        [
            ({"setup": SETUP}, (Hosted("web_search", "googleSearch", None, ("setup", "tools", 1, "googleSearch")),)),
            (
                {"contextUpdate": {"tools": {"tools": [{"urlContext": {}}]}}},
                (Hosted("web_fetch", "urlContext", None, ("contextUpdate", "tools", "tools", 0, "urlContext")),),
            ),
            (
                {"clientContent": {"turns": [{"parts": [{"fileData": {"fileUri": "https://f.example/x"}}]}]}},
                (
                    Hosted(
                        "remote_file", "fileData", ("f.example",), ("clientContent", "turns", 0, "parts", 0, "fileData")
                    ),
                ),
            ),
            ({"realtimeInput": {"text": "hi"}, "setup": 3}, ()),
            ([], ()),
        ],
    )
    def test_what_the_provider_runs_or_fetches(self, message: Any, expected: Any) -> None:
        assert LiveSocket().hosted(doc(message)) == expected

    def test_a_message_tells_its_part_of_the_conversation(self) -> None:
        told = LiveSocket().transcript(doc({"setup": SETUP}))
        assert told.tools == (Defined("send", "Sends mail.", None, ("setup", "tools", 0, "functionDeclarations", 0)),)
        assert ("system/operator/text", "Be brief.") in said(told)
        assert not told.is_whole
        update = LiveSocket().transcript(doc({"contextUpdate": {"tools": {"tools": SETUP["tools"]}}}))
        assert [tool.name for tool in update.tools] == ["send"]
        turns = {"clientContent": {"turns": [{"role": "user", "parts": [{"text": "hi"}]}]}}
        assert said(LiveSocket().transcript(doc(turns))) == [("user/principal/text", "hi")]
        assert LiveSocket().transcript(doc([])).turns == ()

    def test_a_result_belongs_to_the_call_that_the_server_made(self) -> None:
        socket = LiveSocket()
        session(socket, [live.calling(Scripted("send", '{"to": "me"}', "c1"), Scripted("look", "{}", "c2"))])
        results = [{"id": "c2", "name": "look", "response": {"result": "a page"}}, 3]
        message = doc({"toolResponse": {"functionResponses": results}})
        socket.went(message)
        told = socket.transcript(message)
        assert returned(told)[0] == ("a page", "c2")
        (first, *_) = told.turns
        assert isinstance(first, Returned)
        assert first.call == Call("look", {}, "c2")


# --- the server's messages


def session(socket: LiveSocket, messages: Iterable[Any], decide: Decide = as_it_is) -> Passed:
    return passed(socket.stream(Framing.MESSAGE), map(event, messages), decide)


def readings(messages: Iterable[Any], reader: LiveStream | None = None) -> list[EventReading]:
    reader = reader or LiveStream()
    out = []
    for message in messages:
        document = doc(message)
        out.append(reader.read(None, document, document.raw))
        reader.sent(None, document, document.raw)
    return out


class TestTexts:
    def test_what_is_said_in_a_turn_is_one_text_of_its_kind(self) -> None:
        thought = {"parts": [{"text": "hm", "thought": True}]}
        found = readings(
            [live.content(modelTurn=thought), *live.said("Hello there."), *live.spoken("Hello!"), *live.over()]
        )
        assert sorted(joined(found).values()) == ["Hello there.", "Hello!", "hm"]
        assert len(found[-2].closes) == 3, "the model has said what it says"

    def test_what_is_heard_is_the_users_words_as_the_model_understood_them(self) -> None:
        (delta,) = deltas(readings(live.heard("hi")))
        assert (delta.role, delta.trust, delta.text) == (Role.USER, Trust.MODEL, "hi")

    @pytest.mark.parametrize(
        "last",
        [
            live.content(inputTranscription={"text": "!", "finished": True}),
            live.content(modelTurn={"parts": [{"text": "yes?"}]}),
            live.content(interrupted=True),
            live.content(turnComplete=True),
            live.calling(Scripted("look")),
        ],
    )
    def test_what_is_heard_ends_when_it_is_finished_answered_or_the_turn_ends(self, last: Any) -> None:
        found = readings([*live.heard("hello you"), last])
        assert ("heard", 0) in found[-1].closes

    def test_what_is_heard_while_the_model_speaks_goes_on_as_one_text(self) -> None:
        said_, (first, second) = list(live.said("Yes. I see.")), live.heard("hello you")
        found = readings([said_[0], first, said_[1], second, *live.over()])
        assert joined(found)["heard", 1] == "hello you"

    @pytest.mark.parametrize("last", [live.content(interrupted=True), live.calling(Scripted("look"))])
    def test_nothing_said_waits_behind_an_interruption_or_a_call(self, last: Any) -> None:
        """The server sends no more before it has a result, so what would wait for more would wait for ever."""
        found = readings([*live.said("I see"), last, *live.said("that")])
        (closed,) = found[1].closes
        assert joined(found)[closed] == "I see"
        assert joined(found)[found[2].deltas[0].channel] == "that"

    def test_an_interim_transcript_is_read_alone_since_the_next_takes_its_place(self) -> None:
        found = readings([live.content(interimInputTranscription={"text": one}) for one in ("hel", "hello")])
        assert [delta.text for delta in deltas(found) if delta.whole] == ["hel", "hello"]

    def test_sound_is_named_and_so_are_words_that_spell_a_text_again(self) -> None:
        (sound, words) = readings(
            [
                next(iter(live.spoken("x"))),
                live.content(outputTranscription={"text": "a", "words": [{"text": "a"}]}),
            ]
        )
        assert [part.what for part in sound.uninspected] == ["audio"]
        assert [part.what for part in words.uninspected] == ["word_info"]

    def test_what_grounds_an_answer_is_untrusted_and_what_is_new_is_read(self) -> None:
        found = readings([live.content(groundingMetadata={"title": "a page"}), {"news": "an event"}])
        assert {(delta.text, delta.trust) for delta in deltas(found)} == {
            ("a page", Trust.UNTRUSTED),
            ("an event", Trust.UNTRUSTED),
        }

    def test_an_edited_transcript_is_not_spelt_again(self) -> None:
        document = doc(live.content(outputTranscription={"text": "a", "words": [{"text": "a"}]}))
        patches = LiveSocket().after_edit(document, ("serverContent", "outputTranscription", "text"))
        assert json.loads(apply(document.raw, patches))["serverContent"]["outputTranscription"]["words"] is None
        assert LiveSocket().after_edit(document, ("serverContent",)) == ()

    def test_turns_add_up_to_what_the_session_costs(self) -> None:
        one, two = live.said("Hi.", 2)
        counted, late = {**one, "usageMetadata": live.USAGE}, {"usageMetadata": live.USAGE}
        found = readings([counted, two, *live.over(), late, one, *live.over()])
        once, twice = ({"input": 9 * many, "output": 12 * many, "reasoning": 2 * many} for many in (1, 2))
        thrice = {"input": 27, "output": 36, "reasoning": 6}
        assert [reading.usage for reading in found] == [once, once, once, once, twice, twice, twice, thrice]

    @pytest.mark.parametrize(
        ("messages", "is_idle"),
        [
            ([], True),
            ([*live.said("hi")], False),
            ([*live.said("hi"), *live.over()], True),
            ([live.calling(Scripted("look"))], False),
            ([*live.said("hi"), live.content(turnComplete=True, interactionStatus="IN_PROGRESS")], False),
            ([*live.said("hi"), live.content(interactionStatus="IDLE")], True),
            (
                [*live.said("hi"), live.content(turnComplete=True, interactionStatus="INTERACTION_STATUS_UNSPECIFIED")],
                True,
            ),
            ([*live.heard("hi"), {"setupComplete": {}}, {"goAway": {"timeLeft": "9s"}}], True),
        ],
    )
    def test_a_session_rests_between_turns(self, messages: list[Any], is_idle: bool) -> None:
        socket = LiveSocket()
        session(socket, messages)
        assert socket.is_idle is is_idle

    @pytest.mark.parametrize(
        ("messages", "ended"),
        [
            ([], False),
            ([*live.said("hi")], True),
            ([*live.spoken("hi")], True),
            ([*live.said("hi"), *live.over()], False),
        ],
    )
    def test_a_turn_that_is_cut_ends_with_a_reason(self, messages: list[Any], ended: bool) -> None:
        reader = LiveStream()
        readings(messages, reader)
        raw = reader.ending(REFUSAL)
        assert bool(raw) is ended
        if ended:
            content = types.LiveServerMessage.model_validate(json.loads(raw)).server_content
            assert content is not None
            assert content.turn_complete_reason is types.TurnCompleteReason.GENERATED_CONTENT_PROHIBITED

    @pytest.mark.parametrize(
        "value", [[], "x", 3, {"serverContent": None}, {"toolCall": {}}, {"toolCall": {"functionCalls": [3]}}]
    )
    def test_a_message_of_another_form_holds_no_calls(self, value: Any) -> None:
        assert readings([value])[0].called == ()

    def test_a_message_that_is_not_json_is_refused(self) -> None:
        with pytest.raises(Malformed):
            LiveStream().read(None, None, b"what")


SEND, LOOK = Scripted("send", '{"to": "x"}', "c1"), Scripted("look", "{}", "c2")
NO_SEND = {"id": "c1", "name": "send", "response": {"error": "No `send`."}}


def part(call: dict[str, Any]) -> Any:
    return live.content(modelTurn={"parts": [{"text": "hm"}, {"functionCall": call}]})


class TestCalls:
    def test_calls_are_complete_with_their_message(self) -> None:
        out = session(LiveSocket(), [live.calling(SEND, LOOK)])
        assert out.calls == [Call("send", {"to": "x"}, "c1"), Call("look", {}, "c2")]
        assert out.payloads == [live.calling(SEND, LOOK)]

    def test_a_refused_call_is_taken_out(self) -> None:
        out = session(LiveSocket(), [live.calling(SEND, LOOK)], refused("send"))
        assert out.payloads == [live.calling(LOOK)]

    def test_a_message_that_holds_nothing_else_goes_too(self) -> None:
        out = session(LiveSocket(), [*live.said("hi"), live.calling(SEND), *live.over()], refused("send"))
        assert out.payloads == [*live.said("hi"), *live.over()]

    def test_what_it_costs_stays(self) -> None:
        out = session(LiveSocket(), [{**live.calling(SEND), "usageMetadata": live.USAGE}], refused("send"))
        assert out.payloads == [{"usageMetadata": live.USAGE}]

    @pytest.mark.parametrize(
        ("message", "left"),
        [
            ({"tool_call": {"function_calls": [{"id": "c1", "name": "send"}]}}, []),
            ({"toolCall": {"functionCalls": {"id": "c1", "name": "send"}}}, []),
            (
                part({"id": "c1", "name": "send"}),
                [live.content(modelTurn={"parts": [{"text": "hm"}, {"text": "No `send`."}]})],
            ),
            (
                {"server_content": {"model_turn": {"parts": {"function_call": {"id": "c1", "name": "send"}}}}},
                [{"server_content": {"model_turn": {"parts": {"text": "No `send`."}}}}],
            ),
        ],
    )
    def test_calls_are_found_in_every_spelling_and_in_a_turn(self, message: Any, left: Any) -> None:
        out = session(LiveSocket(), [message], refused("send"))
        assert [call.id for call in out.calls] == ["c1"]
        assert out.payloads == left

    @pytest.mark.parametrize(
        ("message", "left"),
        [
            (live.calling(SEND), live.calling(Scripted("send", '{"a": 1}', "c1"))),
            (
                {"toolCall": {"functionCalls": [{"name": "send"}]}},
                {"toolCall": {"functionCalls": [{"name": "send", "args": {"a": 1}}]}},
            ),
            (part({"name": "send", "args": {}}), part({"name": "send", "args": {"a": 1}})),
        ],
    )
    def test_a_call_is_given_other_arguments(self, message: Any, left: Any) -> None:
        assert session(LiveSocket(), [message], given({"a": 1}, "send")).payloads == [left]

    @pytest.mark.parametrize(
        "message",
        [
            {"toolCall": [{"functionCalls": []}]},
            {"toolCall": {}, "tool_call": {}},
            {"serverContent": [{"modelTurn": {}}]},
            {"serverContent": {"modelTurn": [{"parts": []}]}},
            {"serverContent": {"modelTurn": {"parts": [{"functionCall": [1]}]}}},
            {"toolCall": {"functionCalls": [{"name": "send", "willContinue": True}]}},
            {"toolCall": {"functionCalls": [{"name": "send", "partialArgs": [{"jsonPath": "$.to"}]}]}},
            {"toolCall": {"functionCalls": [[{"name": "send"}]]}},
            {"serverContent": {"modelTurn": {"parts": [[{"functionCall": {"name": "send"}}]]}}},
            [{"toolCall": {"functionCalls": [{"name": "send"}]}}],
        ],
    )
    def test_calls_that_cannot_be_judged_are_refused(self, message: Any) -> None:
        with pytest.raises(Malformed):
            readings([message])


def denied(reader: LiveStream, messages: Iterable[Any], *names: str) -> tuple[Denials, ...]:
    changes: dict[Any, Change] = {}
    for message in messages:
        for one in reader.read(None, doc(message), b"").called:
            if one.call.name in names:
                changes[one.key] = Change(refusal=f"No `{one.call.name}`.")
    return reader.denials(changes) + reader.denials(changes)


class TestOwed:
    def test_the_server_is_given_the_result_of_a_refused_call_once(self) -> None:
        found = denied(LiveStream(), [live.calling(SEND, LOOK)], "send")
        assert found == (Denials((), (NO_SEND,)),)
        assert json.loads(LiveSocket().owed(found)) == {"toolResponse": {"functionResponses": [NO_SEND]}}
        assert LiveSocket().owed(()) == b""

    def test_a_call_without_an_id_is_answered_by_its_name(self) -> None:
        (found,) = denied(LiveStream(), [{"toolCall": {"functionCalls": [{"name": "send"}]}}], "send")
        assert found.items == ({"name": "send", "response": {"error": "No `send`."}},)

    @pytest.mark.parametrize("ids", [["c1", "c9"], ["c1"]])
    def test_nothing_is_owed_for_a_call_that_the_server_takes_back(self, ids: list[str]) -> None:
        messages = [live.calling(SEND, LOOK), {"toolCallCancellation": {"ids": ids}}]
        (found,) = denied(LiveStream(), messages, "send", "look")
        assert [item["id"] for item in found.items] == ["c2"]

    @pytest.mark.parametrize(
        ("result", "is_owed"),
        [({"id": "c1", "response": {}}, False), ({"id": "c1", "willContinue": True}, True), ({"name": "send"}, True)],
    )
    def test_nothing_is_owed_for_a_call_that_the_client_has_answered(self, result: Any, is_owed: bool) -> None:
        socket = LiveSocket()
        reader = socket.stream(Framing.MESSAGE)
        (called,) = reader.read(None, doc(live.calling(SEND)), b"").called
        socket.went(doc({"toolResponse": {"functionResponses": result}}))
        assert bool(reader.denials({called.key: Change(refusal="No.")})) is is_owed

    def test_calls_that_nobody_answers_are_forgotten_after_some_time(self) -> None:
        reader = LiveStream()
        (first,) = reader.read(None, doc(live.calling(SEND)), b"").called
        for _ in range(256):
            reader.read(None, doc(live.calling(LOOK)), b"")
        assert reader.denials({first.key: Change(refusal="No.")}) == ()


@examples(st.lists(st.sampled_from(["send", "look", "say", "over"]), max_size=8), st.integers(1, 9))
@settings(max_examples=60, deadline=None)
def test_what_is_not_refused_leaves_as_it_came(plan: list[str], step: int) -> None:
    made: dict[str, list[Any]] = {
        "send": [live.calling(SEND)],
        "look": [live.calling(LOOK)],
        "say": list(live.said("Grüße.", step)),
        "over": list(live.over()),
    }
    messages = [message for name in plan for message in made[name]]
    out = session(LiveSocket(), messages, refused("send"))
    assert out.payloads == [message for message in messages if message != live.calling(SEND)]
