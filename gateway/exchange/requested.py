"""HTTP requests that are calls of a tool: what they call, with the arguments in path, query and body.

A value that two places give differently is no argument that anybody could judge, so the call cannot be read then.
"""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import parse_qsl

from gateway.dialect.spelling import resolved
from gateway.errors import Malformed
from gateway.exchange.body import is_json
from gateway.exchange.events import RequestStarted
from gateway.exchange.gate import Gate
from gateway.exchange.whole import Outcome
from gateway.policy.call import Call, Called
from gateway.policy.egress.host import authority
from gateway.policy.egress.override import overrides
from gateway.wire.media import MediaType

BODY: Final = "body"
"""The argument that holds a body which is no object of named members."""


def requested(
    gate: Gate, started: RequestStarted, upstream: str, outcome: Outcome | None, media: MediaType
) -> tuple[Called, ...]:
    """The calls that a request is. `outcome` is of its body, None where it has none, or none that is read."""
    if gate.firewall is None:
        return ()
    path, _, query = started.target.partition("?")
    form = _form(outcome, media)
    asked = (*overrides(started.headers, query), *overrides((), form))
    methods = frozenset((started.method.upper(), *(method for _, method in asked)))
    found = gate.firewall.requested(methods, frozenset((upstream, _host(started.host))), resolved(path))
    if not found:
        return ()
    given = _pairs(parse_qsl(query, keep_blank_values=True))
    body, is_readable = _of_body(outcome, media) if started.has_body else ({}, True)
    calls = []
    for tool, named in found:
        arguments = _joined(named, given, body)
        readable = is_readable and arguments is not None
        calls.append(Called(tool, Call(tool, arguments or {}, server=upstream, is_readable=readable)))
    return tuple({one.key: one for one in calls}.values())


def _host(spelt: str) -> str:
    """The host that a client chose, in the one spelling of hosts; as it came where it is none."""
    if not spelt:
        return ""
    try:
        return str(authority(spelt).host)
    except Malformed:
        return spelt.casefold()


def _pairs(pairs: list[tuple[str, str]]) -> dict[str, Any]:
    """Names with their values, a list where a name comes more than once."""
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name not in found:
            found[name] = value
        elif isinstance(found[name], list):
            found[name].append(value)
        else:
            found[name] = [found[name], value]
    return found


def _of_body(outcome: Outcome | None, media: MediaType) -> tuple[dict[str, Any], bool]:
    """The arguments in a body, and whether it could be read. JSON by another name is not: some servers take it for what
    it is, and some for what it says."""
    if outcome is None:
        return {}, False
    if outcome.document is not None:
        value = outcome.document.value
        return (value if isinstance(value, dict) else {BODY: value}), True
    if media.is_text and is_json(outcome.body):
        return {}, False
    if form := _form(outcome, media):
        return _pairs(parse_qsl(form, keep_blank_values=True)), True
    return ({BODY: outcome.body.decode()}, True) if media.is_text else ({}, not outcome.body.strip())


def _form(outcome: Outcome | None, media: MediaType) -> str:
    """The body where it is a form, which is written as a query is; else empty."""
    if outcome is None or media.subtype != "x-www-form-urlencoded":
        return ""
    return outcome.body.decode("utf-8", "replace")


def _joined(*parts: dict[str, Any]) -> dict[str, Any] | None:
    """All arguments together; None where one is given twice, and differently."""
    found: dict[str, Any] = {}
    for part in parts:
        for name, value in part.items():
            if name in found and str(found[name]) != str(value):
                return None
            found[name] = value
    return found
