from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from gateway import record
from gateway.settings import Format


@pytest.fixture(autouse=True)
def _log_as_before() -> Iterator[None]:
    """Commands set up the log to the standard error of their run, which the test runner closes."""
    yield
    record.configure(Format.CONSOLE, "info", sys.__stderr__)
