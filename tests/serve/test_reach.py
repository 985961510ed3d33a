from __future__ import annotations

from gateway.config import parse
from gateway.policy.egress.policy import EgressPolicy
from gateway.serve.reach import Opening, openings


def test_an_entry_is_told_as_it_was_configured() -> None:
    text = """
    [egress.git]
    hosts = ["git.example.com", "*.git.example.com", "10.0.0.0/8"]
    action = "inspect"
    ports = [8443, 443]
    methods = ["HEAD", "GET"]
    paths = ["/api/v3"]
    agents = ["default"]
    addresses = ["10.0.0.5", "10.1.0.0/16"]
    """
    policy = parse(text, "lockgate.toml").egress_policy()
    (found,) = (opening for opening in openings(policy) if opening.entry == "egress.git")
    assert found == Opening(
        entry="egress.git",
        action="inspect",
        hosts=("git.example.com", "*.git.example.com", "10.0.0.0/8"),
        ports=(443, 8443),
        methods=("GET", "HEAD"),
        paths=("/api/v3",),
        agents=("default",),
        addresses=("10.0.0.5", "10.1.0.0/16"),
    )


def test_those_that_follow_from_upstreams_come_last() -> None:
    names = [opening.entry for opening in openings(parse("", "lockgate.toml").egress_policy())]
    assert names[0] == "egress.openai"
    assert names[-1] == "upstreams.ollama"


def test_nothing_opens_nothing() -> None:
    assert openings(EgressPolicy(())) == ()
