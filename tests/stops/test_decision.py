"""Decisions: which of two holds, what they come to, and their form."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.stops.decision import EVERYTHING, MOST_WHY, Decision, Over, Scope, Stops

AGENT = Scope(Over.AGENT, "research")
MCP = Scope(Over.UPSTREAM, "mcp/github")
MAIL = Scope(Over.TOOL, "send_mail")

scopes = st.sampled_from([EVERYTHING, AGENT, MCP, MAIL])
decisions = st.builds(
    Decision, scope=scopes, stopped=st.booleans(), why=st.text(), by=st.text(min_size=1), at_ns=st.integers(0, 5)
)


def stop(scope: Scope, at: int = 1, why: str = "it misbehaves") -> Decision:
    return Decision(scope, True, why, "ops", at)


def resume(scope: Scope, at: int = 2) -> Decision:
    return Decision(scope, False, "", "ops", at)


class TestScope:
    @pytest.mark.parametrize("scope", [EVERYTHING, AGENT, MCP, MAIL])
    def test_it_reads_what_it_writes(self, scope: Scope) -> None:
        assert Scope.read(str(scope)) == scope

    @pytest.mark.parametrize("text", ["", "agent", "agent/", "all/x", "host/x", "AGENT/x", "tool/a\nb"])
    def test_anything_else_is_refused_with_the_form(self, text: str) -> None:
        with pytest.raises(ValueError, match=r"is no scope; accepted: all, agent/NAME"):
            Scope.read(text)


class TestDecision:
    @given(decisions)
    def test_decoding_gives_what_was_encoded(self, decision: Decision) -> None:
        assert Decision.decode(decision.encode()) == decision

    @pytest.mark.parametrize(
        "data",
        [
            b"",
            b"[]",
            b"{}",
            b'{"scope":"all","stopped":1,"why":"","by":"x","at_ns":1}',
            b'{"scope":"all","stopped":true,"why":"","by":"x","at_ns":true}',
            b'{"scope":"everyone","stopped":true,"why":"","by":"x","at_ns":1}',
            b'{"scope":"all","stopped":true,"why":"","by":"x","at_ns":-1}',
            b'{"scope":"all","stopped":true,"why":"","by":"x","at_ns":9223372036854775808}',
            b"[" * 100_000,
            b"\xff",
        ],
    )
    def test_what_is_no_decision_is_refused(self, data: bytes) -> None:
        with pytest.raises(ValueError, match=r"."):
            Decision.decode(data)

    def test_a_reason_is_one_plain_line(self) -> None:
        assert stop(AGENT, why="line\r\none\x1b[31m  two").why == "line one [31m two"
        assert len(stop(AGENT, why="x" * 2000).why) == MOST_WHY


class TestMerge:
    def test_the_later_holds(self) -> None:
        assert Stops().merged([stop(AGENT, 1), resume(AGENT, 2)]).active == ()
        assert Stops().merged([resume(AGENT, 1), stop(AGENT, 2)]).active == (stop(AGENT, 2),)

    def test_at_one_moment_the_stop_holds(self) -> None:
        assert Stops().merged([stop(AGENT, 1), resume(AGENT, 1)]).active == (stop(AGENT, 1),)

    @given(st.lists(decisions, max_size=4, unique_by=lambda one: (one.scope, one.rank)))
    def test_the_order_in_which_they_are_heard_does_not_matter(self, heard: list[Decision]) -> None:
        outcomes = [Stops().merged(order) for order in itertools.permutations(heard)]
        assert all(outcome == outcomes[0] for outcome in outcomes)

    @given(st.lists(decisions, max_size=6))
    def test_hearing_it_again_tells_nothing_new(self, heard: list[Decision]) -> None:
        known = Stops().merged(heard)
        assert known.merged(heard) is known


class TestAgainst:
    def test_each_scope_stops_what_it_is_about(self) -> None:
        everything, agent, upstream = (Stops().merged([stop(scope)]) for scope in (EVERYTHING, AGENT, MCP))
        assert everything.against("default", "openai") == "everything is stopped by ops: it misbehaves"
        assert agent.against("research", "openai") == "the agent `research` is stopped by ops: it misbehaves"
        assert agent.against("other", "openai") is None
        assert upstream.against("other", "mcp/github") == "the upstream `mcp/github` is stopped by ops: it misbehaves"
        assert upstream.against("other", "github") is None

    def test_a_stop_of_this_gateway_stops_everything(self) -> None:
        assert Stops(here="the disk burns").against("a", "b") == "this gateway is stopped: the disk burns"

    def test_without_a_reason_the_words_end_with_who(self) -> None:
        assert (
            Stops().merged([stop(AGENT, why="")]).against("research", "x") == "the agent `research` is stopped by ops"
        )

    def test_what_was_resumed_goes_on(self) -> None:
        assert Stops().merged([stop(AGENT), resume(AGENT)]).against("research", "openai") is None

    def test_tools_are_told_apart(self) -> None:
        stops = Stops().merged([stop(MAIL), stop(AGENT)])
        assert stops.tools == {"send_mail"}
        assert stops.merged([resume(MAIL)]).tools == frozenset()
        assert stops.against("other", "openai") is None
