"""What a message of a session holds when it is judged alone. No socket's framing, and no session's state."""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from gateway.dialect.base import Coverage
from gateway.dialect.route import Endpoint
from gateway.errors import ClientError, Code, Malformed, OverLimit
from gateway.exchange.body import is_json
from gateway.exchange.gate import Gate
from gateway.exchange.session_events import Message, Opcode
from gateway.exchange.whole import Outcome, inspect, unread
from gateway.policy.profile import UnknownJson
from gateway.segment import Direction, Uninspected
from gateway.wire.media import MediaType

_JSON: Final = MediaType("application", "json")
_TEXT: Final = MediaType("text", "plain", "utf-8")


def read(gate: Gate, endpoint: Endpoint, path: str, direction: Direction, message: Message) -> Outcome:
    """Judge a message alone. `path` is where the session was opened.

    Raises Malformed and OverLimit for what cannot be read as what it should be, and ClientError for JSON that the
    profile refuses because no dialect knows it.
    """
    data = message.data
    if len(data) > gate.limits.event:
        raise OverLimit(f"a message has more than {gate.limits.event} bytes (`max_event` under [gateway])")
    if endpoint.coverage is Coverage.DIALECT:
        check_text(message)
        return inspect(gate, endpoint, direction, data, _JSON)
    if endpoint.coverage is Coverage.PASS:
        return unread(data)
    if is_json(data):  # in binary messages too: Gemini's Live API sends its events in them
        _check_unknown_json(gate, path)
        return _unjoined(inspect(gate, endpoint, direction, data, _JSON))
    if message.opcode is Opcode.BINARY:
        return unread(data)
    return _unjoined(inspect(gate, endpoint, direction, data, _TEXT))


def check_text(message: Message) -> None:
    """Raise Malformed for a binary message in a session whose dialect has text alone."""
    if message.opcode is Opcode.BINARY:
        raise Malformed("a binary message where the API has text")


def _check_unknown_json(gate: Gate, path: str) -> None:
    if gate.profile.unknown_json is UnknownJson.BLOCK:
        raise ClientError(
            f"no dialect knows the messages of `{path}` and the profile `{gate.profile.name}` refuses JSON that cannot "
            'be understood; set `unknown_json = "scan"` under [rules] to read it as text',
            code=Code.CONTENT,
        )


def _unjoined(outcome: Outcome) -> Outcome:
    """Messages that no dialect knows are judged one by one: a text over several of them is named as not joined."""
    unjoined = Uninspected("unjoined_stream")
    return replace(
        outcome,
        inspected=replace(outcome.inspected, uninspected=(*outcome.inspected.uninspected, unjoined)),
    )
