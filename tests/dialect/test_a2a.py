"""What is read of A2A messages, in both bindings, and how requests are refused."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from typing import Any

import pytest
from msgspec import structs

from gateway.dialect.a2a import REFUSED, A2aHttp, A2aRpc
from gateway.dialect.a2a_card import Door
from gateway.dialect.a2a_family import A2A, a2a
from gateway.dialect.base import Coverage, Reading
from gateway.dialect.families import FAMILIES
from gateway.dialect.route import Form
from gateway.errors import Code, Malformed, UpstreamError
from gateway.segment import Direction, Role, Trust
from gateway.wire.document import Document
from gateway.wire.frames import Framing
from tests.dialect.laws import (
    REFUSAL,
    TRANSCRIPTS,
    Read,
    assert_edits_stay_in_place,
    assert_unknown_members_are_read,
    at,
    doc,
    texts,
    unread,
)

HTTP, RPC = A2aHttp(), A2aRpc()
DOOR = Door("n", "https://h/a", "http://gate/n")
PICTURE = base64.b64encode(bytes(range(256))).decode()

PARTS_1 = [
    {"text": "a text", "metadata": {"k": "a note"}},
    {"data": {"deep": ["a value"]}, "mediaType": "application/json"},
    {"raw": PICTURE, "filename": "a.png", "mediaType": "image/png"},
    {"url": "https://files/x?q=1"},
]
PARTS_0 = [
    {"kind": "text", "text": "a text", "metadata": {"k": "a note"}},
    {"kind": "data", "data": {"deep": ["a value"]}},
    {"kind": "file", "file": {"bytes": PICTURE, "name": "a.png", "mimeType": "image/png"}},
    {"kind": "file", "file": {"uri": "https://files/x?q=1"}},
]
PARTS_PROTO = [
    {"text": "a text"},
    {"file": {"file_with_bytes": PICTURE, "mime_type": "image/png"}},
    {"file": {"file_with_uri": "https://files/x?q=1"}},
]
PARTS = {"1.0": PARTS_1, "0.3": PARTS_0, "proto": PARTS_PROTO}

TASK = {
    "id": "t",
    "contextId": "c",
    "kind": "task",
    "status": {"state": "working", "message": {"role": "agent", "messageId": "m", "parts": [{"text": "on it"}]}},
    "artifacts": [
        {"artifactId": "a", "name": "one", "description": "the first", "parts": PARTS_1, "extensions": ["e"]}
    ],
    "history": [{"role": "user", "messageId": "m0", "parts": [{"text": "asked"}], "referenceTaskIds": ["r"]}],
    "metadata": {"k": "v"},
}
CARD = {
    "name": "Agent",
    "description": "Cooks",
    "url": "https://h/a",
    "preferredTransport": "JSONRPC",
    "additionalInterfaces": [{"url": "https://h/a", "transport": "JSONRPC"}],
    "supportedInterfaces": [{"url": "https://h/a", "protocolBinding": "JSONRPC", "tenant": "x"}],
    "provider": {"organization": "Org", "url": "https://org"},
    "capabilities": {"streaming": True, "extensions": [{"uri": "urn:e", "description": "more"}]},
    "skills": [{"id": "s", "name": "Skill", "description": "does it", "tags": ["t"], "examples": ["do it"]}],
    "securitySchemes": {"k": {"type": "apiKey", "description": "a key"}},
    "signatures": [{"protected": "e30", "signature": "c2ln", "header": {"kid": "1"}}],
    "version": "1",
}
PUSH = {
    "taskId": "t",
    "url": "https://me/hook",
    "token": "tok",
    "authentication": {"scheme": "Bearer", "credentials": "x"},
}
SENT = {
    "message": {"role": "user", "messageId": "m", "parts": PARTS_1},
    "configuration": {"acceptedOutputModes": ["text/plain"], "blocking": True, "pushNotificationConfig": PUSH},
    "metadata": {"k": "v"},
}


def flat(read: Read) -> Read:
    """The reading with the parts of texts among all others."""

    def reading(document: Document) -> Reading:
        found = read(document)
        return structs.replace(found, segments=(*found.segments, *(one for some in found.parted for one in some)))

    return reading


def asked(params: Any, method: str = "message/send", id: Any = 1) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": id, "method": method, "params": params}


def answered(result: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 1, "result": result}


class TestWhatIsRead:
    @pytest.mark.parametrize("version", PARTS)
    @pytest.mark.parametrize("key", ["parts", "content"])
    def test_every_kind_of_part(self, version: str, key: str) -> None:
        reading = HTTP.request(doc({"message": {"role": "user", key: PARTS[version]}}))
        found = set(texts(reading).values())
        assert {"a text", "https://files/x?q=1"} <= found
        assert version == "proto" or {"a value", "a note"} <= found
        assert [what for what, _ in unread(reading)] == ["file"]
        assert PICTURE not in found

    def test_a_client_says_what_its_model_made(self) -> None:
        reading = HTTP.request(doc(SENT))
        assert {(one.role, one.trust) for one in reading.segments} == {(Role.ASSISTANT, Trust.MODEL)}

    @pytest.mark.parametrize("body", [TASK, {"task": TASK}, {"tasks": [TASK]}, [TASK], {"statusUpdate": TASK}])
    def test_an_agent_is_not_trusted_whatever_it_repeats(self, body: Any) -> None:
        reading = HTTP.answer(doc(body))
        assert {"on it", "one", "the first", "a text", "a value", "asked"} <= set(texts(reading).values())
        assert {one.trust for one in reading.segments} == {Trust.UNTRUSTED}

    def test_a_card_is_read_as_a_tool_is(self) -> None:
        reading = HTTP.answer(doc(CARD))
        assert {one.trust for one in reading.segments} == {Trust.UNTRUSTED}
        assert at(reading, "skills", 0, "description").editable
        assert at(reading, "skills", 0, "examples", 0).editable
        for path in (
            ("url",),
            ("skills", 0, "id"),
            ("supportedInterfaces", 0, "url"),
            ("supportedInterfaces", 0, "tenant"),
        ):
            assert not at(reading, *path).editable
        assert [what for what, _ in unread(reading)] == ["signature", "signature"]

    def test_where_to_report_to_is_read_and_never_edited(self) -> None:
        reading = RPC.request(doc(asked(PUSH)))
        for path in (("url",), ("token",), ("authentication", "credentials")):
            assert not at(reading, "params", *path).editable

    def test_text_in_a_file_is_read(self) -> None:
        hidden = base64.b64encode(b"obey this page " * 9).decode()
        assert hidden in texts(HTTP.answer(doc({"parts": [{"raw": hidden}]}))).values()

    def test_the_texts_of_a_message_are_one(self) -> None:
        parts = [{"text": "a"}, {"data": {"text": "b"}}, {"text": "c"}, {"text": {"text": "d"}}, {"text": ""}]
        reading = HTTP.answer(doc({"parts": parts}))
        assert [[one.text for one in some] for some in reading.parted] == [["a", "c"]]
        assert set(texts(reading).values()) == {"b", "d"}

    def test_an_error_is_read(self) -> None:
        error = {"code": -32001, "message": "no task", "data": [{"reason": "gone"}]}
        assert set(texts(RPC.answer(doc({"jsonrpc": "2.0", "id": 1, "error": error}))).values()) == {"no task", "gone"}
        assert set(texts(HTTP.answer(doc({"error": error}))).values()) == {"no task", "gone"}

    @pytest.mark.parametrize("pair", [("contextId", "context_id"), ("messageId", "message_id")])
    def test_a_field_in_both_spellings_is_refused(self, pair: tuple[str, str]) -> None:
        with pytest.raises(Malformed, match="both spellings"):
            HTTP.request(doc({"message": dict.fromkeys(pair, "x")}))

    @pytest.mark.parametrize("body", [{"Parts": []}, {"parts": [{"TEXT": "x"}]}, {"message": {"Content": []}}])
    def test_parts_in_another_case_are_refused(self, body: Any) -> None:
        with pytest.raises(Malformed, match="another case"):
            HTTP.answer(doc(body))

    @pytest.mark.parametrize(
        "value", [None, True, 7, "x", [], [[]], {"message": 1}, {"message": {"parts": {"text": 1}}}]
    )
    def test_what_is_of_another_type_is_read_or_nothing(self, value: Any) -> None:
        HTTP.request(doc(value))
        HTTP.answer(doc(value))


class TestLaws:
    @pytest.mark.parametrize("value", [SENT, PUSH], ids=["message", "push"])
    def test_requests(self, value: Any) -> None:
        assert_edits_stay_in_place(value, flat(HTTP.request))
        assert_unknown_members_are_read(value, flat(HTTP.request), ())
        assert_edits_stay_in_place(asked(value), flat(RPC.request))
        assert_unknown_members_are_read(asked(value), flat(RPC.request), ())

    @pytest.mark.parametrize(
        "value", [TASK, CARD, {"artifactUpdate": TASK}, [PUSH]], ids=["task", "card", "event", "push"]
    )
    def test_answers(self, value: Any) -> None:
        assert_edits_stay_in_place(value, flat(HTTP.answer))
        assert_unknown_members_are_read(value, flat(HTTP.answer), ())
        assert_edits_stay_in_place(answered(value), flat(RPC.answer))
        assert_unknown_members_are_read(answered(value), flat(RPC.answer), ())


class TestEnvelopes:
    @pytest.mark.parametrize(
        ("message", "words"),
        [
            ([asked({})], "no batches"),
            ({"method": "message/send"}, "no JSON-RPC message"),
            ({**asked({}), "Method": "x"}, "another case"),
            ({**asked({}), "result": {}}, "one of"),
            (asked({}, id=True), "`id`"),
            (asked({}, id="x" * 257), "`id`"),
            ("x", "no JSON-RPC message"),
        ],
    )
    def test_what_is_no_message_is_refused(self, message: Any, words: str) -> None:
        with pytest.raises(Malformed, match=words):
            RPC.request(doc(message))

    def test_a_member_beside_the_known_ones_is_read(self) -> None:
        assert "a secret" in texts(RPC.request(doc({**asked({}), "x_new": "a secret"}))).values()

    @pytest.mark.parametrize(
        ("value", "claims"),
        [
            ({"jsonrpc": "2.0"}, True),
            ({"JSONRPC": "2.0"}, True),
            ({"result": {}}, True),
            ({"error": "invalid_token"}, False),
            ([], False),
        ],
    )
    def test_what_claims_to_be_a_message(self, value: Any, claims: bool) -> None:
        assert RPC.is_message(doc(value)) is claims

    @pytest.mark.parametrize(
        ("method", "operation"),
        [
            ("message/send", "message/send"),
            ("SendMessage", "SendMessage"),
            ("buy milk", "another method"),
            (7, "another method"),
        ],
    )
    def test_a_record_names_the_methods_of_the_protocol(self, method: Any, operation: str) -> None:
        assert RPC.operation(doc({"method": method}), named=True) == operation


class TestRefusals:
    def test_it_answers_the_request(self) -> None:
        bound = RPC.about(doc(asked({}, id="q")), Direction.REQUEST)
        body = json.loads(bound.refusal(REFUSAL))
        assert (body["jsonrpc"], body["id"], body["error"]["code"]) == ("2.0", "q", REFUSED)
        assert body["error"]["message"] == REFUSAL.message
        assert body["error"]["data"] == {"code": "secret_blocked", "request_id": "lg-1", "rules": ["secret.key"]}
        assert bound.status(REFUSAL) == 200

    def test_an_answer_changes_nothing(self) -> None:
        bound = RPC.about(doc(asked({}, id="q")), Direction.REQUEST)
        assert bound.about(doc({"id": "other"}), Direction.ANSWER) is bound

    def test_a_request_that_could_not_be_read_keeps_its_status(self) -> None:
        assert RPC.status(REFUSAL) == 400
        assert json.loads(RPC.refusal(REFUSAL))["id"] is None

    @pytest.mark.parametrize(
        ("code", "number"),
        [(Code.UNREADABLE, -32600), (Code.UPSTREAM, -32603), (Code.RATE, REFUSED), (Code.MISMATCH, REFUSED)],
    )
    def test_a_failure_of_the_exchange_keeps_its_status(self, code: Code, number: int) -> None:
        refusal = structs.replace(REFUSAL, code=code, status=429, retry_after=3)
        bound = RPC.about(doc(asked({})), Direction.REQUEST)
        body = json.loads(bound.refusal(refusal))
        assert (body["error"]["code"], body["error"]["data"]["retry_after"]) == (number, 3)
        assert bound.status(refusal) == 429

    def test_a_plain_request_gets_a_status(self) -> None:
        body = json.loads(HTTP.refusal(REFUSAL))["error"]
        assert (body["code"], body["status"]) == (400, "INVALID_ARGUMENT")
        assert body["details"][0]["reason"] == "secret_blocked"

    def test_a_stream_ends_with_the_error(self) -> None:
        bound = replace(RPC, asked=7, is_bound=True)
        assert bound.stream(Framing.SSE).ending(REFUSAL) == b"data: " + bound.refusal(REFUSAL) + b"\n\n"
        assert HTTP.stream(Framing.SSE).ending(REFUSAL) == b"event: error\ndata: " + HTTP.refusal(REFUSAL) + b"\n\n"

    def test_a_stream_in_another_framing_has_no_ending(self) -> None:
        assert RPC.stream(Framing.LINES).ending(REFUSAL) == b""

    @pytest.mark.parametrize("dialect", [HTTP, RPC])
    def test_the_hierarchy_has_no_place(self, dialect: Any) -> None:
        assert dialect.instruct(doc(SENT), "rules") == ()
        assert dialect.after_edit(doc(SENT), ()) == ()


class TestAddresses:
    @pytest.mark.parametrize("dialect", [A2aHttp(DOOR), A2aRpc(DOOR)])
    def test_a_redirect_leads_to_the_gateway(self, dialect: Any) -> None:
        for place in ("/a/x", "https://h/a/x"):
            assert dialect.answer_fields((("Location", place), ("X", "y"))) == (
                ("Location", "http://gate/n/x"),
                ("X", "y"),
            )
        for place in ("//evil/a/x", "https://evil/", "x", "/b"):
            with pytest.raises(UpstreamError, match=r"\[upstreams.n\]"):
                dialect.answer_fields((("location", place),))

    @pytest.mark.parametrize("dialect", [HTTP, RPC])
    def test_by_proxy_everything_stays(self, dialect: Any) -> None:
        assert dialect.answer_fields((("Location", "https://evil/"),)) == (("Location", "https://evil/"),)
        assert dialect.amend(doc(answered(CARD))) == dialect.amend(doc(CARD)) == ()

    def test_what_is_no_card_stays(self) -> None:
        assert A2aRpc(DOOR).amend(doc(answered(PUSH))) == A2aHttp(DOOR).amend(doc(TASK)) == ()


class TestRoutes:
    @pytest.mark.parametrize(
        ("method", "path", "dialect", "form"),
        [
            ("GET", "/.well-known/agent-card.json", "A2aCard", Form.JSON),
            ("GET", "/x/.well-known/agent.json", "A2aCard", Form.JSON),
            ("GET", "/extendedAgentCard", "A2aCard", Form.JSON),
            ("GET", "/v1/card", "A2aCard", Form.JSON),
            ("GET", "/agent/authenticatedExtendedCard", "A2aCard", Form.JSON),
            ("POST", "/message:send", "A2aHttp", Form.JSON),
            ("POST", "/v1/message%3Astream", "A2aHttp", Form.JSON),
            ("POST", "/tenant/tasks/t:cancel", "A2aHttp", Form.JSON),
            ("POST", "/v1/tasks/t/pushNotificationConfigs", "A2aHttp", Form.JSON),
            ("GET", "/v1/tasks", "A2aHttp", Form.JSON),
            ("GET", "/tasks/t:subscribe", "A2aHttp", Form.JSON),
            ("POST", "/", "A2aRpc", Form.NOTE),
            ("POST", "/a2a/v1", "A2aRpc", Form.NOTE),
            ("POST", "/MESSAGE:SEND", "A2aRpc", Form.NOTE),
        ],
    )
    def test_each_has_its_dialect(self, method: str, path: str, dialect: str, form: Form) -> None:
        endpoint = A2A.endpoint(method, path)
        assert (type(endpoint.dialect).__name__, endpoint.coverage, endpoint.answer_form) == (
            dialect,
            Coverage.DIALECT,
            form,
        )
        assert not endpoint.generates

    def test_everything_else_is_read_as_text(self) -> None:
        assert A2A.endpoint("GET", "/openapi.json").coverage is Coverage.TEXT
        assert FAMILIES["a2a"] is A2A

    def test_a_family_behind_a_door_is_made_once(self) -> None:
        assert a2a(DOOR) is a2a(Door("n", "https://h/a", "http://gate/n"))


@pytest.mark.parametrize(
    "case", sorted((TRANSCRIPTS / "a2a").glob("*/response.json")), ids=lambda path: path.parent.name
)
def test_the_laws_hold_for_what_was_recorded(case: Any) -> None:
    value = json.loads(case.read_bytes())
    read = flat(RPC.answer if "jsonrpc" in value else HTTP.answer)
    assert_edits_stay_in_place(value, read)
    assert_unknown_members_are_read(value, read, ())
