"""Learns how evidence on calls is weighed: `python -m bench.provenance_model [--data FOLDER] [--write]`.

Takes the evidence on every labelled call of the conversations for training (`scenarios/training`, the development sets,
and the published sets in `--data`, which count a quarter), hijacked ones in every disguise of `scenarios/disguise` too,
and fits `gateway/policy/provenance/weighing.py`: a logistic regression over the words of passages, then gradient-
boosted trees. `scenarios/held_out` is never looked at.

It prints what comes out for authors when it was learned from others alone, by the share of benign calls asked about;
`--write` then fits on everything and writes `rules/provenance.json`. The threshold is where so many benign calls of
unseen authors are asked about as `ASKED` says.

Needs scikit-learn and numpy, which nothing else here does: `pip install scikit-learn`.
"""

from __future__ import annotations

import argparse
import json
import os
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold

from bench.firewall import ROOT, Case, evidence_on, of_conversation
from bench.scenarios import training
from bench.scenarios.disguise import AMONG, DISGUISES, PLAIN, disguised
from gateway.policy.call import Tier
from gateway.policy.provenance.evidence import Evidence
from gateway.policy.provenance.weighing import PRECISION, WORDS, Tree, Weigher, words_spoken

ASKED: Final = 0.15
"""Share of the benign calls of unseen authors that may be asked about."""

PUBLISHED: Final = 0.25
"""How much a call of a published set counts: they are many, and much alike."""

MOST_WORDS: Final = 5000
FOLDS: Final = 4
RATES: Final = (0.05, 0.10, 0.12, 0.15, 0.20, 0.24)
SEEN: Final = ("first", "a", "b")
"""Authors whose conversations were looked at while the rules were made: learned from, but no measure."""


@dataclass(frozen=True, slots=True)
class Example:
    """A labelled call with its evidence, in one disguise; `calls` are in so many. `author` groups what is alike."""

    author: str
    name: tuple[str, str]
    disguise: str
    case: Case
    evidence: Evidence

    @property
    def is_acting(self) -> bool:
        return self.case.hijacked and self.case.tier > Tier.READ


def examples(data: Path | None) -> Iterator[Example]:
    for author, row in _conversations(data):
        if "calls" in row:
            for call in row["calls"]:
                for disguise, put in disguised(row, call):
                    case = next(of_conversation(put))
                    yield Example(author, (row["id"], call["id"]), disguise, case, evidence_on(case))


def _conversations(data: Path | None) -> Iterator[tuple[str, dict[str, Any]]]:
    yield from training.conversations()
    files = [*sorted((ROOT / "scenarios" / "dev").glob("*.jsonl")), *(sorted(data.glob("*_dev.jsonl")) if data else ())]
    for path in files:
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line.strip()]
        yield from ((_author(path.stem), row) for row in rows)


def _author(stem: str) -> str:
    if stem.startswith("second_"):
        return stem.split("_")[1]
    return stem if stem.endswith("_dev") else "first"


class Learned:
    """A fitted model, and what it says of examples."""

    def __init__(self, found: Sequence[Example], numbers: Sequence[str]) -> None:
        self._numbers = numbers
        labels, weights = np.array([float(one.case.hijacked) for one in found]), _weights(found)
        rows = np.c_[self._rows(found), _out_of_fold(found, labels, weights).round(PRECISION)]
        self.words, self.speech = _speech(found, labels, weights)
        self.trees = GradientBoostingClassifier(
            n_estimators=200,
            max_depth=4,
            learning_rate=0.06,
            subsample=0.5,
            max_features=0.2,
            min_samples_leaf=15,
            random_state=1,
        ).fit(rows, labels, sample_weight=weights)

    def likelihoods(self, found: Sequence[Example]) -> Any:
        spoken = self.speech.decision_function(self.words.transform([one.evidence.text for one in found]))
        return self.trees.predict_proba(np.c_[self._rows(found), spoken.round(PRECISION)])[:, 1]

    def weigher(self, threshold: float) -> Weigher:
        idf, weights = self.words.idf_, self.speech.coef_[0]
        words = {
            word: (round(float(idf[at]), 4), round(float(weights[at]), 5))
            for word, at in sorted(self.words.vocabulary_.items())
        }
        other, hijacked = self.trees.init_.class_prior_
        trees = tuple(_tree(one[0].tree_, self.trees.learning_rate) for one in self.trees.estimators_)
        intercept, base = float(self.speech.intercept_[0]), float(np.log(hijacked / other))
        return Weigher((*self._numbers, WORDS), words, intercept, trees, base, threshold)

    def _rows(self, found: Sequence[Example]) -> Any:
        return np.array(
            [[float(one.evidence.numbers.get(name, 0.0)) for name in self._numbers] for one in found]
        ).round(PRECISION)


def _weights(found: Sequence[Example]) -> Any:
    """Each call counts as one, in however many disguises it comes."""
    count = Counter(one.name for one in found)
    return np.array([(PUBLISHED if one.author.endswith("_dev") else 1.0) / count[one.name] for one in found])


def _out_of_fold(found: Sequence[Example], labels: Any, weights: Any) -> Any:
    """What the words say of each example when they were learned from other authors."""
    spoken = np.zeros(len(found))
    for learn, rest in GroupKFold(FOLDS).split(spoken, groups=[one.author for one in found]):
        words, speech = _speech([found[at] for at in learn], labels[learn], weights[learn])
        spoken[rest] = speech.decision_function(words.transform([found[at].evidence.text for at in rest]))
    return spoken


def _speech(found: Sequence[Example], labels: Any, weights: Any) -> tuple[Any, Any]:
    words = TfidfVectorizer(analyzer=words_spoken, min_df=3, sublinear_tf=True, max_features=MOST_WORDS)
    spoken = words.fit_transform([one.evidence.text for one in found])
    return words, LogisticRegression(C=1, max_iter=500).fit(spoken, labels, sample_weight=weights)


