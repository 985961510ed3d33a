"""What is suggested for a call that is held: lines that do what they say, for that tool alone."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest

from gateway.cli.remedy import Remedy, remedies
from gateway.policy.call import Call
from gateway.policy.explained import Explained
from gateway.policy.firewall import Firewall
from gateway.policy.transcript import Made, Returned, Said, Transcript
from gateway.segment import Role, Trust
from gateway.serve.gates import firewall_of
from gateway.settings import Config
from gateway.verdict import Effect


def firewall(config: Config, agent: str = "default") -> Firewall:
    return firewall_of(config, agent, config.toolbox(), config.egress_policy(), b"key")


def explained(config: Config, call: Call, agent: str = "default") -> Explained:
    return firewall(config, agent).sight(Transcript(), lambda _: False, None).explain(call)


def suggested(text: str, call: Call, agent: str = "default") -> tuple[Remedy, ...]:
    config = Config.model_validate(tomllib.loads(text))
    return remedies(call, explained(config, call, agent), agent, config)


AGENT = '[agents.bot]\nkey_env = "KEY"\ntools = ["read_file"]\n'
DELETE = Call("delete_file", {"path": "/srv/a"})


@pytest.mark.parametrize(
    ("text", "call", "agent"),
    [
        ("", DELETE, "default"),
        ("", Call("send_email", {"to": "a@example.com", "body": "x"}), "default"),
        ("", Call("frobnicate", {}), "default"),
        ("", Call("mcp__files__delete_file", {"path": "/srv/a"}), "default"),
        ('[tools.delete_file]\ntier = "send"\n', DELETE, "default"),
        ('[tools.own]\nmatch = ["delete_file"]\ntier = "send"\n', DELETE, "default"),
        ('[tools.many]\nmatch = ["delete_*"]\ntier = "send"\n', DELETE, "default"),
        ("[tools.delete_file]\nrequires_approval = true\n", DELETE, "default"),
        ('[tools.many]\nmatch = ["delete_*"]\nrequires_approval = "approver"\n', DELETE, "default"),
        ("[tools.delete_file]\nenabled = false\nrequires_approval = false\n", DELETE, "default"),
        (AGENT, Call("list_files", {}), "bot"),
    ],
)
def test_the_suggested_lines_let_the_call_pass(text: str, call: Call, agent: str) -> None:
    (remedy,) = suggested(text, call, agent)
    file = merged(tomllib.loads(text), tomllib.loads(remedy.toml))
    assert explained(Config.model_validate(file), call, agent).ruling.effect is Effect.ALLOW


def merged(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """The file with other lines written into it."""
    result = dict(one)
    for key, value in other.items():
        result[key] = merged(one[key], value) if isinstance(value, dict) and key in one else value
    return result


def test_they_are_for_that_tool_alone() -> None:
    (remedy,) = suggested('[tools.many]\nmatch = ["delete_*"]\ntier = "send"\n', DELETE)
    assert remedy.toml == "[tools.delete_file]\nrequires_approval = false"


def test_a_name_that_may_be_more_than_a_name_is_not_written_down() -> None:
    (remedy,) = suggested("", Call('x"]\n[gateway]\nlisten = "0.0.0.0:1', {}))
    assert remedy.toml == ""
    unlisted, *_ = suggested(AGENT, Call("x\x1b", {}), "bot")
    assert (unlisted.toml, "cannot be listed" in unlisted.words) == ("", True)


def test_a_table_of_that_name_that_means_another_tool_is_left_alone() -> None:
    (remedy,) = suggested('[tools.delete_file]\nmatch = ["other"]\n', DELETE)
    assert remedy.toml == ""


def test_the_list_of_an_agent_keeps_what_is_on_it() -> None:
    (remedy,) = suggested(AGENT, Call("list_files", {}), "bot")
    assert remedy.toml == '[agents.bot]\ntools = ["read_file", "list_files"]'


def test_without_a_list_an_agent_must_first_show_who_it_is() -> None:
    (remedy,) = suggested('[rules]\nprofile = "strict"\n', Call("list_files", {}))
    assert (remedy.toml, "shows who it is" in remedy.words) == ("", True)


@pytest.mark.parametrize(
    ("text", "call", "words"),
    [
        ('[tools.x.arguments.path]\nallow = ["/srv"]\n', Call("x", {"path": "/etc"}), "[tools.x.arguments.path]"),
        ('[tools.x.sinks.path]\nallow = ["/srv"]\n', Call("x", {"path": "/etc"}), "[tools.x.sinks.path]"),
        ('[tools.x]\nlanguages = ["python"]\n', Call("x", {"code": "a"}), "the table that is named"),
        ("[tools.x.arguments.path]\nrequired = true\n", Call("x", {}), "the call itself"),
        ('[tools.x]\nrequires_sandbox = "namespace"\n', Call("x", {}), "with the isolation"),
    ],
)
def test_how_wide_a_list_should_be_is_left_to_the_operator(text: str, call: Call, words: str) -> None:
    found = [one for one in suggested(text, call) if words in one.words]
    assert [one.toml for one in found] == [""]


def test_what_follows_from_what_was_read_is_said_of_the_conversation() -> None:
    config = Config()
    read = Call("read_file", {"path": ".env"})
    turns = (
        Said("Look at the settings, please.", Role.USER, Trust.PRINCIPAL),
        Made(read, 1),
        Returned("DB_PASSWORD=" + "correct-horse", read, 2),
    )
    call = Call("http_post", {"url": "https://paste.example/new", "body": "x"})
    found = firewall(config).sight(Transcript(turns), lambda _: False, None).explain(call)
    assert "chain-read-send" in {reason.rule for reason in found.ruling.reasons}
    words = [one.words for one in remedies(call, found, "default", config)]
    assert any(one.startswith("do it in a conversation that has not read that") for one in words)


def test_a_tool_of_the_system_is_not_lightly_let_go() -> None:
    found = suggested("", Call("run_command", {"command": "ls"}))
    assert any("every such call run" in one.words for one in found)
