"""Explanations on a terminal: complete, and unable to paint it."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.cli.explain_text import lines

EVIL = "\x1b[2J\x07\r\n\x9b31m\u202eabc\u2028\U000e0041\x00"


def call(**more: Any) -> dict[str, Any]:
    return {
        "message": 4,
        "tool": "send_email",
        "server": None,
        "outcome": "asked",
        "effect": "ask",
        "would_be": "ask",
        "tier": {"number": 3, "name": "send", "why": "its name says `send`"},
        "approver": "user",
        "tables": [{"name": "mail-send", "shipped": True}, {"name": "own", "shipped": False}],
        "reasons": [
            {"rule": "untrusted-target", "effect": "ask", "argument": "to", "words": "it is", "sources": ["a result"]}
        ],
        "arguments": [argument()],
        "asked": {"message": 1, "text": "Sum up my mail."},
        "instructed_by": [],
        "remedies": [{"words": "do so", "toml": "[tools.x]\nenabled = true"}],
        **more,
    }


def argument(**more: Any) -> dict[str, Any]:
    places = [{"where": "the result of `read` (message 3)", "trust": "untrusted"}]
    found = [{"value": "eve@evil.example", "is_part": False, "places": places}]
    return {"name": "to", "value": "eve@evil.example", "sink": "recipient", "why": "declared", "found": found, **more}


def told(*calls: dict[str, Any], **more: Any) -> list[str]:
    found = {
        "dialect": "chat",
        "profile": "balanced",
        "agent": "default",
        "is_whole": True,
        "hosted": {"outcome": "allowed", "effect": "allow", "reasons": []},
        "calls": list(calls),
        **more,
    }
    return [line.plain for line in lines(found)]


def test_all_that_is_known_of_a_call() -> None:
    assert told(call()) == [
        "a conversation of the dialect chat, profile balanced, agent default",
        "",
        "1. send_email (message 4): asked, a person must approve it",
        "   tier       3 (sends, deletes or pays): its name says `send`",
        "   tables     [tools.mail-send] (shipped), [tools.own]",
        "   approver   the agent's own user, or an approver",
        "   because    `to`: it is [untrusted-target, ask]",
        "              from a result",
        '   argument   to = "eve@evil.example": taken for recipient (declared)',
        "              it stands in the result of `read` (message 3) [untrusted]",
        '   user asked "Sum up my mail." (message 1)',
        "   injection  none was found in what was read",
        "   to allow   do so",
        "                  [tools.x]",
        "                  enabled = true",
        "",
        "1 call: 0 allowed, 1 asked, 0 blocked",
    ]


@pytest.mark.parametrize(
    ("more", "line"),
    [
        ({"message": None}, "1. send_email (in the answer): asked, a person must approve it"),
        ({"outcome": "blocked"}, "1. send_email (message 4): blocked"),
        ({"outcome": "allowed", "would_be": "allow", "effect": "allow"}, "1. send_email (message 4): allowed"),
        (
            {"outcome": "allowed", "would_be": "report", "effect": "report"},
            "1. send_email (message 4): allowed, and reported",
        ),
        (
            {"outcome": "allowed", "would_be": "block", "effect": "report"},
            "1. send_email (message 4): allowed, and reported; it would be blocked if this were enforced",
        ),
        (
            {"outcome": "allowed", "would_be": "redact", "effect": "redact"},
            "1. send_email (message 4): allowed, what is found in its text is masked",
        ),
        ({"approver": "approver"}, "   approver   an approver"),
        ({"asked": None}, "   user asked nothing"),
        ({"instructed_by": ["a result"]}, "   injection  instructions were read in a result"),
    ],
)
def test_what_becomes_of_it(more: dict[str, Any], line: str) -> None:
    assert line in told(call(**more))


@pytest.mark.parametrize(
    ("more", "line"),
    [
        ({"name": "", "why": ""}, '   argument   its input = "eve@evil.example": taken for recipient'),
        (
            {"found": [{"value": "eve@evil.example", "is_part": False, "places": []}]},
            "              it stands in no text before: the model wrote it",
        ),
        (
            {"found": [{"value": "evil.example", "is_part": True, "places": argument()["found"][0]["places"]}]},
            '              its part "evil.example" stands in the result of `read` (message 3) [untrusted]',
        ),
    ],
)
def test_where_a_value_came_from(more: dict[str, Any], line: str) -> None:
    assert line in told(call(arguments=[argument(**more)]))


def test_a_text_that_the_model_wrote_is_no_news() -> None:
    own = argument(sink="text", found=[{"value": "eve@evil.example", "is_part": False, "places": []}])
    assert not any("no text before" in line for line in told(call(arguments=[own])))


def test_a_long_value_is_cut() -> None:
    (line,) = [line for line in told(call(arguments=[argument(value="x" * 5000, found=[])])) if "argument" in line]
    assert len(line) < 250


def test_what_the_provider_runs_comes_first() -> None:
    reason = {"rule": "hosted-host", "effect": "block", "argument": "", "words": "it goes there", "sources": []}
    found = told(hosted={"outcome": "blocked", "effect": "block", "reasons": [reason]}, is_whole=False)
    assert found[1:] == [
        "the provider keeps earlier turns, which the file does not repeat",
        "",
        "tools that the provider runs: the request is blocked",
        "   because    it goes there [hosted-host, block]",
        "",
        "there is no call of a tool in it",
    ]


def test_nothing_from_a_conversation_can_paint_the_terminal_or_end_a_line() -> None:
    evil = call(
        tool=EVIL,
        reasons=[{"rule": EVIL, "effect": "ask", "argument": EVIL, "words": EVIL, "sources": [EVIL]}],
        arguments=[
            argument(
                name=EVIL,
                value=EVIL,
                why=EVIL,
                found=[{"value": EVIL, "is_part": True, "places": [{"where": EVIL, "trust": "untrusted"}]}],
            )
        ],
        asked={"message": 1, "text": EVIL},
        instructed_by=[EVIL],
        tables=[{"name": EVIL, "shipped": False}],
        remedies=[{"words": "x", "toml": EVIL}],
    )
    for line in told(evil, agent=EVIL):
        assert line.isprintable(), line
