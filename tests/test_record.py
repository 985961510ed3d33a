"""The canonical line: complete, bounded, and without a way for body text to get in."""

from __future__ import annotations

import io
import json
import tomllib
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import get_args, get_type_hints

import pytest
import structlog
from msgspec import structs

from gateway import line_out
from gateway.errors import Code
from gateway.exchange.demand import Counted
from gateway.exchange.events import Settle
from gateway.exchange.recorded import WITHHELD, CallRecord, ExchangeRecord, Inspected
from gateway.policy.call import CallReason, Tier
from gateway.policy.tools.wrapper import Became
from gateway.record import (
    MAX_FINGERPRINTS,
    MAX_NAME,
    MAX_PATH,
    MAX_TOLD,
    Field,
    call_lines,
    canonical,
    configure,
    flush,
    log,
    result_lines,
    write,
)
from gateway.segment import Uninspected
from gateway.settings import Format
from gateway.verdict import Effect, Reason
from tests.serve.loopback import until

TIME = datetime(2026, 11, 20, 12, tzinfo=UTC)
RECORD = ExchangeRecord(
    id="id-1",
    upstream="openai",
    principal="default",
    dialect="openai-chat",
    method="POST",
    path="/v1/chat/completions",
    ruleset="digest",
    status=400,
    outcome="refused",
    effect=Effect.BLOCK,
    would_be=Effect.BLOCK,
    code=Code.INJECTION,
    reasons=(
        Reason(Effect.BLOCK, "override", "injection.override", 1),
        Reason(Effect.REPORT, "email", "pii.email", 2, shadow=True),
        Reason(Effect.BLOCK, "override", "injection.override", 3),
    ),
    fingerprints=("bb", "aa", "bb"),
    request=Inspected(10, 3, 0, "dialect", (Uninspected("image", ("messages", 0)), Uninspected("image"))),
    answer=Inspected(),
    model="gpt",
    operation="tools/call add",
    usage={"input": 7},
    limits="local",
)


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    yield
    structlog.reset_defaults()


def line(of: ExchangeRecord) -> dict[str, object]:
    return canonical(of, duration_ms=1.23456, inspect_ms=0.5, client="127.0.0.1", time=TIME)


def test_it_has_each_field_once_in_order() -> None:
    made = line(RECORD)
    expected = {
        "time": "2026-11-20T12:00:00.000+00:00",
        "id": "id-1",
        "upstream": "openai",
        "principal": "default",
        "client": "127.0.0.1",
        "identity": None,
        "isolation": None,
        "dialect": "openai-chat",
        "host": None,
        "method": "POST",
        "path": "/v1/chat/completions",
        "model": "gpt",
        "operation": "tools/call add",
        "streamed": False,
        "status": 400,
        "outcome": "refused",
        "effect": "block",
        "would_be": "block",
        "code": "injection_detected",
        "reasons": [
            reason("override", "injection.override", "block", count=2, segment=1),
            reason("email", "pii.email", "report", count=1, segment=2, shadow=True),
        ],
        "fingerprints": ["aa", "bb"],
        "request": {"coverage": "dialect", "bytes": 10, "segments": 3, "events": 0, "uninspected": {"image": 2}},
        "answer": {"coverage": "none", "bytes": 0, "segments": 0, "events": 0, "uninspected": {}},
        "wrapped": 0,
        "held_max": 0,
        "usage": {"input": 7},
        "counted": "nobody",
        "reserved": {},
        "cost": None,
        "switched_from": None,
        "limit": None,
        "limits": "local",
        "fault": None,
        "told": None,
        "ruleset": "digest",
        "duration_ms": 1.235,
        "inspect_ms": 0.5,
    }
    assert made == expected
    assert list(made) == list(expected) == [value for name, value in vars(Field).items() if name.isupper()]


def reason(
    rule: str, category: str, effect: str, *, count: int, segment: int, shadow: bool = False
) -> dict[str, object]:
    return {
        "rule": rule,
        "category": category,
        "effect": effect,
        "shadow": shadow,
        "count": count,
        "segment": segment,
    }


