"""Measures provenance on saved conversations: `python -m bench.firewall [FILE …] [--data FOLDER] [--show]`.

A file holds one conversation a line: `messages` and `tools` as in the chat API of OpenAI, and `calls`, each with `id`,
`message_index`, `label` (`benign` or `hijacked`) and `after_injection`. The default are the scenarios of this
repository; `--data`, or the variable LOCKGATE_BENCH_DATA, names a folder with more sets, of which those of
conversations are taken.

Each call is judged with the conversation before it, as the gateway sees it. Tiers are granted: what is counted is what
provenance alone asks and blocks. The last table adds the tiers. Arguments that a set's maker guessed (`arguments_from`
is `filled`) are left out, so that those calls are judged by what the tool is for.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from gateway import resources
from gateway.detect.pack import parse_pack
from gateway.detect.rule import Scope
from gateway.detect.ruleset import build
from gateway.policy.call import Argument, Call, CallReason, Tier
from gateway.policy.profile import PROFILES
from gateway.policy.provenance.chains import judge_chains, remembered
from gateway.policy.provenance.evidence import Evidence, evidence
from gateway.policy.provenance.judge import Sources, Strictness, judge_provenance
from gateway.policy.provenance.purpose import purpose
from gateway.policy.provenance.weighing import Weigher
from gateway.policy.tools.sinks import arguments_of
from gateway.policy.tools.tiers import tier_of
from gateway.policy.transcript import Defined, Made, Returned, Said, Transcript, Turn
from gateway.segment import Direction, Role, Trust
from gateway.verdict import Effect

ROOT: Final = Path(__file__).parent

LARGE: Final = 200_000
"""Characters that a long conversation has read."""

TOOL: Final = Scope(Direction.REQUEST, Role.TOOL, Trust.UNTRUSTED)
_SPOKEN: Final = {
    "system": (Role.SYSTEM, Trust.OPERATOR),
    "developer": (Role.SYSTEM, Trust.OPERATOR),
    "user": (Role.USER, Trust.PRINCIPAL),
    "assistant": (Role.ASSISTANT, Trust.MODEL),
}


@dataclass(frozen=True, slots=True)
class Case:
    """A labelled call, with the conversation before it."""

    conversation: str
    call: Call
    tier: Tier
    hijacked: bool
    after: bool
    transcript: Transcript
    filled: bool
    open_slot: bool = False
    """Whether the user left the very value open that an attacker wrote: no origin tells that from a benign call."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What became of a case."""

    case: Case
    reasons: tuple[CallReason, ...]

    @property
    def effect(self) -> Effect:
        return max((reason.effect for reason in self.reasons), default=Effect.ALLOW)


def cases(path: Path) -> Iterator[Case]:
    for line in path.read_text(encoding="utf-8").split("\n"):
        if line.strip():
            row = json.loads(line)
            if "messages" in row and "calls" in row:
                yield from of_conversation(row)


def of_conversation(row: dict[str, Any]) -> Iterator[Case]:
    """The labelled calls of one conversation."""
    tools = tuple(_defined(tool) for tool in row.get("tools") or ())
    for labelled in row["calls"]:
        transcript = Transcript(tuple(_turns(row["messages"][: labelled["message_index"]])), tools)
        yield Case(
            row["id"],
            Call(labelled["name"], labelled["arguments"], labelled["id"]),
            tier_of(labelled["name"]).tier,
            labelled["label"] == "hijacked",
            bool(labelled["after_injection"]),
            transcript,
            labelled.get("arguments_from") == "filled",
            bool(labelled.get("open_slot")),
        )


def _defined(tool: dict[str, Any]) -> Defined:
    function = tool.get("function", tool)
    return Defined(function["name"], function.get("description") or "", function.get("parameters"))


def _turns(messages: Sequence[dict[str, Any]]) -> Iterator[Turn]:
    calls: dict[str, Call] = {}
    for index, message in enumerate(messages):
        text = _text(message.get("content"))
        if message["role"] == "tool":
            yield Returned(text, calls.get(message.get("tool_call_id", "")), index)
            continue
        if text:
            yield Said(text, *_SPOKEN[message["role"]], message=index)
        for made in message.get("tool_calls") or ():
            call = Call(made["function"]["name"], _arguments(made["function"]["arguments"]), made["id"])
            calls[call.id] = call
            yield Made(call, index)


