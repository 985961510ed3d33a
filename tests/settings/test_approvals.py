"""`[approvals]` and `[approvers.NAME]`: what is accepted, and what is refused without a word of a credential."""

from __future__ import annotations

import hashlib
import re

import pytest

from gateway.approve.decision import Person
from gateway.approve.terms import Mode, Terms
from gateway.config import Config, parse, secrets
from gateway.errors import ConfigError
from gateway.policy.call import Approver
from gateway.settings import ADMIN_NAME

SLACK = '[approvals]\nwebhook_env = "HOOK"\nwebhook_form = "slack"'


def test_the_defaults_hold_calls_and_tell_nobody() -> None:
    table = Config().approvals
    assert table.terms == Terms(Mode.WAIT, 300.0, 3600.0, 8 * 3600.0, four_eyes=False)
    held = secrets(Config(), {})
    assert (held.webhook, held.webhook_secret, dict(held.approvers)) == (None, None, {})


def test_terms_are_as_written() -> None:
    text = 'mode = "ticket"\ndeadline = "30s"\nticket_lifetime = "2h"\ngrant_lifetime = "1d"\nfour_eyes = true'
    assert parse(f"[approvals]\n{text}", "gate.toml").approvals.terms == Terms(Mode.TICKET, 30, 7200, 86400, True)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('[approvals]\nmode = "later"', r"approvals\.mode: `later` is unknown; accepted: wait or ticket"),
        ('[approvals]\ndeadline = "soon"', r"approvals\.deadline: `soon` is no duration"),
        (
            '[approvals]\nwebhook = "https://h"\nwebhook_env = "X"\nwebhook_form = "slack"',
            r"approvals: has two webhooks; accepted: `webhook` or `webhook_env`, not both",
        ),
        ('[approvals]\nwebhook = "https://h"', r"approvals: has a webhook that nobody signs; accepted: `webhook_sec"),
        ('[approvals]\nwebhook_secret_env = "X"', r"approvals: has a secret and no webhook"),
        ('[approvals]\nwebhook = "http://hunter2.example"', r"webhook: a webhook that is reached in the clear; acc"),
        ('[approvals]\nwebhook = "http://10.0.0.1/hunter2"', r"webhook: a webhook that is reached in the clear"),
        ('[approvals]\nwebhook = "ftp://h/hunter2"', r"webhook: no URL of a webhook; accepted: \"https://"),
        ('[approvals]\nwebhook = "https://hunter2@h"', r"webhook: no URL of a webhook"),
        ('[approvals]\nwebhook = "https://h:hunter2"', r"webhook: no URL of a webhook"),
        ('[approvals]\nwebhook = "https://h/ hunter2"', r"webhook: no URL of a webhook"),
        ('[approvals]\nwebhook = "https://"', r"webhook: no URL of a webhook"),
        ("[approvals]\nwebhook = 7", r"webhook: no URL of a webhook"),
        ("[approvers.alice]", r"approvers\.alice: is known by one token; accepted: `token_env` or"),
        (f'[approvers.a]\ntoken_env = "A"\ntoken_sha256 = "{"0" * 64}"', r"approvers\.a: is known by one token"),
        ('[approvers.a]\ntoken_sha256 = "A"', r"approvers\.a\.token_sha256: no SHA-256 digest of a key"),
        ('[approvers.admin]\ntoken_env = "A"', r"approvers\.admin: is what who shows the token of \[admin\] is called"),
        ('[approvers.A]\ntoken_env = "A"', r"approvers\.A: is no name"),
        ('[approvers.a]\ntoken_env = "A"\nrole = "king"', r"approvers\.a\.role: `king` is unknown; accepted: user or"),
        ('[approvers.a]\ntoken_env = "A"\nrole = "user"', r"approvers\.a: is the user of no agent; accepted: `agents`"),
        ('[approvers.a]\ntoken_env = "A"\nagents = ["b"]', r"approvers\.a\.agents: `b` is not configured; accepted: d"),
    ],
)
def test_what_cannot_be_is_refused_with_its_reason(text: str, reason: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(text, "gate.toml")
    assert re.search(reason, str(caught.value)), str(caught.value)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("url", ["https://h/x?y=z", "http://127.0.0.1:9/x", "http://[::1]/", "http://localhost:80"])
def test_a_webhook_is_reached_by_tls_or_on_this_machine(url: str) -> None:
    config = parse(SLACK, "gate.toml")
    assert secrets(config, {"HOOK": url}).webhook == url


def test_a_variable_that_holds_no_webhook_is_refused_without_its_text() -> None:
    with pytest.raises(ConfigError) as caught:
        secrets(parse(SLACK, "gate.toml"), {"HOOK": "hunter2"})
    assert str(caught.value).startswith("approvals.webhook_env: holds no URL of a webhook; accepted:")
    assert "hunter2" not in str(caught.value)


def test_a_signed_webhook_has_its_secret() -> None:
    config = parse('[approvals]\nwebhook = "https://h"\nwebhook_secret_env = "KEY"', "gate.toml")
    held = secrets(config, {"KEY": "s3cret"})
    assert (held.webhook, held.webhook_secret) == ("https://h", "s3cret")
    assert "s3cret" not in repr(held)


class TestApprovers:
    TEXT = (
        '[admin]\ntoken_env = "T"\n[agents.research]\nkey_env = "K"\n'
        '[approvers.alice]\ntoken_env = "A"\n[approvers.uma]\ntoken_env = "U"\nrole = "user"\nagents = ["research"]'
    )

    def test_they_are_known_by_their_tokens(self) -> None:
        config = parse(self.TEXT, "gate.toml")
        assert config.approvers["alice"].role is Approver.APPROVER
        assert config.approvers["uma"].agents == ("research",)
        held = secrets(config, {"T": "admin's", "K": "key", "A": "alice's", "U": "uma's"})
        names = [held.approver(token) for token in ("admin's", "alice's", "uma's", "key", "")]
        assert names == [ADMIN_NAME, "alice", "uma", None, None]
        assert config.people == {
            ADMIN_NAME: Person(ADMIN_NAME, Approver.APPROVER),
            "alice": Person("alice", Approver.APPROVER),
            "uma": Person("uma", Approver.USER, frozenset({"research"})),
        }
        assert parse("", "gate.toml").people == {}

    def test_a_token_may_be_told_by_its_digest(self) -> None:
        digest = hashlib.sha256(b"alice's").hexdigest()
        held = secrets(parse(f'[approvers.alice]\ntoken_sha256 = "{digest}"', "gate.toml"), {})
        assert [held.approver(token) for token in ("alice's", digest, "")] == ["alice", None, None]

    @pytest.mark.parametrize(
        ("environ", "problem"),
        [
            ({"T": "t", "K": "k", "A": "same", "U": "same"}, "approvers.uma: has the same token as `alice`"),
            ({"T": "same", "K": "k", "A": "same", "U": "u"}, "approvers.alice: has the same token as `admin`"),
            ({"T": "t", "K": "same", "A": "a", "U": "same"}, "approvers.uma: has the same token as `research`"),
        ],
    )
    def test_a_token_is_one_persons_and_no_agents(self, environ: dict[str, str], problem: str) -> None:
        with pytest.raises(ConfigError) as caught:
            secrets(parse(self.TEXT, "gate.toml"), environ)
        assert str(caught.value) == f"{problem}; accepted: a token of its own"