def test_a_host_that_the_client_chose_is_told() -> None:
    assert line(structs.replace(RECORD, host="api.example.com"))["host"] == "api.example.com"


def test_an_exchange_without_a_model_or_a_code_says_so() -> None:
    made = line(structs.replace(RECORD, model=None, code=None))
    assert (made["model"], made["code"]) == (None, None)


def test_what_a_client_chooses_is_cut_to_a_length() -> None:
    long = "x" * 5000
    prints = tuple(f"{n:04}" for n in range(500))
    made = line(structs.replace(RECORD, path=long, model=long, method=long, fingerprints=prints))
    assert (len(str(made["path"])), len(str(made["model"]))) == (MAX_PATH, MAX_NAME)
    assert len(str(made["method"])) == MAX_NAME
    assert made["fingerprints"] == list(prints[:MAX_FINGERPRINTS])


class TestTold:
    DENIED = 'no entry of [egress] names it\nto allow it, add:\n[egress.a]\nhosts = ["a.example"]'

    def test_what_a_refused_client_was_told_is_told(self) -> None:
        assert line(structs.replace(RECORD, told=self.DENIED))["told"] == self.DENIED

    @pytest.mark.parametrize("place", [{"host": WITHHELD}, {"path": WITHHELD}])
    def test_it_may_name_what_is_withheld_and_then_is_too(self, place: dict[str, str]) -> None:
        assert line(structs.replace(RECORD, told=self.DENIED, **place))["told"] is None

    def test_it_is_cut_to_a_length(self) -> None:
        assert line(structs.replace(RECORD, told="x" * 9000))["told"] == "x" * MAX_TOLD

    def test_the_console_has_it_where_nothing_else_says_why(self) -> None:
        stream = io.StringIO()
        configure(Format.CONSOLE, "info", stream)
        write(line(structs.replace(RECORD, told=self.DENIED)))
        write(line(structs.replace(RECORD, told=self.DENIED, reasons=(), fault="door")))
        assert "[egress" not in stream.getvalue()
        write(line(structs.replace(RECORD, told=self.DENIED, reasons=())))
        *_, why, way_out, table, hosts = stream.getvalue().splitlines()
        assert (why, way_out) == ("    no entry of [egress] names it", "    to allow it, add:")
        assert tomllib.loads(f"{table}\n{hosts}") == {"egress": {"a": {"hosts": ["a.example"]}}}

    def test_it_cannot_pass_for_a_line_of_its_own(self) -> None:
        stream = io.StringIO()
        configure(Format.CONSOLE, "info", stream)
        write(line(structs.replace(RECORD, told="a\n2026-11-20T12:00:00.000Z b\n\x1b[2J\r\u2028c", reasons=())))
        _, *rest = stream.getvalue().splitlines()
        assert rest == ["    a", "    2026-11-20T12:00:00.000Z b", r"    '\x1b[2J\r\u2028c'"]


class TestNoBodyText:
    """The record's types are closed: whoever adds a field that may hold text has to add it here, and to think."""

    NAMES = frozenset(
        {"id", "upstream", "principal", "dialect", "host", "method", "path", "ruleset", "outcome", "model", "fault"}
        | {
            "fingerprints",
            "coverage",
            "rule",
            "category",
            "what",
            "operation",
            "told",
            "limits",
            "limit",
            "switched_from",
            "calls",  # of tools, whose arguments are masked as the record is made (exchange/masking.py)
        }
    )
    HARMLESS = (int, bool, Effect, Code, Counted, Reason, Inspected, Uninspected)

    @pytest.mark.parametrize("kind", [ExchangeRecord, Inspected, Reason, Uninspected])
    def test_each_field_is_a_number_an_enum_or_a_known_name(self, kind: type) -> None:
        for name, annotation in get_type_hints(kind).items():
            is_known = name in self.NAMES or (kind is Uninspected and name == "path")
            assert is_known or not self.holds_text(annotation), f"{kind.__name__}.{name}"

    def holds_text(self, annotation: object) -> bool:
        if annotation in self.HARMLESS or annotation in {type(None), ...}:
            return False
        if getattr(annotation, "__name__", "") == "Mapping":  # usage: names of counts, and numbers
            return get_args(annotation)[1] is not int
        parts = get_args(annotation)
        return not parts or any(self.holds_text(part) for part in parts)

    def test_keys_of_a_body_do_not_get_in_through_paths(self) -> None:
        parts = (Uninspected("image", ("a secret key",)),)
        made = line(structs.replace(RECORD, request=Inspected(uninspected=parts)))
        assert "secret" not in json.dumps(made)


