"""The floors of the code and the doors of third-party packages, held by reading every import of every module."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import gateway

ROOT = Path(gateway.__file__).parent

STEPS: tuple[tuple[int, tuple[str, ...]], ...] = (
    (0, ("errors",)),
    (1, ("segment",)),
    (1, ("verdict",)),
    (1, ("confusables",)),
    (2, ("wire", "detect", "policy")),
    (3, ("dialect",)),
    (4, ("exchange",)),
    (5, ("private_file",)),
    (5, ("units", "resources", "keys", "toml_lines", "json_line", "line_out")),
    (5, ("launch",)),
    (5, ("trust", "chain")),
    (5, ("state", "audit")),
    (5, ("stops", "fleet", "approve", "pins")),
    (5, ("limits",)),
    (5, ("verify",)),
    (5, ("settings",)),
    (5, ("config",)),
    (5, ("record", "shelf")),
    (5, ("reload",)),
    (5, ("pdf",)),
    (6, ("serve",)),
    (6, ("stdio",)),
    (6, ("mitm",)),
    (7, ("app",)),
    (7, ("cli",)),
)
"""Floor and modules or packages, from the lowest up. A module may import what stands on a step below its own, and
what is in its own package; two names on one step know nothing of each other."""

PURE_FLOORS = 4
"""The highest floor that knows no socket, clock, event loop, environment or file."""

_PURE = """
__future__ abc base64 binascii bisect calendar codecs collections copy csv dataclasses datetime decimal difflib
encodings enum fractions functools hashlib heapq hmac html ipaddress itertools json math operator re string struct sys
textwrap tomllib types typing unicodedata urllib zlib
"""
PURE = frozenset(_PURE.split())
"""What those floors may use of the standard library: nothing in it reaches outside the process, but for the members
below."""

_IMPURE_MEMBERS = """
datetime.now datetime.today datetime.utcnow date.today sys.argv sys.stdin sys.stdout sys.stderr sys.exit urllib.request
builtins.open builtins.print builtins.input
"""
IMPURE_MEMBERS = frozenset(_IMPURE_MEMBERS.split())

EXCUSED = {
    (
        "gateway.detect.prefilter",
        "threading",
    ): "working memory for each thread: `threading.local` alone",
    **dict.fromkeys(
        (
            ("gateway.detect.automaton", "threading"),
            ("gateway.detect.memory", "threading"),
            ("gateway.exchange.beginning", "threading"),
            ("gateway.exchange.part", "threading"),
        ),
        "what bodies that are judged in several threads share: a `Lock` alone",
    ),
}
"""Module and package of the standard library, and why this once."""

DOORS: dict[str, tuple[str, ...]] = {
    "aiohttp": ("gateway.serve",),
    "backports": ("gateway.wire.coding",),
    "cryptography": ("gateway.trust",),
    "brotli": ("gateway.wire.coding",),
    "compression": ("gateway.wire.coding",),  # of the standard library from Python 3.14 on
    "hyperscan": ("gateway.detect",),
    "idna": ("gateway.policy.egress.host",),
    "jsonschema": ("gateway.detect.json_schema",),
    # `Struct` is what a value of the hot path is made of (docs/decisions/0011)
    "msgspec": (
        "gateway.segment",
        "gateway.verdict",
        "gateway.wire",
        "gateway.detect",
        "gateway.policy",
        "gateway.dialect",
        "gateway.exchange",
        "gateway.approve",  # as `fleet`
        "gateway.pins",
        "gateway.fleet",  # whose documents come from the store, and are checked against their types
        "gateway.app",
        "gateway.cli.push",
        "gateway.serve.denied",
        "gateway.serve.ticket",  # whose text is checked against its type as it is read
    ),
    "multidict": ("gateway.serve",),
    "openai": ("gateway.cli.demo",),
    "orjson": (
        "gateway.wire",
        "gateway.dialect",
        "gateway.exchange",
        "gateway.json_line",
        "gateway.state",
        "gateway.serve",
        "gateway.cli",
    ),
    "prometheus_client": ("gateway.serve",),
    "pypdfium2": ("gateway.pdf.child",),
    "pydantic": ("gateway.detect", "gateway.settings", "gateway.config"),
    "pydantic_core": ("gateway.config",),
    "redis": ("gateway.state.redis",),
    "referencing": ("gateway.detect.json_schema",),  # of `jsonschema`: to fetch nothing
    "regex": ("gateway.detect",),
    "rich": ("gateway.cli",),
    "sqlglot": ("gateway.policy.commands.sql",),
    "structlog": ("gateway.record",),
    "typer": ("gateway.cli",),
    "uvloop": ("gateway.app",),
    "watchfiles": ("gateway.reload",),
    "yarl": ("gateway.serve",),
}
"""Third-party package, and the modules or packages that may import it. `gateway.cli.demo` covers `demo_….py` too."""


def modules() -> list[tuple[str, str]]:
    """Dotted name and source of every module of the gateway."""
    return [(dotted(path), path.read_text(encoding="utf-8")) for path in sorted(ROOT.rglob("*.py"))]


def dotted(path: Path) -> str:
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts).removesuffix(".__init__")


def imports(source: str) -> Iterator[str]:
    """Every name that a module imports, wherever in it: `import a.b` and `from a import b` both give `a.b`."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            prefix = "." * node.level + (node.module or "")
            yield from (f"{prefix}.{alias.name}" for alias in node.names)