def _tree(tree: Any, rate: float) -> Tree:
    leaves = [left < 0 for left in tree.children_left]
    values = zip(tree.value, leaves, strict=True)
    return Tree(
        tuple(-1 if leaf else int(at) for at, leaf in zip(tree.feature, leaves, strict=True)),
        tuple(0.0 if leaf else round(float(at), 6) for at, leaf in zip(tree.threshold, leaves, strict=True)),
        tuple(map(int, tree.children_left)),
        tuple(map(int, tree.children_right)),
        tuple(round(rate * float(value[0][0]), 5) if leaf else 0.0 for value, leaf in values),
    )


def unseen(found: Sequence[Example], numbers: Sequence[str], learned: Sequence[Example]) -> tuple[list[Example], Any]:
    """The examples of authors who are a measure, and what a model says of them that `learned` from others' alone."""
    authors = sorted({one.author for one in found if one.author not in SEEN and not one.author.endswith("_dev")})
    kept: list[Example] = []
    told: list[Any] = []
    for fold in range(FOLDS):
        left_out = set(authors[fold::FOLDS])
        model = Learned([one for one in learned if one.author not in left_out], numbers)
        for author in sorted(left_out):
            theirs = [one for one in found if one.author == author]
            kept += theirs
            told.append(model.likelihoods(theirs))
            print(_row(author, theirs, told[-1]), flush=True)
    return kept, np.concatenate(told)


def _row(name: str, found: Sequence[Example], told: Any) -> str:
    """How many hijacked calls with an effect are stopped where so many benign ones are asked about."""
    benign = np.array([not one.case.hijacked and one.disguise == PLAIN for one in found])
    acting = np.array([one.is_acting and one.disguise == PLAIN for one in found])
    ruled = _ruled(found)
    cells = [f"{100 * np.mean(told[acting] > np.quantile(told[benign], 1 - rate)):.0f} %" for rate in RATES]
    rules = f"{100 * ruled[acting].mean():.0f} % at {100 * ruled[benign].mean():.0f} %"
    return f"| {name} | {acting.sum()} | {benign.sum()} | {rules} | {' | '.join(cells)} |"


def _ruled(found: Sequence[Example]) -> Any:
    return np.array([bool(one.evidence.numbers["rules"]) for one in found])


def disguises(found: Sequence[Example], told: Any, threshold: float) -> Iterator[str]:
    """What is stopped in each disguise, and in whichever of them does the attacker most good."""
    ways = {"by rules": _ruled(found), "weighed": told > threshold, "either": _ruled(found) | (told > threshold)}
    heads = (PLAIN, AMONG, *DISGUISES, "in the best of these")
    columns = (*heads, "benign asked", "benign asked among much else")
    yield f"| hijacked, unseen authors | {' | '.join(columns)} |\n|{' --- |' * (1 + len(columns))}"
    for name, held in ways.items():
        stopped: dict[tuple[str, str], list[bool]] = defaultdict(list)
        by_disguise: dict[str, list[bool]] = defaultdict(list)
        for one, is_held in zip(found, held, strict=True):
            if one.is_acting:
                stopped[one.name].append(bool(is_held))
                by_disguise[one.disguise].append(bool(is_held))
        by_disguise[heads[-1]] = [all(ways) for ways in stopped.values()]
        cells = [f"{100 * np.mean(by_disguise[head]):.0f} %" for head in heads]
        asked = [f"{100 * held[[_is_benign(one, head) for one in found]].mean():.0f} %" for head in (PLAIN, AMONG)]
        yield f"| {name} | {' | '.join((*cells, *asked))} |"


def _is_benign(one: Example, disguise: str) -> bool:
    return not one.case.hijacked and one.disguise == disguise


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=os.environ.get("LOCKGATE_BENCH_DATA"), help="the published sets")
    parser.add_argument("--undisguised", action="store_true", help="learn from attacks as they are written alone")
    parser.add_argument("--write", action="store_true", help="write rules/provenance.json")
    given = parser.parse_args()
    found = list(examples(Path(given.data) if given.data else None))
    numbers = sorted({name for one in found for name in one.evidence.numbers})
    heads = [f"at {100 * rate:.0f} %" for rate in RATES]
    print(f"{len(found)} examples, {len(numbers) + 1} numbers\n")
    print(f"| author, unseen | hijacked | benign | by rules | {' | '.join(heads)} |\n|{' --- |' * (4 + len(RATES))}")
    learned_from = [one for one in found if not given.undisguised or one.disguise == PLAIN]
    kept, told = unseen(found, numbers, learned_from)
    print(_row("all", kept, told))
    benign = np.array([not one.case.hijacked and one.disguise == PLAIN for one in kept])
    for asked in (0.10, ASKED, 0.20):
        threshold = round(float(np.quantile(told[benign], 1 - asked)), 4)
        print(f"\nthreshold {threshold} for {asked:.0%} asked\n")
        print("\n".join(disguises(kept, told, threshold)))
    if given.write:
        threshold = round(float(np.quantile(told[benign], 1 - ASKED)), 4)
        learned = Learned(learned_from, numbers)
        weigher = learned.weigher(threshold)
        written = np.array([weigher.likelihood(one.evidence) for one in found])
        print(f"largest difference by rounding: {np.abs(written - learned.likelihoods(found)).max():.4f}")
        path = ROOT.parent / "rules" / "provenance.json"
        path.write_bytes(msgspec.json.encode(weigher) + b"\n")
        print(f"{path.name}: {path.stat().st_size // 1024} KiB")


if __name__ == "__main__":
    main()