class TestLog:
    def test_json_is_one_object_a_line(self) -> None:
        stream = io.StringIO()
        configure(Format.JSON, "info", stream)
        write(line(structs.replace(RECORD, path="/a\nb")))
        log().debug("quiet")
        (written,) = stream.getvalue().splitlines()
        assert json.loads(written) == {**line(RECORD), "path": "/a\nb", "event": "exchange", "level": "info"}

    def test_the_console_has_a_short_line_for_people(self) -> None:
        stream = io.StringIO()
        configure(Format.CONSOLE, "info", stream)
        write(line(RECORD))
        broken_off = structs.replace(RECORD, upstream="", principal="research", code=None, reasons=())
        write(line(structs.replace(broken_off, fault="door: it's broken\n")))
        refused, broken = stream.getvalue().splitlines()
        assert refused == (
            "2026-11-20T12:00:00.000Z refused/block/injection_detected openai POST /v1/chat/completions 400 "
            "override=2 email=1(shadow) 1.2ms (0.5) id-1"
        )
        assert broken == (
            "2026-11-20T12:00:00.000Z refused/block - POST /v1/chat/completions 400 1.2ms (0.5) id-1 "
            'agent=research fault="door: it\'s broken\\n"'
        )

    @pytest.mark.parametrize("path", ["/a\n\x1b[2J", "/\x9b2J", "/a b", "/\u202e", "/\ud800", "/\u2028"])
    def test_the_console_shows_no_control_sequence(self, path: str) -> None:
        stream = io.StringIO()
        configure(Format.CONSOLE, "debug", stream)
        write(line(structs.replace(RECORD, path=path, method=path)))
        log().debug("note")
        first, second = stream.getvalue().splitlines()
        assert f" openai {path!a} {path!a} 400 " in first
        assert "note" in second

    @pytest.mark.parametrize("format_", Format)
    def test_the_level_leaves_lines_out(self, format_: Format) -> None:
        stream = io.StringIO()
        configure(format_, "warning", stream)
        write(line(RECORD))
        flush()
        assert stream.getvalue() == ""

    def test_a_closed_stream_stops_nothing(self) -> None:
        stream = io.StringIO()
        configure(Format.CONSOLE, "info", stream)
        stream.close()
        write(line(RECORD))
        log().error("loud")

    def test_it_goes_to_standard_error(self, capsys: pytest.CaptureFixture[str]) -> None:
        configure(Format.JSON, "warning")
        log().info("quiet")
        log().warning("loud")
        out, err = capsys.readouterr()
        assert out == ""
        written = json.loads(err)
        assert (written["event"], written["level"]) == ("loud", "warning")
        assert datetime.fromisoformat(written["time"]).tzinfo is not None


