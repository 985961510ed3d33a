"""Close codes: what may stand in a frame is passed on, and what may not becomes what it means."""

from __future__ import annotations

import pytest

from gateway.errors import Code
from gateway.exchange.session_closes import GOODBYES, MOST_REASON, reason_of, sendable
from gateway.verdict import Refusal


@pytest.mark.parametrize("code", [1000, 1003, 1007, 1014, 3000, 4999])
def test_a_code_that_may_be_sent_stays_as_it_is(code: int) -> None:
    assert sendable(code) == code


@pytest.mark.parametrize(("code", "sent"), [(1005, 1000), (1006, 1002), (1015, 1002), (2999, 1002), (5000, 1002)])
def test_a_code_that_may_not_be_sent_becomes_what_it_means(code: int, sent: int) -> None:
    assert sendable(code) == sent


def test_a_goodbye_fits_into_a_close_frame() -> None:
    assert all(len(reason.encode()) <= MOST_REASON for reason in GOODBYES.values())


def test_a_reason_has_the_code_the_id_and_the_first_line_of_why() -> None:
    refusal = Refusal(Code.EGRESS, 403, "`up.test` is denied\nto allow it, ...", "id-1")
    assert reason_of(refusal) == "egress_denied, id-1: `up.test` is denied"


@pytest.mark.parametrize("letter", ["x", "\xfc", "\u20ac", "\U0001f600"])
@pytest.mark.parametrize("before", range(4))
def test_a_long_reason_is_cut_between_two_characters(letter: str, before: int) -> None:
    reason = reason_of(Refusal(Code.EGRESS, 403, "." * before + letter * 200, "id-1"))
    assert MOST_REASON - len(letter.encode()) < len(reason.encode()) <= MOST_REASON
    assert reason.endswith(letter)
