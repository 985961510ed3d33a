"""Measures detection on labelled data: `python bench/detect.py FOLDER [--half tune|report|all]`.

Each data set is a JSON Lines file in the folder; sets that are not there are left out. Texts are scanned in the scope
that they would be met in, the scores of the distinct injection rules that hit one text are added, and the sum is held
against the balanced thresholds. Rules were chosen on one half of each file (by a hash of the id) and are to be judged
by the other, which is the default.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from gateway.detect.pack import parse_pack
from gateway.detect.rule import Scope
from gateway.detect.ruleset import RuleSet, build
from gateway.segment import Direction, Role, Trust
from gateway.verdict import Finding

TOOL: Final = Scope(Direction.REQUEST, Role.TOOL, Trust.UNTRUSTED)
USER: Final = Scope(Direction.REQUEST, Role.USER, Trust.PRINCIPAL)
THRESHOLDS: Final = {TOOL: 5, USER: 8}
PII_KINDS: Final = {
    "EMAIL": "pii.email",
    "PHONE": "pii.phone",
    "CN_ID": "pii.national_id",
    "US_SSN": "pii.national_id",
    "CREDIT_CARD": "pii.card",
    "IBAN": "pii.iban",
    "PERSON": "pii.name",
}


@dataclass(frozen=True, slots=True)
class Text:
    """A labelled text."""

    text: str
    hostile: bool
    scope: Scope
    group: str


def load(folder: Path, name: str, half: str) -> list[dict[str, Any]]:
    path = folder / name
    if not path.exists():
        return []
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line.strip()]
    return [row for row in rows if half in ("all", _half(str(row["id"])))]


def _half(name: str) -> str:
    return "report" if hashlib.blake2b(name.encode(), digest_size=1).digest()[0] & 1 else "tune"


def texts(folder: Path, half: str) -> Iterator[tuple[str, list[Text]]]:
    """The sets of single texts, then the messages of the conversations."""
    for path in sorted(folder.glob("*.jsonl")):
        rows = load(folder, path.name, half)
        if rows and "label" in rows[0] and "channel" in rows[0]:
            yield path.stem, [_text(row) for row in rows]
        elif rows and "messages" in rows[0]:
            yield path.stem, [text for row in rows for text in _messages(row)]


def _text(row: dict[str, Any]) -> Text:
    hostile = row["label"] != "benign"
    group = str(row.get("category") or "") if hostile else ("mentions_attack" if row.get("mentions_attack") else "")
    return Text(row["text"], hostile, TOOL if row["channel"] == "tool" else USER, group)


def _messages(row: dict[str, Any]) -> Iterable[Text]:
    for index, message in enumerate(row["messages"]):
        content = message.get("content")
        if isinstance(content, str) and content and message["role"] in ("tool", "user"):
            scope = TOOL if message["role"] == "tool" else USER
            yield Text(content, index in row["injected_messages"], scope, str(row.get("attack_type") or ""))


def score(findings: Iterable[Finding]) -> int:
    return sum({found.rule: found.score for found in findings if found.category.startswith("injection.")}.values())


def report_injection(rules: RuleSet, folder: Path, half: str, show: bool) -> None:
    print(f"\ninjection, {half} half: share of texts that reach the balanced threshold")
    print(f"{'set':32}{'hostile':>18}{'benign':>18}{'mentions attack':>18}")
    for name, rows in texts(folder, half):
        tally: dict[str, Counter[bool]] = defaultdict(Counter)
        groups: dict[str, Counter[bool]] = defaultdict(Counter)
        for row in rows:
            found = rules.scan(row.text, row.scope)
            reached = score(found) >= THRESHOLDS[row.scope]
            kind = "hostile" if row.hostile else (row.group if row.group == "mentions_attack" else "benign")
            tally[kind][reached] += 1
            if row.hostile:
                groups[row.group][reached] += 1
            if show and reached != row.hostile:
                which = {found.rule: found.score for found in found if found.category.startswith("injection.")}
                print(f"  {kind} {which} {row.text[:300]!r}")
        shares = (_share(tally[kind]) for kind in ("hostile", "benign", "mentions_attack"))
        print(f"{name:32}" + "".join(f"{share:>18}" for share in shares))
        if len(groups) > 1:
            print("    " + ", ".join(f"{group or '-'} {_share(groups[group])}" for group in sorted(groups)))


def _share(tally: Counter[bool]) -> str:
    total = tally.total()
    return f"{tally[True]}/{total} {100 * tally[True] / total:.1f}%" if total else "-"


def report_pii(rules: RuleSet, folder: Path, half: str) -> None:
    """A span counts as found where a finding of its category overlaps it, a finding as right where it overlaps one."""
    spans: dict[str, Counter[bool]] = defaultdict(Counter)
    right: dict[str, Counter[bool]] = defaultdict(Counter)
    for row in load(folder, "pii_faker_dev.jsonl", half):
        findings = [found for found in rules.scan(row["text"], USER) if found.category.startswith("pii.")]
        for span in row["spans"]:
            category = PII_KINDS.get(span["type"])
            if category:
                hit = any(found.category == category and _overlap(found, span) for found in findings)
                spans[span["subtype"]][hit] += 1
        for found in findings:
            wanted = [span for span in row["spans"] if PII_KINDS.get(span["type"]) == found.category]
            right[found.category][any(_overlap(found, span) for span in wanted)] += 1
    print(f"\nPII, {half} half: recall by type, precision by category")
    print("  recall:    " + ", ".join(f"{kind} {_share(spans[kind])}" for kind in sorted(spans)))
    print("  precision: " + ", ".join(f"{kind} {_share(right[kind])}" for kind in sorted(right)))


def _overlap(found: Finding, span: dict[str, Any]) -> bool:
    return bool(found.span.start < span["end"] and span["start"] < found.span.end)


def report_secrets(rules: RuleSet, folder: Path, half: str, show: bool) -> None:
    tally: dict[str, Counter[bool]] = defaultdict(Counter)
    kinds: dict[str, Counter[bool]] = defaultdict(Counter)
    for row in load(folder, "secrets_dev.jsonl", half):
        found = [found.rule for found in rules.scan(row["text"], USER) if found.category.startswith("secret.")]
        tally[row["label"]][bool(found)] += 1
        if row["label"] == "secret":
            kinds[row["rule"]][bool(found)] += 1
        if show and bool(found) != (row["label"] == "secret"):
            print(f"  {row['label']} {row['rule']} {found} {row['text'][:120]!r}")
    print(f"\nsecrets, {half} half: share of texts with a finding")
    print("  " + ", ".join(f"{label} {_share(tally[label])}" for label in sorted(tally)))
    missed = sorted(kind for kind, counts in kinds.items() if not counts[True])
    print("  formats never found: " + ", ".join(missed))


def report_noise(rules: RuleSet, folder: Path, half: str, show: bool) -> None:
    """PII and secret findings in benign texts, which hold few real ones."""
    print(f"\nPII and secret findings in benign texts, {half} half: texts with a finding")
    for name, rows in texts(folder, half):
        benign = [row for row in rows if not row.hostile]
        counts: Counter[str] = Counter()
        for row in benign:
            findings = [
                found for found in rules.scan(row.text, row.scope) if not found.category.startswith("injection.")
            ]
            counts.update({found.category for found in findings})
            if show:
                for found in findings:
                    if found.category not in ("pii.email", "pii.name"):
                        print(f"  {found.rule} {row.text[found.span.start : found.span.end][:80]!r}")
        print(f"  {name} ({len(benign)}): " + ", ".join(f"{kind} {count}" for kind, count in counts.most_common()))


def report_speed(rules: RuleSet, folder: Path) -> None:
    print("\nspeed, pre-filter compiled, all texts of a set once")
    for name, rows in texts(folder, "all"):
        size = sum(len(row.text.encode()) for row in rows)
        start = time.perf_counter()
        for row in rows:
            rules.scan(row.text, row.scope)
        spent = time.perf_counter() - start
        print(f"  {name:32}{size / spent / 1e6:8.1f} MB/s{1e6 * spent / len(rows):10.1f} us a text")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="a folder of JSON Lines files")
    parser.add_argument("--half", choices=("tune", "report", "all"), default="report")
    parser.add_argument("--rules", type=Path, default=Path(__file__).parent.parent / "rules")
    parser.add_argument("--show", action="store_true", help="print what was missed or hit wrongly")
    given = parser.parse_args()
    packs = [rule for path in sorted(given.rules.glob("*.toml")) for rule in parse_pack(path.read_text(), path.name)]
    start = time.perf_counter()
    plain = build(packs, key=b"bench")
    built = time.perf_counter()
    rules = plain.accelerated()
    print(f"{len(packs)} rules, ready in {built - start:.2f} s, pre-filter in {time.perf_counter() - built:.2f} s more")
    report_injection(rules, given.folder, given.half, given.show)
    report_pii(rules, given.folder, given.half)
    report_secrets(rules, given.folder, given.half, given.show)
    report_noise(rules, given.folder, given.half, given.show)
    report_speed(rules, given.folder)


if __name__ == "__main__":
    main()