class TestInALoop:
    """Lines wait for others there."""

    async def test_lines_leave_together_and_soon(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(line_out, "WAIT", 0.001)
        stream = Writes()
        configure(Format.CONSOLE, "info", stream)
        for _ in range(3):
            for _ in range(2):
                write(line(RECORD))
            assert not stream.taken
            await until(lambda: bool(stream.taken))
            (together,) = stream.taken
            assert together.count("\n") == 2
            stream.taken.clear()

    async def test_messages_keep_their_place(self) -> None:
        stream = Writes()
        configure(Format.CONSOLE, "info", stream)
        write(line(RECORD))
        log().warning("note")
        write(line(RECORD))
        (together,) = stream.taken
        first, second = together.splitlines()
        assert ("refused/block" in first, "note" in second) == (True, True)
        flush()
        assert "refused/block" in stream.taken[1]


class Writes(io.StringIO):
    """Keeps what it is given write by write."""

    def __init__(self) -> None:
        super().__init__()
        self.taken: list[str] = []

    def write(self, text: str) -> int:
        self.taken.append(text)
        return len(text)


class TestCalls:
    """Each call of a tool has a line of its own, behind that of its exchange."""

    CALL = CallRecord(
        tool="send_mail",
        server=None,
        tier=Tier.SEND,
        effect=Effect.BLOCK,
        would_be=Effect.ASK,
        reasons=(
            CallReason(Effect.ASK, "untrusted-target", "tool.provenance", "who gets it was read", "to", ("a page",)),
        ),
        arguments={"to": "[EMAIL]"},
        fingerprint="f-1",
        asked=True,
        by="ann",
        ticket="AB12",
    )
    RECORDED = structs.replace(RECORD, calls=(CALL,))
    AT = datetime(2026, 11, 25, tzinfo=UTC)

    def test_an_exchange_without_calls_has_no_such_line(self) -> None:
        assert call_lines(RECORD, self.AT) == []

    def test_a_result_that_came_later_has_a_line_with_the_id_of_who_called(self) -> None:
        settled = Settle("id-7", (structs.replace(self.CALL, server="crm", became=Became.TOO_LARGE),))
        assert result_lines(settled, self.AT) == [
            {
                "time": "2026-11-25T00:00:00.000+00:00",
                "event": "call_result",
                "id": "id-7",
                "server": "crm",
                "tool": "send_mail",
                "fingerprint": "f-1",
                "result": "too_large",
            }
        ]

    def test_a_line_says_who_called_what_and_what_was_decided_why_and_by_whom(self) -> None:
        (found,) = call_lines(self.RECORDED, self.AT)
        assert found == {
            "time": "2026-11-25T00:00:00.000+00:00",
            "event": "call",
            "id": RECORD.id,
            "principal": RECORD.principal,
            "upstream": RECORD.upstream,
            "server": None,
            "tool": "send_mail",
            "tier": 3,
            "effect": "block",
            "would_be": "ask",
            "asked": True,
            "by": "ann",
            "ticket": "AB12",
            "reasons": [
                {
                    "rule": "untrusted-target",
                    "category": "tool.provenance",
                    "effect": "ask",
                    "shadow": False,
                    "argument": "to",
                    "sources": ["a page"],
                    "words": "who gets it was read",
                }
            ],
            "arguments": {"to": "[EMAIL]"},
            "fingerprint": "f-1",
        }

    def test_for_people_it_is_short_and_shows_no_arguments(self) -> None:
        stream = io.StringIO()
        configure(Format.CONSOLE, "info", stream)
        write(call_lines(self.RECORDED, self.AT)[0])
        assert stream.getvalue() == (
            f"2026-11-25T00:00:00.000Z call block send_mail tier=3 untrusted-target:to by=ann ticket=AB12 {RECORD.id}"
            f"{_agent(RECORD.principal)}\n"
        )

    def test_as_json_it_bears_its_own_event(self) -> None:
        stream = io.StringIO()
        configure(Format.JSON, "info", stream)
        write(call_lines(self.RECORDED, self.AT)[0])
        assert json.loads(stream.getvalue())["event"] == "call"

    def test_a_name_that_a_model_chose_cannot_write_to_a_terminal(self) -> None:
        stream = io.StringIO()
        configure(Format.CONSOLE, "info", stream)
        write(call_lines(structs.replace(RECORD, calls=(structs.replace(self.CALL, tool="a\x1b[2J"),)), self.AT)[0])
        assert "\x1b" not in stream.getvalue()


def _agent(principal: str) -> str:
    return "" if principal == "default" else f" agent={principal}"
