"""The calls of tools in one exchange: each is ruled on as it comes, and what became of it is kept.

A call that is allowed leaves as it came. One that is refused leaves as a few words in its place, one that must be
approved waits for an answer (`ask`, `answered`). Whole answers, streams and messages all come here, so that a
call is judged alike wherever it is seen.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Hashable, Iterable, Iterator, Sequence
from typing import Any, Final, Protocol

from msgspec import Struct
from msgspec.structs import replace

from gateway.detect.ruleset import RuleSet
from gateway.errors import Code, InternalError
from gateway.exchange.masking import masked
from gateway.exchange.recorded import CallRecord
from gateway.policy.call import Aim, Answer, Call, Called, Change, Question, Ruling, Session
from gateway.policy.tools.wrapper import Became, Result, Terms
from gateway.verdict import Effect, Reason

MASKED: Final = frozenset({"secret", "pii"})
"""Roots of the categories whose findings no record shows."""

TOLD: Final = 3
"""Reasons that a model is told of: enough to do otherwise."""

_CALLING: Final = re.compile(rb"_call|Call|tool_use|toolUse")
"""What the APIs write around calls of tools."""

_ENDING: Final = re.compile(
    rb'[._]stop"|\.done"|\.completed"|\[DONE\]|"functionCalls?"|"function_calls?"|"done"'
    rb'|"(?:finish_reason|finishReason)"\s*:\s*"'
    rb"|contentBlockStop|messageStop|eyJ0eXBlIjoi(?:Y29udGVudF9ibG9ja19zdG9|bWVzc2FnZV9zdG9)"
)
"""What stands in an event with which a call is complete; in a chunk of Bedrock's, `{"type":"…_stop` in base64."""

_NAME: Final = re.compile(r"[\w.:/-]{1,64}", re.ASCII)


class Sight(Protocol):
    """What calls are judged by: the policy, with what is known of the conversation."""

    def session(self, call: Call, beside: Iterable[Call]) -> Session:
        """The conversation that a call is made in, for approvals that hold for it, with others in the same answer."""
        ...

    def aims(self, call: Call) -> tuple[Aim, ...]:
        """What a call is aimed at, for a person."""
        ...

    def judge(self, call: Call) -> Ruling: ...

    def returned(self, call: Call, text: str) -> None:
        """Take note of what a call returned that goes on to the agent."""
        ...

    def fingerprint(self, call: Call) -> str:
        """The name of the tool with these arguments, however they are spelt."""
        ...

    def terms(self, call: Call) -> Terms:
        """How long it may take, and what its result is held to."""
        ...


class _Judged(Struct):
    """A call with what became of it so far. `answer` is there once one that was asked about is answered."""

    called: Called
    ruling: Ruling
    answer: Answer | None = None
    refusal: str | None = None
    is_asked: bool = False
    became: Became | None = None  # of the result of a call that was made

    @property
    def is_open(self) -> bool:
        return self.ruling.effect is Effect.ASK and self.answer is None


class Refused(Struct, frozen=True):
    """Why calls are refused, in words, and by which rules."""

    code: Code
    words: str
    rules: tuple[str, ...]


