"""Which calls a name in the configuration means."""

from __future__ import annotations

import pytest

from gateway.policy.call import Call
from gateway.policy.tools.match import match, spellings


@pytest.mark.parametrize(
    ("text", "name", "server", "is_meant"),
    [
        ("send_email", "send_email", None, True),
        ("send_email", "send_email", "gmail", True),
        ("send_email", "Send_Email", None, True),
        ("send_email", "ｓｅｎｄ_email", None, True),
        ("send_email", "send_emails", None, False),
        ("send_email", "mcp__gmail__send_email", None, True),
        ("gmail/send_email", "send_email", "gmail", True),
        ("gmail/send_email", "send_email", "other", False),
        ("gmail/send_email", "send_email", None, False),
        ("gmail/send_email", "mcp__gmail__send_email", None, True),
        ("gmail/send_email", "mcp__other__send_email", None, False),
        ("gmail/send_email", "mcp__gmail__send_email", "other", False),
        ("send_email", "mcp__my__gmail__send_email", None, True),
        ("my__gmail/send_email", "mcp__my__gmail__send_email", None, True),
        ("my/gmail__send_email", "mcp__my__gmail__send_email", None, True),
        ("gmail_/send_email", "mcp__gmail___send_email", None, True),
        ("send_email", "mcp__gmail__", None, False),
        ("send_email", "mcp____send_email", None, False),
        ("send_email", f"mcp__{'my__' * 40}send_email", None, False),
        ("my/*", f"mcp__{'my__' * 40}send_email", None, True),
        ("gmail/*", "mcp__gmail__anything", None, True),
        ("*/send_email", "send_email", "gmail", True),
        ("*/send_email", "send_email", None, False),
        ("delete_*", "delete_file", None, True),
        ("delete_*", "undelete_file", None, False),
        ("*", "anything", None, True),
        ("mcp__gmail__*", "mcp__gmail__send", None, True),
    ],
)
def test_names_mean_tools(text: str, name: str, server: str | None, is_meant: bool) -> None:
    assert (match(text).closeness(spellings(Call(name, {}, server=server))) is not None) is is_meant


def test_what_is_closer_speaks_first() -> None:
    call = Call("send_email", {}, server="gmail")
    order = ["gmail/send_email", "send_email", "gmail/send_*", "send_*", "*"]
    found = [match(text).closeness(spellings(call)) for text in order]
    assert found == sorted(found, key=lambda one: one or (0, 0), reverse=True)
    assert len(set(found)) == len(order)


@pytest.mark.parametrize("text", ["", "gmail/", "/send", "a/b/c"])
def test_what_means_no_tool_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="means no tool; accepted:"):
        match(text)
