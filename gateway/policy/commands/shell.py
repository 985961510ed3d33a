"""Shell commands read: what they would start, touch and reach."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import Any, Final

from gateway.policy.commands.evaluate.notes import Notes
from gateway.policy.commands.evaluate.value import TERMINAL, Scope, arg
from gateway.policy.commands.evaluate.walk import Walk
from gateway.policy.commands.grammar.cursor import MAX_TEXT, Unreadable
from gateway.policy.commands.grammar.parser import parse
from gateway.policy.commands.report import CommandReport

MAX_ARGUMENTS: Final = 4096
"""Arguments of a list that is read."""
_INVISIBLE: Final = re.compile(
    r"[\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\U000e0000-\U000e007f]"
)


def read_shell(text: str) -> CommandReport:
    """What a text would do in a shell. Never raises; what is too long, too deep or no command is not parsed."""
    notes = Notes()
    if len(text) > MAX_TEXT:
        notes.hide(f"the command is longer than {MAX_TEXT} characters")
        return notes.report(is_parsed=False)
    _look(text, notes)
    return _followed(Walk(notes), notes, text)


def read_argv(arguments: Sequence[str]) -> CommandReport:
    """What a program would do that is started with these arguments, the first of which is its name, without a shell."""
    notes = Notes()
    if len(arguments) > MAX_ARGUMENTS or sum(map(len, arguments)) > MAX_TEXT:
        notes.hide(f"the command is longer than {MAX_TEXT} characters")
        return notes.report(is_parsed=False)
    walk = Walk(notes)
    try:
        walk.invoker.run([arg(one) for one in arguments], Scope(), TERMINAL, (), is_sure=True)
        walk.finish()
    except (Unreadable, RecursionError) as fault:
        notes.hide(_said(fault))
        return notes.report(is_parsed=False)
    return notes.report(is_parsed=True)


def as_argv(value: Any) -> tuple[str, ...] | None:
    """The arguments of a program, where a value of JSON is a list of them; None where it is not."""
    if not isinstance(value, list) or not value or not all(isinstance(one, str) for one in value):
        return None
    return tuple(value)


def _followed(walk: Walk, notes: Notes, text: str) -> CommandReport:
    script, fault = parse(text)
    if fault:
        notes.hide(f"the command cannot be read: {fault}")
    try:
        walk.script(script, Scope(), TERMINAL, ())
        walk.finish()
    except (Unreadable, RecursionError) as beyond:
        notes.hide(_said(beyond))
        return notes.report(is_parsed=False)
    return notes.report(is_parsed=not fault)


def _said(fault: Exception) -> str:
    return (
        f"the command is not followed to its end: {fault if isinstance(fault, Unreadable) else 'it is nested too deep'}"
    )


def _look(text: str, notes: Notes) -> None:
    """Spellings that hide: by letters that are not seen, or are other letters in another form."""
    if text.isascii():
        return
    if _INVISIBLE.search(text):
        notes.suspect("the command has letters that are not seen")
    if any("！" <= letter <= "～" for letter in text) or unicodedata.normalize("NFKC", text) != unicodedata.normalize(
        "NFC", text
    ):
        notes.suspect("the command has letters that look like others")
