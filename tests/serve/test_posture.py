from __future__ import annotations

import ssl
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar

import pytest

from gateway.config import Secrets
from gateway.detect.memory import VerdictMemory
from gateway.detect.ruleset import build
from gateway.errors import ClientError, Code, ConfigError
from gateway.launch import Isolation, Launch, token
from gateway.serve.identity import Known, Proof
from gateway.serve.posture import Posture, posture, site
from gateway.serve.upstream import Patience
from gateway.settings import Config
from gateway.units import Address
from tests.serve import loopback

NO_SECRETS = Secrets(MappingProxyType({}), MappingProxyType({}), None)
LAUNCH_KEY = b"launch"


def made(tables: dict[str, object], secrets: Secrets = NO_SECRETS) -> Posture:
    return posture(Config.model_validate(tables), secrets, build((), key=b"k"), b"h", VerdictMemory(8), LAUNCH_KEY)


def test_each_agent_has_its_profile_and_everybody_else_the_default() -> None:
    digest = "0" * 64
    agents = {"strict-bot": {"key_sha256": digest, "profile": "strict"}, "bot": {"key_sha256": "1" * 64}}
    serving = made({"agents": agents}, Secrets(MappingProxyType({}), MappingProxyType({digest: "strict-bot"}), None))
    assert serving.gate_for("strict-bot").profile.name == "strict"
    assert serving.gate_for("default") is serving.default_gate
    bot = serving.gate_for("bot")
    assert bot == replace(serving.default_gate, firewall=bot.firewall)
    assert bot.firewall != serving.default_gate.firewall, "approvals are by agent"
    assert serving.digest == serving.default_gate.rules.digest


def test_without_agents_no_key_is_anybodys() -> None:
    assert made({}).owner("anything") is None


def test_limits_are_looked_up_once() -> None:
    serving = made({"limits": {"few": {"requests": 1}}})
    terms = serving.terms_for("default", "openai")
    assert [rule.name for rule in terms.rules] == ["few"]
    assert serving.terms_for("default", "openai") is terms


def test_upstreams_have_their_key_and_their_tls() -> None:
    ca_file = ssl.get_default_verify_paths().cafile or ssl.get_default_verify_paths().openssl_cafile
    tables = {"openai": {"verify": False}, "gemini": {"ca_file": ca_file}}
    secrets = Secrets(MappingProxyType({"openai": "injected-key"}), MappingProxyType({}), None)
    upstreams = made({"upstreams": tables}, secrets).upstreams
    assert (upstreams["openai"].key, upstreams["openai"].tls) == ("injected-key", False)
    assert "injected-key" not in repr(upstreams["openai"])
    assert (upstreams["anthropic"].key, upstreams["anthropic"].tls) == (None, True)
    assert isinstance(upstreams["gemini"].tls, ssl.SSLContext)


def test_mcp_servers_are_upstreams_with_patience_of_their_own() -> None:
    tables = {
        "docs": {"url": "https://h:8443/a/mcp/", "verify": False},
        "slow": {"url": "http://h", "idle_timeout": "5s"},
    }
    secrets = Secrets(MappingProxyType({"mcp/docs": "token"}), MappingProxyType({}), None)
    servers = made({"mcp": tables, "gateway": {"connect_timeout": "3s"}}, secrets).mcp
    docs, slow = servers["docs"], servers["slow"]
    assert (docs.upstream.name, docs.upstream.base_url) == ("mcp/docs", "https://h:8443")
    assert (docs.upstream.key, docs.upstream.tls, docs.door.url) == ("token", False, "https://h:8443/a/mcp/")
    assert docs.upstream.patience == Patience(3.0, 600.0, None)
    assert slow.upstream.patience == Patience(3.0, 600.0, 5.0)
    assert docs.door.key == slow.door.key != b""


def test_a_ca_file_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as raised:
        made({"upstreams": {"openai": {"ca_file": str(tmp_path / "none.pem")}}})
    assert raised.value.problems[0].startswith("upstreams.openai.ca_file: ")
    with pytest.raises(ConfigError) as raised:
        made({"mcp": {"docs": {"url": "https://h", "ca_file": str(tmp_path / "none.pem")}}})
    assert raised.value.problems[0].startswith("mcp.docs.ca_file: ")


def test_a_listener_answers_to_its_host_and_its_names() -> None:
    found = site(Address("0.0.0.0", 1), ("Gateway",), ("https://a.example",))
    assert found.hosts == {"gateway", "0.0.0.0"}
    assert found.origins == {"https://a.example"}


class TestWhose:
    """Of whom a credential is: a gateway key or a launcher's token."""

    BOT: ClassVar[dict[str, object]] = {"agents": {"bot": {"key_sha256": "1" * 64}}}

    def told(self, key: bytes, agent: str, tables: dict[str, object]) -> Known | None:
        serving = replace(made(tables), now=lambda: 1000.0)
        return serving.whose(token(key, Launch(agent, Isolation.PROCESS, 1000, 2000)))

    def test_a_launcher_s_token_tells_the_agent_and_what_holds_it(self) -> None:
        assert self.told(LAUNCH_KEY, "bot", self.BOT) == Known("bot", Proof.LAUNCHER, Isolation.PROCESS)

    def test_one_for_everybody_names_no_agent(self) -> None:
        assert self.told(LAUNCH_KEY, "default", self.BOT) == Known(None, Proof.LAUNCHER, Isolation.PROCESS)

    def test_an_agent_that_was_taken_out_of_the_configuration_is_not_believed(self) -> None:
        with pytest.raises(ClientError, match="is for the agent `bot`, which is not configured") as raised:
            self.told(LAUNCH_KEY, "bot", {})
        assert (raised.value.code, raised.value.status) == (Code.IDENTITY, 401)

    def test_the_token_of_another_gateway_is_not_believed(self) -> None:
        with pytest.raises(ClientError, match="is not signed with the secret of this gateway"):
            self.told(b"another", "bot", self.BOT)

    def test_a_posture_that_was_told_no_key_believes_nobody(self) -> None:
        for key in (b"", LAUNCH_KEY):
            with pytest.raises(ClientError, match="is not signed with the secret of this gateway"):
                loopback.posture({}).whose(token(key, Launch("default", Isolation.NONE, 0, 10**11)))

    def test_any_other_credential_is_none_of_ours(self) -> None:
        assert made(self.BOT).whose("sk-other") is None
