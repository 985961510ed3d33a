"""Close codes: what may stand in a frame is passed on, and what may not becomes what it means."""

from __future__ import annotations

import pytest

from gateway.exchange.session_closes import GOODBYES, sendable


@pytest.mark.parametrize("code", [1000, 1003, 1007, 1014, 3000, 4999])
def test_a_code_that_may_be_sent_stays_as_it_is(code: int) -> None:
    assert sendable(code) == code


@pytest.mark.parametrize(("code", "sent"), [(1005, 1000), (1006, 1002), (1015, 1002), (2999, 1002), (5000, 1002)])
def test_a_code_that_may_not_be_sent_becomes_what_it_means(code: int, sent: int) -> None:
    assert sendable(code) == sent


def test_a_goodbye_fits_into_a_close_frame() -> None:
    assert all(len(reason.encode()) <= 123 for reason in GOODBYES.values())