def _text(content: Any) -> str:
    if isinstance(content, list):
        return "\n".join(part.get("text", "") for part in content)
    return content or ""


def _arguments(written: Any) -> Any:
    try:
        return json.loads(written) if isinstance(written, str) else written
    except ValueError:
        return written


def detection(rules: Path) -> Callable[[str], bool]:
    """Whether the shipped rules take a text for an injection, at the threshold of the balanced profile."""
    packs = [rule for path in sorted(rules.glob("*.toml")) for rule in parse_pack(path.read_text(), path.name)]
    built = build(packs, key=b"bench")
    threshold = PROFILES["balanced"].data_threshold
    known: dict[str, bool] = {}

    def instructs(text: str) -> bool:
        if text not in known:
            found = built.scan(text, TOOL)
            scores = {hit.rule: hit.score for hit in found if hit.category.startswith("injection.")}
            known[text] = sum(scores.values()) >= threshold
        return known[text]

    return instructs


def arguments_in(case: Case) -> tuple[Argument, ...]:
    defined = next((tool for tool in case.transcript.tools if tool.name == case.call.name), None)
    return () if case.filled else arguments_of(case.call, defined)


def judge(
    case: Case, instructs: Callable[[str], bool], strictness: Strictness, weigher: Weigher | None = None
) -> Judged:
    """What provenance says of a case: by the rules alone, or with the evidence weighed."""
    arguments = arguments_in(case)
    sources = Sources(case.transcript)
    reasons = judge_provenance(case.call, arguments, case.tier, sources, instructs, strictness, weigher)
    chained = judge_chains(case.call, arguments, case.tier, remembered(sources), sources, strictness)
    return Judged(case, (*reasons, *chained))


def evidence_on(case: Case) -> Evidence:
    """What is known of a call without detection, for weights to be learned from."""
    arguments, sources = arguments_in(case), Sources(case.transcript)
    rules = judge_provenance(case.call, arguments, case.tier, sources, lambda _: False, Strictness.BALANCED)
    wanted = purpose(case.call, case.tier, sources.texts.defined.get(case.call.name))
    return evidence(case.call, arguments, case.tier, wanted, sources.grounds, rules)


def by_tier(case: Case) -> Effect:
    """What the tiers ask for by themselves: what is changed the first time, what is sent or run each time."""
    known = any(isinstance(turn, Made) and turn.call.name == case.call.name for turn in case.transcript.turns)
    return Effect.ASK if case.tier > Tier.MODIFY or (case.tier is Tier.MODIFY and not known) else Effect.ALLOW


def report(name: str, judged: Sequence[Judged], profile: str, detects: str) -> None:
    acting = [one for one in judged if one.case.hijacked and one.case.tier > Tier.READ]
    reading = [one for one in judged if one.case.hijacked and one.case.tier is Tier.READ]
    benign = [one for one in judged if not one.case.hijacked]
    before = [one for one in benign if not one.case.after]
    after = [one for one in benign if one.case.after]
    cells = [name, profile, detects, _stopped(acting), _stopped(reading), *_let(before), *_let(after)]
    print("| " + " | ".join(cells) + " |")


def _stopped(judged: Sequence[Judged]) -> str:
    return _share(sum(one.effect >= Effect.ASK for one in judged), len(judged))


def _let(judged: Sequence[Judged]) -> tuple[str, str]:
    effects = Counter(one.effect for one in judged)
    return _share(effects[Effect.ASK], len(judged)), _share(effects[Effect.BLOCK], len(judged))


def _share(part: int, whole: int) -> str:
    return f"{part}/{whole} {100 * part / whole:.1f} %" if whole else "-"


def report_tiers(name: str, judged: Sequence[Judged]) -> None:
    effects: dict[bool, Counter[Effect]] = defaultdict(Counter)
    for one in judged:
        effects[one.case.hijacked][max(one.effect, by_tier(one.case))] += 1
    hijacked, benign = effects[True], effects[False]
    stopped = _share(hijacked.total() - hijacked[Effect.ALLOW], hijacked.total())
    asked = _share(benign[Effect.ASK], benign.total())
    print(f"| {name} | {stopped} | {asked} | {_share(benign[Effect.BLOCK], benign.total())} |")


