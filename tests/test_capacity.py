"""How exact limits are, as the page about it says."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.accuracy import HEAD, SCENARIOS, Scenario, row, simulate

PAGE = (Path(__file__).parent.parent / "docs" / "capacity.md").read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_a_limit_is_as_exact_as_the_page_says(scenario: Scenario) -> None:
    result = simulate(scenario)
    assert result.most <= scenario.bound
    assert row(scenario, result) in PAGE, "the page is made by `python -m bench.accuracy`"


def test_the_page_has_the_scenarios_there_are_and_no_other() -> None:
    begin = PAGE.index(HEAD[0])
    table = PAGE[begin : PAGE.index("", begin)]
    assert [line.split(" | ")[0].removeprefix("| ") for line in table[2:]] == [one.name for one in SCENARIOS]