class Calls:
    """The calls of one exchange. `sight` is made when the first one comes: most answers hold none.

    `stopped` are the names of the tools that an operator has stopped by now: a person is asked for minutes.
    `changes` is what became of those that do not leave as they came, by their keys.
    """

    def __init__(
        self, rules: RuleSet, sight: Callable[[], Sight], stopped: Callable[[], Container[str]] = tuple
    ) -> None:
        self._rules = rules
        self._stopped = stopped
        self._make = sight
        self._sight: Sight | None = None
        self._judged: dict[Hashable, _Judged] = {}
        self.changes: dict[Hashable, Change] = {}

    def take(self, called: Iterable[Called]) -> None:
        """Rule on calls that are complete."""
        for one in called:
            sight = self._sight = self._sight or self._make()
            judged = self._judged[one.key] = _Judged(one, sight.judge(one.call))
            if judged.ruling.effect is Effect.BLOCK:
                self._refuse(judged, told(judged.ruling))

    def is_settled(self, key: Hashable) -> bool:
        judged = self._judged.get(key)
        return judged is not None and not judged.is_open

    @property
    def is_open(self) -> bool:
        """Whether an answer is waited for."""
        return any(judged.is_open for judged in self._judged.values())

    def ask(self) -> tuple[Question, ...]:
        """What must be asked before these calls may leave, in the order in which they came; each is given once."""
        asked = [judged for judged in self._judged.values() if judged.is_open and not judged.is_asked]
        for judged in asked:
            judged.is_asked = True
        return tuple(map(self._question, asked))

    def _question(self, judged: _Judged) -> Question:
        sight = self._sight
        assert sight is not None, "a call was ruled on"
        call = judged.called.call
        others = (one.called.call for one in self._judged.values() if one is not judged)
        session = sight.session(call, others)
        return Question(call, judged.ruling, sight.fingerprint(call), session, sight.aims(call))

    def answered(self, answers: Sequence[Answer]) -> None:
        """Take the answers to what was asked, one for each question."""
        asked = [judged for judged in self._judged.values() if judged.is_open and judged.is_asked]
        if len(asked) != len(answers):
            raise InternalError("not every question about a call was answered")
        stopped = self._stopped()
        for judged, answer in zip(asked, answers, strict=True):
            judged.answer = answer
            if not answer.is_approved:
                self._refuse(judged, answer.words, is_final=answer.ticket is None)
            elif judged.called.call.name in stopped:
                self._refuse(judged, "the tool was stopped by an operator meanwhile")
            elif answer.arguments is not None:
                self._edit(judged, answer.arguments)

    def _edit(self, judged: _Judged, arguments: Any) -> None:
        """Put an approver's arguments in place of the model's, unless the policy forbids these too."""
        sight = self._sight
        assert sight is not None, "a call was ruled on"
        ruling = sight.judge(replace(judged.called.call, arguments=arguments))
        if ruling.effect is Effect.BLOCK:
            self._refuse(judged, f"it was approved with other arguments, which are refused too: {told(ruling)}")
        else:
            self.changes[judged.called.key] = Change(arguments=arguments)

    def _refuse(self, judged: _Judged, words: str, *, is_final: bool = True) -> None:
        judged.refusal = words
        self.changes[judged.called.key] = Change(refusal=in_place(judged.called.call, words, is_final=is_final))

    def refuse(self, words: str) -> None:
        """Refuse all that are left, as none of them is made."""
        for judged in self._judged.values():
            if judged.refusal is None:
                self._refuse(judged, words)

    @property
    def refused(self) -> Refused | None:
        """Why the first of the refused calls is, for a sender that is told; None where all of them may be made."""
        judged = next((one for one in self._judged.values() if one.refusal is not None), None)
        if judged is None or judged.refusal is None:
            return None
        strongest = (one for one in judged.ruling.reasons if one.effect is judged.ruling.effect and not one.shadow)
        code = Code.APPROVAL if judged.ruling.effect is Effect.ASK else Code.TOOL
        return Refused(code, judged.refusal, tuple(dict.fromkeys(reason.rule for reason in strongest)))

    # --- calls that the exchange itself makes ------------------------------------------------------------------------

    @property
    def names(self) -> tuple[str, ...]:
        """The tools, one name for each call."""
        return tuple(one.called.call.name for one in self._judged.values())

    @property
    def timeout(self) -> float | None:
        """Seconds that the calls may take, which are made at once; None where there are none."""
        sight = self._sight
        if sight is None:
            return None
        return max((sight.terms(one.called.call).timeout for one in self._judged.values()), default=None)

    @property
    def are_counted(self) -> bool:
        """Whether the policy says of one of the tools how often it may be called."""
        sight = self._sight
        return sight is not None and any(sight.terms(one.called.call).is_counted for one in self._judged.values())

    @property
    def have_terms_for_results(self) -> bool:
        """Whether the policy says of one of the tools what it may return."""
        sight = self._sight
        return sight is not None and any(sight.terms(one.called.call).results for one in self._judged.values())

    def returned(self, id_: str, result: Result) -> str | None:
        """Take the result of a call by its id. Why it may not go on, in words; None where it may."""
        sight = self._sight
        for judged in self._judged.values():
            if judged.called.call.id == id_ and judged.refusal is None and sight is not None:
                fault = sight.terms(judged.called.call).fault(result)
                judged.became = Became.FAILED if result.is_error else Became.RETURNED
                if fault is not None:
                    judged.became, words = fault
                    return words
                sight.returned(judged.called.call, "\n".join(result.texts))
        return None

    def overdue(self) -> str:
        """The time is over: none of the calls is waited for any more. Why, in words."""
        for judged in self._judged.values():
            if judged.became is None and judged.refusal is None:
                judged.became = Became.OVERDUE
        return (
            f"the tool has not answered within the {self.timeout or 0:g} seconds that it may take "
            "(`timeout` of its table under [tools])"
        )

    # --- for the record ----------------------------------------------------------------------------------------------

    @property
    def effect(self) -> Effect:
        """What was done about the calls: a refusal takes the place of one, as an edit does."""
        if self.changes:
            return Effect.REWRITE
        return max((min(one.ruling.effect, Effect.REPORT) for one in self._judged.values()), default=Effect.ALLOW)

    @property
    def would_be(self) -> Effect:
        return max((one.ruling.would_be for one in self._judged.values()), default=Effect.ALLOW)

    def reasons(self) -> Iterator[Reason]:
        for judged in self._judged.values():
            for reason in judged.ruling.reasons:
                yield Reason(reason.effect, reason.rule, reason.category, 0, reason.shadow)

    def records(self) -> Iterator[CallRecord]:
        for judged in self._judged.values():
            yield self._record(judged)

    def _record(self, judged: _Judged) -> CallRecord:
        sight = self._sight
        assert sight is not None, "a call was ruled on"
        call, ruling, answer = judged.called.call, judged.ruling, judged.answer
        arguments = call.arguments
        if answer is not None and answer.arguments is not None and judged.refusal is None:
            arguments = answer.arguments
        return CallRecord(
            tool=masked(self._rules, call.name, MASKED),
            server=call.server,
            tier=ruling.tier,
            effect=Effect.BLOCK if judged.refusal is not None else min(ruling.effect, Effect.REPORT),
            would_be=ruling.would_be,
            reasons=ruling.reasons,
            arguments=masked(self._rules, arguments, MASKED),
            fingerprint=sight.fingerprint(call),
            asked=ruling.effect is Effect.ASK,
            by=answer.by if answer is not None else None,
            ticket=answer.ticket if answer is not None else None,
            became=judged.became,
        )


def may_complete(data: bytes, *, waits: bool) -> bool:
    """Whether a call seems to be complete with these bytes of a stream, of which something `waits`: only good for
    telling how much work they may be. The many pieces of its arguments are little."""
    return _ENDING.search(data) is not None and (waits or _CALLING.search(data) is not None)


def told(ruling: Ruling) -> str:
    """Why a call is refused, for the model: the strongest reasons in words."""
    found = [reason.words for reason in ruling.reasons if reason.effect is ruling.effect and not reason.shadow]
    return "; ".join(dict.fromkeys(found[:TOLD])) or "the policy of the gateway forbids it"


def in_place(call: Call, words: str, *, is_final: bool = True) -> str:
    """What a model and its agent read in place of a call. The same call gives the same words.

    `is_final` is whether it would be refused again; otherwise the words say when it would not.
    """
    name = f"`{call.name}`" if _NAME.fullmatch(call.name) else "a tool"
    last = " Do not make the same call again." if is_final else ""
    return f"[The security gateway refused the call of {name}: {words}.{last}]"
