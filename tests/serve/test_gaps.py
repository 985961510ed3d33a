from __future__ import annotations

import pytest

from gateway.serve.gaps import gaps
from gateway.settings import Config

TOKEN = {"admin": {"token_env": "TOKEN"}}


@pytest.mark.parametrize(
    ("tables", "word"),
    [
        ({"rules": {"profile": "monitor"}}, "monitor"),
        ({"hierarchy": {"mode": "off"}}, "hierarchy"),
        ({"audit": {"enabled": False}}, "audit"),
        ({"upstreams": {"openai": {"verify": False}}}, "`openai`"),
        ({"mcp": {"docs": {"url": "https://h/mcp", "verify": False}}}, "`mcp/docs`"),
        ({"admin": {}}, "token"),
        ({"proxy": {"listen": "0.0.0.0:8081"}}, "anonymous"),
    ],
)
def test_what_is_left_open_is_said(tables: dict[str, object], word: str) -> None:
    (gap,) = gaps(Config.model_validate({**TOKEN, **tables}))
    assert word in gap


def test_nothing_is_said_where_nothing_is_open() -> None:
    assert gaps(Config.model_validate(TOKEN)) == ()
    for closed in ({"enabled": False}, {"anonymous": "refuse"}):
        assert gaps(Config.model_validate({**TOKEN, "proxy": {"listen": "0.0.0.0:8081", **closed}})) == ()
