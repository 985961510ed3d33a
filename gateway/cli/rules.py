"""`lockgate rules`: what is loaded, and whether each rule does what its proof says."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import orjson
from rich.table import Table

from gateway.cli import offline
from gateway.cli.tables import wide
from gateway.detect.pack import parse_pack
from gateway.detect.rule import Rule
from gateway.detect.ruleset import build
from gateway.errors import ConfigError, RuleError
from gateway.resources import pack_names, pack_text


def show(path: Path | None, *, as_json: bool) -> None:
    """Print the rules that the configuration loads."""
    rules = offline.load(path).rules.rules.values()
    if as_json:
        print(orjson.dumps([_record(rule) for rule in rules], option=orjson.OPT_INDENT_2).decode())
        return
    table = Table(box=None)
    for name in ("id", "category", "severity", "score", "effect", "shadow", "why"):
        table.add_column(name, overflow="fold", no_wrap=name != "why")
    for rule in rules:
        effect = rule.effect.name.lower() if rule.effect is not None else "by profile"
        table.add_row(
            rule.id,
            rule.category,
            rule.severity.name.lower(),
            str(rule.score),
            effect,
            "yes" if rule.shadow else "",
            rule.why.replace("[", r"\["),
        )
    wide().print(table)


def _record(rule: Rule) -> dict[str, Any]:
    return {
        "id": rule.id,
        "why": rule.why,
        "category": rule.category,
        "severity": rule.severity.name.lower(),
        "score": rule.score,
        "effect": rule.effect.name.lower() if rule.effect is not None else None,
        "shadow": rule.shadow,
        "view": rule.view,
        "directions": sorted(rule.reach.directions),
        "roles": sorted(rule.reach.roles),
        "trust": sorted(trust.name.lower() for trust in rule.reach.trusts),
        "tags": list(rule.tags),
        "source": rule.source,
    }


def prove(folders: tuple[Path, ...]) -> int:
    """Run the proofs of the packs in those folders, or of those that ship; return 1 where one fails."""
    rules: list[Rule] = []
    problems: list[str] = []
    for source, text in _packs(folders):
        try:
            rules += parse_pack(text, source)
        except RuleError as error:
            problems += error.problems
    try:
        build(rules, key=offline.SECRET[:64])
    except RuleError as error:
        problems += error.problems
    for problem in problems:
        print(f"error: {problem}", file=sys.stderr)
    hits, misses = sum(len(rule.hits) for rule in rules), sum(len(rule.misses) for rule in rules)
    print(f"{len(rules)} rules, {hits} hits, {misses} misses: {len(problems)} problems")
    return 1 if problems else 0


def _packs(folders: tuple[Path, ...]) -> list[tuple[str, str]]:
    if not folders:
        return [(f"{name}.toml", pack_text(name)) for name in pack_names()]
    found = [path for folder in folders for path in sorted(folder.glob("*.toml"))]
    if not found:
        raise ConfigError((f"no *.toml in {', '.join(map(str, folders))}; give a folder with rule packs",))
    try:
        return [(str(path), path.read_text(encoding="utf-8")) for path in found]
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError((f"a pack cannot be read: {error}",)) from error
