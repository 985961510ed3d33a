"""The multi-pattern engine: which expressions hit, in any thread, whatever it refuses."""

from __future__ import annotations

import importlib
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from gateway.detect import prefilter
from gateway.detect.prefilter import Prefilter


def test_it_names_the_expressions_that_hit() -> None:
    made = Prefilter.compiled(["abc", r"\bx", r"\x{5ffd}"])
    assert made.may_hit("zabc") == {0: [4]}
    assert made.may_hit("x 忽") == {1: [1], 2: [3]}
    assert made.may_hit("") == {}


def test_ends_are_in_code_points_and_in_order() -> None:
    assert Prefilter.compiled(["ab"]).may_hit("é忽ab😀abé") == {0: [4, 7]}
    assert Prefilter.compiled(["ab{1,2}"]).may_hit("abb ab") == {0: [2, 3, 6]}


def test_too_many_ends_stand_for_anywhere() -> None:
    made = Prefilter.compiled(["a", "b"])
    assert made.may_hit("a" * prefilter.MAX_ENDS + "b") == {0: (), 1: [prefilter.MAX_ENDS + 1]}


def test_what_is_refused_is_always_named() -> None:
    made = Prefilter.compiled(["abc", "(?=x)y"])
    assert made.may_hit("") == {1: ()}
    assert made.may_hit("abc") == {0: [3], 1: ()}
    assert Prefilter.compiled(["(?=x)y"]).may_hit("abc") == {0: ()}


def test_threads_do_not_share_working_memory() -> None:
    made = Prefilter.compiled(["abc"])
    with ThreadPoolExecutor(4) as pool:
        assert all(found == {0: [50_003]} for found in pool.map(made.may_hit, ["x" * 50_000 + "abc"] * 40))


def test_a_platform_without_the_engine_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setitem(sys.modules, "hyperscan", None)
        assert importlib.reload(prefilter).AVAILABLE is False
    assert importlib.reload(prefilter).AVAILABLE is True


def test_a_stored_pre_filter_finds_the_same() -> None:
    made = Prefilter.compiled(["abc", "(?=x)y"])
    restored = Prefilter.restored(made.stored())
    assert restored is not None
    assert restored.expressions == ("abc", "(?=x)y")
    assert restored.may_hit("zabc") == made.may_hit("zabc") == {0: [4], 1: ()}


def test_what_another_engine_stored_is_not_taken() -> None:
    stored = Prefilter.compiled(["abc"]).stored()
    assert Prefilter.restored(stored.replace(b"all ends", b"one end!", 1)) is None
    assert Prefilter.restored(stored.replace(b"\n", b"\nX", 1)) is None
