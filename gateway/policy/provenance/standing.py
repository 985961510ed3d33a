"""How far a value that others wrote may be used: lent by the user's request, a field, stated, told, or commanded."""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import IntEnum
from typing import Final

from gateway.policy.call import Sink
from gateway.policy.provenance.clauses import spoken
from gateway.policy.provenance.lexicon import Act
from gateway.policy.provenance.mood import Mood, mood, redirects
from gateway.policy.provenance.purpose import Purpose, asks
from gateway.policy.provenance.spelling import EMAIL, host_of, identifiers
from gateway.policy.provenance.texts import Hit, Texts
from gateway.policy.provenance.wish import Wish

_LED: Final = frozenset((Act.PAY, Act.SEND, Act.SHARE, Act.CHANGE))
"""Kinds of action that fraud leads elsewhere."""

MATES: Final = 100
"""Fields of one record that are looked through."""

WIDE: Final = 6
"""Sentences before a value in which the model may have been addressed. Injections are paragraphs, not books."""


_TAKES_OVER: Final = re.compile(
    r"(?:^|[/\\~])\.(?:ssh|aws|bash\w*|zsh\w*|profile|gnupg|env|netrc|npmrc|pypirc|git/hooks|git-credentials|kube|docker|config)\b"
    r"|^/etc/|/cron|authorized_keys|id_rsa|\bcredentials?\b|\.(?:pem|key|kdbx)$|\bautostart\b|\bstartup\b",
    re.IGNORECASE,
)
"""Files that hold credentials, or that are run when somebody logs in: a text that was merely pointed to names none."""


class Standing(IntEnum):
    """From what the user lends to what an attacker writes. Of several places where a value stands, the strictest
    counts, but for those that the user pointed to."""

    LENT = 0
    FIELD = 1
    STATED = 2
    TOLD = 3
    COMMANDED = 4


def standing(texts: Texts, wish: Wish, hit: Hit, wanted: Purpose, sink: Sink) -> Standing:
    """How the value stands at that place, for that kind of action."""
    unit = hit.unit
    value = unit.text[hit.start : hit.end]
    asked = bool(wish.asking(wanted))
    if unit.is_field and hit.is_whole:
        if wish.pointed(unit, wanted, sink, value).is_pointed or (asked and wish.linked(unit, "")):
            return Standing.LENT
        return (
            Standing.TOLD if wish.closed(wanted, sink, value) and _beside_order(texts, hit, wanted) else Standing.FIELD
        )
    # A sum beside a request is no order of that sum.
    near = texts.others.around(hit, 0, 0) if sink is Sink.AMOUNT else texts.others.around(hit)
    how = max(manner(near, wanted), _by_itself(texts, hit, sink, wanted))
    led = bool(wanted.acts & _LED) and any(map(redirects, near))
    if how is Mood.COMMANDS or _is_commanded(texts, hit) or (led and Act.PAY in wanted.acts):
        return Standing.COMMANDED
    pointed = wish.pointed(unit, wanted, sink, value)
    if _TAKES_OVER.search(value) and not pointed.is_delegated:
        return Standing.TOLD
    if pointed.is_delegated or pointed.is_fixed:
        return Standing.LENT
    if how is Mood.TELLS or led:
        lends = pointed.is_pointed and (pointed.is_plural or is_sole(texts, hit))
        return Standing.LENT if lends else Standing.TOLD
    if pointed.is_pointed and (Act.PAY not in wanted.acts or pointed.is_plural or is_sole(texts, hit)):
        return Standing.LENT
    if asked and wish.linked(unit, " ".join(near)):
        return Standing.LENT
    return Standing.FIELD if unit.is_field else Standing.STATED


def manner(sentences: Sequence[str], wanted: Purpose) -> Mood:
    """How strongly one of the sentences wants that kind of action."""
    return max((mood(sentence) for sentence in sentences if asks(spoken(sentence), wanted)), default=Mood.STATES)


def _by_itself(texts: Texts, hit: Hit, sink: Sink, wanted: Purpose) -> Mood:
    """How strongly the sentence of the value itself wants that kind of action, whatever it is done to.

    An address or a program in an order counts whatever the verb: who names one there wants it used.
    """
    own = texts.others.around(hit, 0, 0)
    value = hit.unit.text[hit.start : hit.end]
    says_where = "@" in value or "://" in value or sink in (Sink.ACCOUNT, Sink.COMMAND, Sink.CODE, Sink.SQL)
    return max((mood(part) for part in own if says_where or spoken(part).acts & wanted.acts), default=Mood.STATES)


def _beside_order(texts: Texts, hit: Hit, wanted: Purpose) -> bool:
    """Whether a free text of the same record wants that kind of action: "message me", says the user's own status."""
    mates = (mate for mate in texts.others.mates(hit.unit) if not mate.is_field or mate is not hit.unit)
    return any(
        mood(sentence) is not Mood.STATES and spoken(sentence).acts & wanted.acts
        for mate in mates
        for sentence in texts.others.parts(mate)
    )


def _is_commanded(texts: Texts, hit: Hit) -> bool:
    return any(mood(sentence) is Mood.COMMANDS for sentence in texts.others.around(hit, WIDE, 2))


def is_sole(texts: Texts, hit: Hit) -> bool:
    """Whether the text has no other value of that sort, which the user could have meant as well."""
    value = hit.unit.text[hit.start : hit.end]
    found = identifiers(hit.unit.leaf.text)
    # A record with an account of its own leaves a second one in its remarks for no honest reason.
    accounts = {
        account for mate in texts.others.mates(hit.unit)[:MATES] for account in identifiers(mate.leaf.text).ibans
    }
    if EMAIL.fullmatch(value):
        return len(found.emails) <= 1
    if len(accounts) > 1:
        return False
    return len({host_of(url) for url in found.urls}) <= 1 or not host_of(value)
