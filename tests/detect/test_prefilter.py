"""The multi-pattern engine: which expressions hit, in any thread, whatever it refuses."""

from __future__ import annotations

import importlib
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from gateway.detect import prefilter
from gateway.detect.prefilter import Prefilter


def test_it_names_the_expressions_that_hit() -> None:
    made = Prefilter(["abc", r"\bx", r"\x{5ffd}"])
    assert made.may_hit("zabc") == {0}
    assert made.may_hit("x 忽") == {1, 2}
    assert made.may_hit("") == set()


def test_what_is_refused_is_always_named() -> None:
    made = Prefilter(["abc", "(?=x)y"])
    assert made.may_hit("") == {1}
    assert made.may_hit("abc") == {0, 1}
    assert Prefilter(["(?=x)y"]).may_hit("abc") == {0}


def test_threads_do_not_share_working_memory() -> None:
    made = Prefilter(["abc"])
    with ThreadPoolExecutor(4) as pool:
        assert all(found == {0} for found in pool.map(made.may_hit, ["x" * 50_000 + "abc"] * 40))


def test_a_platform_without_the_engine_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setitem(sys.modules, "hyperscan", None)
        assert importlib.reload(prefilter).AVAILABLE is False
    assert importlib.reload(prefilter).AVAILABLE is True
