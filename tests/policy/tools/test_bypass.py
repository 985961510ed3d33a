"""The spellings of the bench that are meant to get past a list: `bench/scenarios/bypass.jsonl`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gateway.policy.egress.pattern import host_pattern
from gateway.policy.tools.paths import PathPolicy, glob
from gateway.policy.tools.urls import HostPolicy

FILE = Path(__file__).parents[3] / "bench" / "scenarios" / "bypass.jsonl"
ROWS = [json.loads(line) for line in FILE.read_text(encoding="utf-8").split("\n") if line]

REFUSED = {"url-14", "url-28"}
"""URLs of the host that is meant which readers differ about."""
BARE = {"url-15"}
"""A host without a scheme, which is one for tools that take hosts."""


def rows(kind: str) -> list[Any]:
    found = [row for row in ROWS if row["kind"] == kind]
    assert found
    return found


@pytest.mark.parametrize("row", rows("path"), ids=lambda row: row["id"])
def test_a_path_is_allowed_where_it_is_under_the_folder(row: dict[str, Any]) -> None:
    assert (PathPolicy((glob(row["under"]),)).fault(row["value"]) is None) is row["is_under"], row["why"]


@pytest.mark.parametrize("row", rows("url"), ids=lambda row: row["id"])
def test_a_url_is_allowed_where_its_host_is(row: dict[str, Any]) -> None:
    schemes = frozenset({"http", "https", "ftp"})
    fault = HostPolicy((host_pattern("tern.example"),), schemes=schemes).fault(row["value"])
    is_meant = row["host"] == "tern.example" or row["id"] in BARE
    assert (fault is None) is (is_meant and row["id"] not in REFUSED), row["why"]
