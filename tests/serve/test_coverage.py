from __future__ import annotations

from gateway.dialect.families import FAMILIES
from gateway.serve.coverage import Row, matrix
from tests.serve.loopback import FAMILY


def test_routes_stand_in_order_and_the_fallback_last() -> None:
    assert matrix([FAMILY]) == (
        Row("test", ("*",), "/read/.*", "plain", "text", "json", "json", generates=False),
        Row("test", ("*",), "*", "plain", "pass", "bytes", "bytes", generates=False),
        Row("test", ("WEBSOCKET",), "*", "plain", "text", "json", "json", generates=False),
    )


def test_sessions_are_declared_too() -> None:
    rows = matrix([FAMILIES["openai"]])
    assert [(row.path, row.dialect) for row in rows if row.methods == ("WEBSOCKET",)] == [
        ("(?:/v1)?/realtime(/.*)?", "openai_realtime"),
        ("(?:/v1)?/responses", "openai_responses"),
        ("*", "plain"),
    ]


def test_every_family_declares_what_it_does_with_every_other_path() -> None:
    rows = matrix(FAMILIES.values())
    assert {row.family for row in rows if row.path == "*"} == {family.name for family in FAMILIES.values()}
