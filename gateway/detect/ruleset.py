"""An immutable set of rules, ready to scan whole texts and growing ones."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from types import MappingProxyType
from typing import Final

from msgspec import structs

from gateway.detect.automaton import Automaton
from gateway.detect.growing import GrowingText, Lane
from gateway.detect.matcher import Hit, Matcher, Overtime
from gateway.detect.overlap import Overlaps
from gateway.detect.pattern import PatternError
from gateway.detect.prefilter import AVAILABLE, Prefilter
from gateway.detect.rule import Rule, Sample, Scope
from gateway.detect.tree import width
from gateway.detect.view import VIEWS, View, readings, scrubbed
from gateway.errors import RuleError
from gateway.segment import Span
from gateway.verdict import Effect, Finding

_TOGETHER: Final = 128
"""Texts that are looked at in one pass: what a pass costs besides its characters is then little for each of them."""
_APART: Final = 8
"""Texts of which some may hold something, and which are then not worth another pass."""


class RuleSet:
    """Rules ready to match. Scans may run on several threads; streams belong to one."""

    def __init__(self, matchers: Iterable[Matcher], key: bytes, prefilters: Mapping[str, Prefilter]) -> None:
        self._key = key
        self._matchers = tuple(matchers)
        self.prefilters = prefilters
        self._by_view = {name: tuple(m for m in self._matchers if m.rule.view == name) for name in VIEWS}
        self._sieves = {name: _Sieve(self._by_view[name], prefilter) for name, prefilter in prefilters.items()}
        self._scopes: dict[Scope, Sequence[tuple[str, Mapping[int, Matcher]]]] = {}
        self._lanes: dict[tuple[Scope, frozenset[str]], tuple[Lane, ...]] = {}
        self._hashes: dict[Scope, hashlib.blake2b] = {}
        self.rules: Mapping[str, Rule] = MappingProxyType({matcher.rule.id: matcher.rule for matcher in self._matchers})
        self.digest = _digest(self.rules)
        self.max_width = max((width(matcher.node)[1] for matcher in self._matchers), default=0)
        """Most characters of a view that a match may span; what the view leaves out of the text comes on top."""

    def scan(self, text: str, scope: Scope) -> tuple[Finding, ...]:
        """All findings in a text, by span; spans in code points of the text as it came."""
        text = scrubbed(text)
        findings: list[Finding] = []
        for name, matchers in self._in_scope(scope):
            plain, *unescaped = [self._found(name, matchers, view, seen, text) for view, seen in readings(name, text)]
            if any(unescaped):
                overlaps = Overlaps()
                overlaps.add(plain, *unescaped)
                findings += overlaps.settled(len(text))
            else:
                findings += plain
        return tuple(sorted(findings, key=_order)) if findings else ()

    def silent(self, texts: Sequence[str], scope: Scope) -> Iterator[str]:
        """Those of many short texts in which no rule can hit: `scan` would find nothing, and cost far more.

        They are looked at together. To a trigger a line feed between two texts is what the end of a text is, so where
        none hits in all of them, none hits in one of them. Without a pre-filter there are none.
        """
        views = self._in_scope(scope)
        waiting = [texts[at : at + _TOGETHER] for at in range(0, len(texts), _TOGETHER)]
        while waiting:
            some = waiting.pop()
            if not self._may_hit(scrubbed("\n".join(some)), views):
                yield from some
            elif len(some) > _APART:
                half = len(some) // 2
                waiting += (some[:half], some[half:])

    def _may_hit(self, text: str, views: Iterable[tuple[str, Mapping[int, Matcher]]]) -> bool:
        for name, matchers in views:
            sieve = self._sieves.get(name)
            if sieve is None:
                return True
            for _, seen in readings(name, text):
                if any(place in matchers for place, _ in sieve.places(seen)):
                    return True
        return False

    def _in_scope(self, scope: Scope) -> Sequence[tuple[str, Mapping[int, Matcher]]]:
        """The views that rules look at in a scope, and these rules by their place in the view."""
        known = self._scopes.get(scope)
        if known is None:
            views = (
                (name, {place: some for place, some in enumerate(matchers) if some.rule.reach.covers(scope)})
                for name, matchers in self._by_view.items()
            )
            known = self._scopes[scope] = tuple((name, matchers) for name, matchers in views if matchers)
        return known

    def _found(self, name: str, matchers: Mapping[int, Matcher], view: View, seen: str, text: str) -> list[Finding]:
        hits: list[tuple[Matcher, Hit]] = []
        failed: list[Finding] = []
        sieve = self._sieves.get(name)
        for place, ends in sieve.places(seen) if sieve else ((place, ()) for place in matchers):
            matcher = matchers.get(place)
            if matcher is not None:
                try:
                    hits.extend((matcher, hit) for hit in matcher.hits(seen, ends))
                except Overtime:
                    failed.append(self.failed(matcher.rule, Span(0, len(text))))
        if not hits:
            return failed
        origins = view.origins(text, [hit.found for _, hit in hits])
        return failed + [
            self.finding(matcher.rule, Span(*origin), seen[slice(*hit.found)])
            for (matcher, hit), origin in zip(hits, origins, strict=True)
        ]

    def growing(self, scope: Scope, reporting: frozenset[str] = frozenset()) -> GrowingText:
        """A text that arrives in pieces; the same findings as `scan` gives for the whole.

        No text waits for the rules whose ids are in `reporting`: what they find is told when it is certain, and since
        nothing is done about it, it may be told late.
        """
        lanes = self._lanes.get((scope, reporting))
        if lanes is None:
            lanes = self._lanes[scope, reporting] = tuple(self._lanes_of(scope, reporting))
        return GrowingText(self, lanes)

    def _lanes_of(self, scope: Scope, reporting: frozenset[str]) -> Iterable[Lane]:
        for name, matchers in self._by_view.items():
            for is_held in (True, False):
                some = tuple(
                    matcher
                    for matcher in matchers
                    if matcher.rule.reach.covers(scope) and (matcher.rule.id not in reporting) is is_held
                )
                if some:
                    yield Lane(VIEWS[name], some, Automaton([matcher.node for matcher in some]), is_held)

    def accelerated(self) -> RuleSet:
        """The same rules with their pre-filter compiled, which is slow; itself where the platform has none."""
        if not AVAILABLE:
            return self
        prefilters = {name: Prefilter.compiled(triggers) for name, triggers in self.triggers().items()}
        return RuleSet(self._matchers, self._key, prefilters)

    def sieved(self, prefilters: Mapping[str, Prefilter]) -> RuleSet:
        """The same rules with pre-filters that were made for others: a rule that they do not know is always confirmed.

        So an edit of one rule costs no more than that rule while the new pre-filter is compiled.
        """
        return RuleSet(self._matchers, self._key, {name: prefilters[name] for name in prefilters if name in VIEWS})

    def triggers(self) -> Mapping[str, tuple[str, ...]]:
        """The expressions that a pre-filter for these rules has, by view."""
        return {
            name: tuple(matcher.trigger for matcher in matchers) for name, matchers in self._by_view.items() if matchers
        }

    def finding(self, rule: Rule, span: Span, found: str) -> Finding:
        return Finding(
            rule=rule.id,
            category=rule.category,
            severity=rule.severity,
            span=span,
            score=rule.score,
            replacement=rule.replacement,
            fingerprint=self.fingerprint(found),
            effect=rule.effect,
            shadow=rule.shadow,
        )

    def failed(self, rule: Rule, span: Span) -> Finding:
        """A rule that could not be applied counts as its strongest effect over all of the text, even in shadow.

        It has no fingerprint: see `is_failure`.
        """
        return structs.replace(self.finding(rule, span, ""), fingerprint="", effect=Effect.BLOCK, shadow=False)

    def name(self, text: str, scope: Scope) -> bytes:
        """A keyed hash (128 bits) of all that the findings of a scan depend on; nobody can make two texts collide."""
        begun = self._hashes.get(scope)
        if begun is None:
            # The text comes last, so that no text can pass for another with another scope.
            place = f"{self.digest}/{scope.direction}/{scope.role}/{scope.trust:d}/".encode("ascii")
            begun = self._hashes[scope] = hashlib.blake2b(place, digest_size=16, key=self._key)
        named = begun.copy()
        named.update(text.encode("utf-8", "surrogatepass"))
        return named.digest()

    def fingerprint(self, found: str) -> str:
        """A keyed hash (64 bits) of what was found, by which the same is known again without being kept."""
        return hashlib.blake2b(found.encode("utf-8", "surrogatepass"), digest_size=8, key=self._key).hexdigest()


class _Sieve:
    """Which matchers of one view have to look at a text."""

    def __init__(self, matchers: Sequence[Matcher], prefilter: Prefilter) -> None:
        self._prefilter = prefilter
        named: dict[str, list[int]] = {}
        for place, matcher in enumerate(matchers):
            named.setdefault(matcher.trigger, []).append(place)
        self._places = tuple(tuple(named.pop(expression, ())) for expression in prefilter.expressions)
        unknown = sorted(place for places in named.values() for place in places)
        self._unknown: list[tuple[int, Sequence[int]]] = [(place, ()) for place in unknown]

    def places(self, seen: str) -> list[tuple[int, Sequence[int]]]:
        """The places of those matchers, and where their triggers hit (see `Prefilter.may_hit`)."""
        hits = self._prefilter.may_hit(seen)
        if not hits:
            return self._unknown
        places = list(self._unknown)
        for index, ends in hits.items():
            places += [(place, ends) for place in self._places[index]]
        return sorted(places)


def _order(finding: Finding) -> tuple[Span, str]:
    return finding.span, finding.rule


def _digest(rules: Mapping[str, Rule]) -> str:
    """The same in every process for the same rules, whatever their order and files."""
    content = [asdict(replace(rules[name], source="")) for name in sorted(rules)]
    canonical = json.dumps(content, sort_keys=True, default=sorted)  # the sets of a reach are the only odd type
    return hashlib.blake2b(canonical.encode("utf-8"), digest_size=16).hexdigest()


def build(
    rules: Iterable[Rule],
    *,
    key: bytes,
    shadow: Collection[str] = (),
    disabled: Collection[str] = (),
    effects: Mapping[str, Effect] = MappingProxyType({}),
) -> RuleSet:
    """A rule set out of rules and an operator's adjustments by rule id. Each rule's proof is run.

    `key` (at most 64 bytes) keys the fingerprints. Raises `RuleError` with every problem: an id given twice, an
    adjustment of a rule that does not exist, a pattern that cannot be used, a proof that fails.
    """
    rules = tuple(rules)
    problems = _duplicates(rules)
    known = {rule.id for rule in rules}
    for table, names in (("shadow", shadow), ("disabled", disabled), ("effects", effects)):
        problems.extend(
            f"`{table}`: no rule has the id `{name}`; `lockgate rules list` shows them"
            for name in sorted(set(names) - known)
        )
    matchers: list[Matcher] = []
    for rule in rules:
        if rule.id in disabled:
            continue
        adjusted = replace(rule, shadow=rule.shadow or rule.id in shadow, effect=effects.get(rule.id, rule.effect))
        try:
            matcher = Matcher(adjusted)
        except PatternError as error:
            problems.append(f"{rule.source}: rule `{rule.id}`: {error}")
        else:
            matchers.append(matcher)
            problems.extend(f"{rule.source}: rule `{rule.id}`: {fault}" for fault in _faults(matcher))
    if problems:
        raise RuleError(tuple(problems))
    return RuleSet(matchers, key, {})


def _duplicates(rules: Iterable[Rule]) -> list[str]:
    first: dict[str, str] = {}
    problems: list[str] = []
    for rule in rules:
        if rule.id in first:
            problems.append(f"{rule.source}: rule `{rule.id}`: the id is taken by the rule at {first[rule.id]}")
        first.setdefault(rule.id, rule.source)
    return problems


def _faults(matcher: Matcher) -> Iterable[str]:
    """What of a rule's proof fails. Samples are named by their number: they may be long, or look like secrets."""
    for name, samples, wanted in (("hits", matcher.rule.hits, True), ("misses", matcher.rule.misses, False)):
        for number, sample in enumerate(samples, 1):
            found = _found(matcher, sample)
            if bool(found) != wanted:
                yield f"number {number} of `{name}` is {'not ' if wanted else ''}hit"
            elif wanted and sample.span is not None and sample.span not in found:
                yield f"number {number} of `{name}` is hit, but `span` is not what is found"


def _found(matcher: Matcher, sample: Sample) -> list[str]:
    """The parts of a sample's text that the rule finds."""
    found: list[str] = []
    for view, seen in readings(matcher.rule.view, scrubbed(sample.text)):
        try:
            hits = [hit.found for hit in matcher.hits(seen)]
        except Overtime:
            continue
        found += [sample.text[start:end] for start, end in view.origins(sample.text, hits)]
    return found