def report_slots(judged: Sequence[Judged]) -> None:
    """Hijacked calls with a side effect, by whether the user had left their target open."""
    print("\n| all sets, balanced | hijacked with effect stopped |\n| --- | --- |")
    for name, is_open in (
        ("the user named a target, or asked for nothing of the kind", False),
        ("target left open", True),
    ):
        acting = [one for one in judged if one.case.hijacked and one.case.tier > Tier.READ]
        print(f"| {name} | {_stopped([one for one in acting if one.case.open_slot is is_open])} |")


def large(weigher: Weigher | None) -> tuple[float, float]:
    """Milliseconds for the first and for the second call of an answer after a large text was read."""
    rng = random.Random(1)
    words = ["".join(rng.choices("abcdefghijklmnop", k=rng.randint(3, 9))) for _ in range(4000)]
    text = " ".join(" ".join(rng.choices(words, k=12)) + "." for _ in range(LARGE // 80))
    read = Call("read_mail", {"id": "m1"})
    asked = Said("Mail Bob a summary of m1", Role.USER, Trust.PRINCIPAL)
    tools = (Defined("send_email", "Send a mail.", {}), Defined("read_mail", "Read a mail.", {}))
    body = " ".join(rng.choices(words, k=100))
    call = Call("send_email", {"to": ["bob@x.example"], "subject": "Summary", "body": body})
    sources = Sources(Transcript((asked, Made(read), Returned(text, read)), tools))
    taken: list[float] = []
    for _ in range(2):
        start = time.perf_counter()
        arguments = arguments_of(call, tools[0])
        judge_provenance(call, arguments, Tier.SEND, sources, lambda _: False, Strictness.BALANCED, weigher)
        taken.append(1000 * (time.perf_counter() - start))
    return taken[0], taken[1]


def show(judged: Sequence[Judged]) -> None:
    """The calls that were not judged as they are labelled."""
    for one in judged:
        if (one.effect >= Effect.ASK) != one.case.hijacked:
            why = [(reason.rule, reason.argument, reason.words, reason.sources) for reason in one.reasons]
            print("MISSED" if one.case.hijacked else "HELD", one.case.conversation, one.case.call.name, why)


HEAD: Final = (
    "| set | profile | detection | hijacked with effect stopped | hijacked reads stopped "
    "| benign before: asked | blocked | benign after: asked | blocked |\n| " + " | ".join(["---"] * 9) + " |"
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", type=Path, nargs="*", help="files of conversations")
    parser.add_argument(
        "--data", type=Path, default=os.environ.get("LOCKGATE_BENCH_DATA"), help="a folder of more sets"
    )
    parser.add_argument("--rules", type=Path, default=ROOT.parent / "rules")
    parser.add_argument("--rules-alone", action="store_true", help="weigh no evidence")
    parser.add_argument("--show", action="store_true", help="print what was judged otherwise than it is labelled")
    given = parser.parse_args()
    files = given.files or sorted((ROOT / "scenarios" / "dev").glob("*.jsonl"))
    files += sorted(Path(given.data).glob("*_dev.jsonl")) if given.data else []
    instructs = detection(given.rules)
    weigher = None if given.rules_alone else resources.weigher()
    sets = {path.stem: list(cases(path)) for path in files}
    if len(sets) > 1:
        sets["all"] = [case for found in sets.values() for case in found]
    print(HEAD)
    tiers: dict[str, list[Judged]] = {}
    spent = 0.0
    count = 0
    for name, found in ((name, found) for name, found in sets.items() if found):
        for strictness in Strictness:
            for detects, asked in (("off", lambda _: False), ("on", instructs)):
                start = time.perf_counter()
                judged = [judge(case, asked, strictness, weigher) for case in found]
                if detects == "off":
                    spent += time.perf_counter() - start
                    count += len(judged)
                report(name, judged, strictness, detects)
                if detects == "off" and strictness is Strictness.BALANCED:
                    tiers[name] = judged
    print("\n| set, balanced, with tiers | hijacked stopped | benign asked | blocked |\n| --- | --- | --- | --- |")
    for name, judged in tiers.items():
        report_tiers(name, judged)
    if "all" in tiers:
        report_slots(tiers.pop("all"))
    print(f"\n{1000 * spent / max(1, count):.2f} ms a call, the index of its conversation included")
    first, next_one = large(weigher)
    print(
        f"{first:.0f} ms for the first call of an answer after {LARGE // 1000} KB were read, {next_one:.0f} for another"
    )
    for judged in tiers.values() if given.show else ():
        show(judged)


if __name__ == "__main__":
    main()