def members(source: str) -> Iterator[str]:
    """What is taken from a module or called as a builtin: `datetime.now`, `sys.argv`, `builtins.open`."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            yield f"{node.value.id}.{node.attr}"
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            yield f"builtins.{node.func.id}"


def step(name: str) -> int | None:
    """The place in `STEPS` of the part of the gateway that `name` is in."""
    part = name.split(".")[1]
    return next((place for place, (_, parts) in enumerate(STEPS) if part in parts), None)


def faults(name: str, source: str) -> list[str]:
    """What is wrong with the imports of the module `name`."""
    if name == "gateway":
        return [f"{name} imports {imported}" for imported in imports(source)]
    own = step(name)
    if own is None:
        return [f"{name} stands on no floor"]
    found = [fault for imported in imports(source) if (fault := _import_fault(name, own, imported))]
    if STEPS[own][0] <= PURE_FLOORS:
        used = {*members(source), *imports(source)} & IMPURE_MEMBERS
        found += [f"{name} uses {member}" for member in sorted(used)]
    return found


def _import_fault(name: str, own: int, imported: str) -> str | None:
    top = imported.split(".")[0]
    if top == "gateway":
        return _floor_fault(name, own, imported)
    if top in sys.stdlib_module_names:
        reaches_out = STEPS[own][0] <= PURE_FLOORS and top not in PURE and (name, top) not in EXCUSED
        return f"{name} reaches outside with {top}" if reaches_out else None
    if not any(_covers(door, name) for door in DOORS.get(top, ())):
        return f"{name} is no door for {top or imported}"
    return None


def _floor_fault(name: str, own: int, imported: str) -> str | None:
    if imported == "gateway.__version__" or imported.split(".")[1] == name.split(".")[1]:
        return None
    other = step(imported)
    if other is None:
        return f"{name} imports {imported}, which stands on no floor"
    return f"{name} imports {imported}, which is not below it" if other >= own else None


def _covers(door: str, name: str) -> bool:
    return name == door or name.startswith((door + ".", door + "_"))


@pytest.mark.parametrize(("name", "source"), modules(), ids=[name for name, _ in modules()])
def test_imports_go_down_and_through_their_doors(name: str, source: str) -> None:
    assert faults(name, source) == []


@pytest.mark.parametrize("path", sorted((ROOT.parent / "addons").glob("*.py")), ids=lambda path: path.name)
def test_an_addon_runs_beside_a_mitmproxy_that_has_no_gateway_installed(path: Path) -> None:
    tops = {imported.split(".")[0] for imported in imports(path.read_text(encoding="utf-8"))}
    own = {other.stem for other in path.parent.glob("*.py")}
    assert tops <= sys.stdlib_module_names | own | {"mitmproxy", "mitmproxy_rs"}


@pytest.mark.parametrize(
    ("name", "source", "fault"),
    [
        ("gateway.newcomer", "", "gateway.newcomer stands on no floor"),
        ("gateway", "import json", "gateway imports json"),
        (
            "gateway.errors",
            "from gateway.verdict import X",
            "gateway.errors imports gateway.verdict.X, which is not below it",
        ),
        ("gateway.wire.a", "import gateway.detect.b", "gateway.wire.a imports gateway.detect.b, which is not below it"),
        ("gateway.wire.a", "from gateway import nope", "gateway.wire.a imports gateway.nope, which stands on no floor"),
        ("gateway.exchange.a", "def f():\n import asyncio", "gateway.exchange.a reaches outside with asyncio"),
        ("gateway.policy.a", "from os import environ", "gateway.policy.a reaches outside with os"),
        ("gateway.detect.a", "open('x')", "gateway.detect.a uses builtins.open"),
        ("gateway.detect.a", "datetime.now()", "gateway.detect.a uses datetime.now"),
        ("gateway.dialect.a", "from urllib import request", "gateway.dialect.a uses urllib.request"),
        ("gateway.serve.a", "import regex", "gateway.serve.a is no door for regex"),
        ("gateway.serve.a", "import requests", "gateway.serve.a is no door for requests"),
        ("gateway.cli.run", "import openai", "gateway.cli.run is no door for openai"),
        ("gateway.serve.a", "from . import b", "gateway.serve.a is no door for ..b"),
    ],
)
def test_a_wrong_import_is_found(name: str, source: str, fault: str) -> None:
    assert faults(name, source) == [fault]


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("gateway.wire.a", "from gateway.wire.b import c\nimport gateway.errors\nimport orjson, re"),
        ("gateway.cli.demo_script", "import openai, asyncio\nfrom gateway import __version__\nimport gateway.app"),
        ("gateway.detect.a", "from datetime import datetime\nre.match"),
    ],
)
def test_a_right_import_passes(name: str, source: str) -> None:
    assert faults(name, source) == []
