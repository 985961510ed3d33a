"""How a push goes on: by time, by what members say of themselves, and by how those that have it do."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from gateway.fleet.push import (
    MIN_EXCHANGES,
    Member,
    Push,
    Stage,
    Tally,
    begun,
    digest,
    moved,
    shown,
    waits_for,
)

SECOND = 1_000_000_000
PACKS = {"new.toml": "[[rule]]"}
OLD = {"old.toml": "[[rule]]"}
USUAL = Tally(1000, 10, 10, 1000.0)


def member(gateway: str, packs: Mapping[str, str] = {}, problem: str | None = None, tally: Tally = USUAL) -> Member:
    return Member(gateway, digest(packs), "rules", "config", problem, tally)


def fleet(count: int = 4, packs: Mapping[str, str] = {}) -> dict[str, Member]:
    return {f"{at}/1": member(str(at), packs) for at in range(count)}


def push(share: float = 0.25, count: int = 4, before: Push | None = None) -> Push:
    return begun("id", PACKS, fleet(count), before, share=share, watch_s=60, by="ops", why="", now_ns=0)


def with_it(one: Push, came: Tally = Tally(100, 1, 1, 100.0)) -> dict[str, Member]:  # noqa: B008 -- a frozen value
    """The fleet as the push wants it, with that many exchanges more on each worker."""
    return {
        name: member(other.gateway, one.wanted(other.gateway), tally=other.tally + came)
        for name, other in fleet().items()
    }


class TestBegin:
    @pytest.mark.parametrize(("share", "count", "first"), [(0.1, 4, 1), (0.5, 4, 2), (0.01, 100, 1), (0.26, 100, 26)])
    def test_a_share_of_the_gateways_is_first_and_one_at_least(self, share: float, count: int, first: int) -> None:
        one = push(share, count)
        assert (len(one.canaries), one.stage) == (first, Stage.CANARY)

    def test_with_all_of_them_there_is_no_canary(self) -> None:
        assert push(1.0).stage is Stage.ALL
        assert push(0.1, 1).stage is Stage.ALL

    def test_other_pushes_begin_elsewhere(self) -> None:
        chosen = {
            begun(str(at), PACKS, fleet(), None, share=0.25, watch_s=1, by="", why="", now_ns=0).canaries
            for at in range(50)
        }
        assert len(chosen) == 4

    def test_workers_of_one_gateway_are_one(self) -> None:
        members = {f"{worker}": member("only") for worker in range(4)}
        assert begun("i", PACKS, members, None, share=0.5, watch_s=1, by="", why="", now_ns=0).canaries == ("only",)

    def test_what_was_in_force_is_what_it_goes_back_to(self) -> None:
        done = replace(push(), stage=Stage.DONE)
        assert push(before=done).previous == PACKS
        assert push(before=replace(done, previous=OLD, stage=Stage.ROLLED_BACK)).previous == OLD


class TestWanted:
    def test_the_first_have_it_and_the_others_what_was(self) -> None:
        one = replace(push(), previous=OLD)
        assert one.wanted(one.canaries[0]) == PACKS
        assert one.wanted("another") == OLD
        assert replace(one, stage=Stage.ALL).wanted("another") == PACKS
        assert replace(one, stage=Stage.DONE).wanted("another") == PACKS
        assert replace(one, stage=Stage.ROLLED_BACK).wanted(one.canaries[0]) == OLD


class TestMove:
    def test_it_goes_on_when_it_was_watched_long_enough_and_did_well(self) -> None:
        one = push()
        assert moved(one, with_it(one), 59 * SECOND) is one
        everywhere = moved(one, with_it(one), 60 * SECOND)
        assert (everywhere.stage, everywhere.since_ns) == (Stage.ALL, 60 * SECOND)
        assert moved(everywhere, with_it(everywhere), 61 * SECOND) is everywhere
        done = moved(everywhere, with_it(everywhere, Tally(300, 3, 3, 300.0)), 120 * SECOND)
        assert done.stage is Stage.DONE
        assert moved(done, with_it(done), 999 * SECOND) is done

    def test_it_waits_for_gateways_that_do_not_have_it(self) -> None:
        one = push()
        assert moved(one, fleet(), 999 * SECOND) is one
        assert waits_for(one, fleet(), 999 * SECOND) == f"gateways to take it up: {one.canaries[0]}"

    def test_it_waits_for_traffic(self) -> None:
        one = push()
        quiet = with_it(one, Tally(MIN_EXCHANGES - 1))
        assert moved(one, quiet, 999 * SECOND) is one
        assert "exchanges of the 50" in waits_for(one, quiet, 999 * SECOND)

    def test_one_that_cannot_load_it_takes_it_back(self) -> None:
        one = push()
        broken = {**with_it(one), "x": member(one.canaries[0], problem="new.toml:1: no rule")}
        after = moved(one, broken, SECOND)
        assert (after.stage, after.reason) == (
            Stage.ROLLED_BACK,
            f"the gateway {one.canaries[0]} cannot load it: new.toml:1: no rule",
        )

    def test_a_problem_of_a_gateway_that_does_not_have_it_is_not_its_fault(self) -> None:
        one = push()
        other = next(str(at) for at in range(4) if str(at) not in one.canaries)
        assert moved(one, {**with_it(one), "x": member(other, problem="disk full")}, SECOND) is one

    @pytest.mark.parametrize(
        ("came", "reason"),
        [
            (Tally(100, 7, 1, 100.0), "the block rate went from 1.0% to 7.0% of 100 exchanges"),
            (Tally(100, 1, 7, 100.0), "the error rate went from 1.0% to 7.0% of 100 exchanges"),
            (Tally(100, 1, 1, 310.0), "inspecting went from 1.0 ms to 3.1 ms for each exchange"),
            (Tally(100, 6, 6, 290.0), ""),
            (Tally(MIN_EXCHANGES - 1, 49, 49, 9999.0), ""),
        ],
    )
    def test_a_jump_takes_it_back_before_its_time(self, came: Tally, reason: str) -> None:
        one = push()
        after = moved(one, with_it(one, came), SECOND)
        assert after.reason == reason
        assert after.stage is (Stage.ROLLED_BACK if reason else Stage.CANARY)

    def test_a_fleet_that_was_quiet_is_held_to_the_margin(self) -> None:
        one = replace(push(), usual=Tally(3))
        assert moved(one, with_it(one, Tally(100, 4, 0, 9999.0)), SECOND) is one
        assert "block rate went from 0.0% to 6.0%" in moved(one, with_it(one, Tally(100, 6)), SECOND).reason

    def test_it_is_watched_everywhere_too(self) -> None:
        one = replace(push(), stage=Stage.ALL)
        assert moved(one, with_it(one, Tally(100, 50)), SECOND).stage is Stage.ROLLED_BACK

    def test_a_worker_that_was_started_anew_counts_from_nothing(self) -> None:
        assert Tally(5, 1, 0, 2.0).since(Tally(100, 50)) == Tally(5, 1, 0, 2.0)
        assert Tally(105, 51, 0, 2.0).since(Tally(100, 50)) == Tally(5, 1, 0, 2.0)


@given(
    tallies=st.lists(st.builds(Tally, *[st.integers(0, 500)] * 3, st.floats(0, 1e6)), min_size=4, max_size=4),
    at=st.integers(0, 10**12),
)
def test_whatever_members_say_a_push_moves_one_stage_or_back(tallies: list[Tally], at: int) -> None:
    one = push()
    members = {
        name: member(other.gateway, one.wanted(other.gateway), tally=tally)
        for (name, other), tally in zip(fleet().items(), tallies, strict=True)
    }
    after = moved(one, members, at)
    assert after.stage in {Stage.CANARY, Stage.ALL, Stage.ROLLED_BACK}
    assert (after.stage is Stage.ROLLED_BACK) == bool(after.reason)


def test_it_reads_what_it_writes() -> None:
    one = replace(push(), previous=OLD, reason="why")
    assert Push.decode(one.encode()) == one


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", push().encode().replace(b"canary", b"other")])
def test_what_is_no_push_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        Push.decode(data)


def test_a_member_of_another_version_is_none() -> None:
    assert Member.of({"gateway": "a"}) is None
    assert Member.of({}) is None


def test_what_is_shown_is_json() -> None:
    told = shown(push(), fleet(), 0)
    assert (told["stage"], told["packs"], told["digest"]) == ("canary", ["new.toml"], digest(PACKS))
    assert digest({}) == ""
    assert digest(PACKS) != digest({"other.toml": PACKS["new.toml"]})
