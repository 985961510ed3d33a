"""Which texts of a result are whole fields of records, and which are free text.

A program that answers in records puts each value into a field of its own; a person who writes to the model cannot leave
the field that they write in. Only forms in which that holds are taken for records: JSON, Python literals, YAML of
plain blocks, tables of separated values, and the header lines of a mail. Everything else is one free text.
"""

from __future__ import annotations

import csv
import html
import json
import re
from typing import Any, Final

from msgspec import Struct

from gateway.policy.provenance.lexicon import listed

FREE_KEYS: Final = listed("""
    body content contents text message comment comments description note notes review review_content snippet summary bio
    details about caption html markdown plain message_body mail_body remarks feedback instructions output stdout
    transcript readme 内容 正文 备注 评论 描述
    """)
"""Fields that people write in as they like."""

SHORT: Final = 8
"""Words up to which a value is a value and not a text."""

MAX_LEAVES: Final = 20_000
"""Fields that are told apart; a result with more is one free text."""

HEADERS: Final = listed("from to cc bcc subject date sent sender reply-to recipients message-id thread-id id")

_PAIR: Final = re.compile(
    r"^(\s*)((?:- )*)(?:([\w][\w .\-/]{0,60}?|\"[^\"]{1,60}\"|'[^']{1,60}')\s?:(?:[ \t]+(.*))?|(.+))$"
)
_HEAD: Final = re.compile(r"\w+(?:[ .#/-]{1,2}\w+){0,2}")
"""The name of a column: no sentence, and no address."""

_HEADER: Final = re.compile(r"^([A-Za-z][A-Za-z-]{1,20}):[ \t]*(.*)$")
_WORDS: Final = re.compile(r"\S+")


class Leaf(Struct, frozen=True):
    """A text in a result. `record` numbers the record that it is a field of; `is_field` is false for free text."""

    text: str
    key: str = ""
    record: int = 0
    is_field: bool = False


def leaves(text: str) -> tuple[Leaf, ...]:
    """The texts of a result, in order."""
    for reader in (_json, _python, _marked_up, _separated, _barred, _yaml, _headed):
        found = reader(text)
        if found is not None and len(found) <= MAX_LEAVES:
            return found
    return (Leaf(text),)


def _json(text: str) -> tuple[Leaf, ...] | None:
    if text.lstrip()[:1] not in ("{", "["):
        return None
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return _json_lines(text)
    return _flat(document)


def _json_lines(text: str) -> tuple[Leaf, ...] | None:
    """Several results, one a line, as a call returns several texts."""
    lines = [line for line in text.split("\n") if line.strip()]
    if len(lines) < 2:
        return None
    try:
        return _flat([json.loads(line) for line in lines])
    except (ValueError, RecursionError):
        return None


def _flat(document: Any) -> tuple[Leaf, ...]:
    found: list[Leaf] = []
    count = 0
    # Depth first, without recursion: a body may be as deep as its reader bears.
    todo: list[tuple[Any, str, int]] = [(document, "", 0)]
    while todo:
        value, key, record = todo.pop()
        if isinstance(value, dict):
            count += 1
            # What hangs below a record is a record of its own, but for plain values.
            own = count
            todo += [(item, str(name), own) for name, item in reversed(value.items())]
            found += [Leaf(str(name), "", own, is_field=True) for name in value]
        elif isinstance(value, list):
            todo += [(item, key, record) for item in reversed(value)]
        elif value is not None and not isinstance(value, bool):
            found.append(_leaf(str(value), key, record))
    return tuple(found)


def _leaf(text: str, key: str, record: int) -> Leaf:
    return Leaf(text, key, record, is_field=_is_value(text, key))


def _is_value(text: str, key: str) -> bool:
    if key.casefold() in FREE_KEYS:
        return False
    return len(text) <= 300 and len(_WORDS.findall(text)) <= SHORT


_LITERAL: Final = re.compile(
    r"""\s*(?:([{}\[\](),:])|'((?:[^'\\\n]|\\.)*)'|"((?:[^"\\\n]|\\.)*)"|(-?[\d.]+(?:[eE][-+]?\d+)?|True|False|None))"""
)


def _python(text: str) -> tuple[Leaf, ...] | None:
    """What `repr` makes of records. Read as JSON, once each token is spelled as there; quotes that do not close where
    `repr` would close them fail."""
    if text.lstrip()[:1] not in ("{", "["):
        return None
    parts: list[str] = []
    position = 0
    end = len(text.rstrip())
    while position < end:
        token = _LITERAL.match(text, position)
        if token is None:
            return None
        parts.append(_as_json(token))
        position = token.end()
    try:
        return _flat(json.loads("".join(parts)))
    except (ValueError, RecursionError):
        return None


def _as_json(token: re.Match[str]) -> str:
    mark, single, double, plain = token.groups()
    if mark:
        return {"(": "[", ")": "]"}.get(mark, mark)
    if plain:
        return {"True": "true", "False": "false", "None": "null"}.get(plain, plain)
    return json.dumps(re.sub(r"\\(.)", r"\1", (single if single is not None else double).replace("\\n", "\n")))


def _separated(text: str) -> tuple[Leaf, ...] | None:
    """Comma, semicolon or tab separated values: a header, and rows of as many cells."""
    lines = [line.strip().strip("|") for line in text.strip().split("\n") if not _RULER.fullmatch(line.strip())]
    if len(lines) < 2:
        return None
    for mark in (",", ";", "\t", "|"):
        if mark not in lines[0]:
            continue
        try:
            head, *body = [[cell.strip() for cell in row] for row in csv.reader(lines, delimiter=mark)]
        except csv.Error:
            return None  # a cell that is longer than cells are
        if all(len(row) == len(head) for row in body) and all(map(_HEAD.fullmatch, head)):
            return tuple(
                _leaf(cell, key, number) for number, row in enumerate(body) for key, cell in zip(head, row, strict=True)
            )
    return None


_RULER: Final = re.compile(r"[|+:=\s-]*-[|+:=\s-]*")
"""The line below the head of a table in Markdown."""

_BAR: Final = re.compile(r"\s*\|\s*|\t+")


def _barred(text: str) -> tuple[Leaf, ...] | None:
    """Lines of as many cells each, between bars or tabs, without a header."""
    lines = [line.strip().strip("|") for line in text.strip().split("\n") if line.strip(" |-+\t")]
    rows = [_BAR.split(line.strip()) for line in lines]
    if len(rows) < 2 or len(rows[0]) < 3 or any(len(row) != len(rows[0]) for row in rows):
        return None
    return tuple(_leaf(cell, "", number) for number, row in enumerate(rows) for cell in row if cell)


_PROLOGUE: Final = re.compile(r"^\s*<\?[^<>]*\?>")
_TAG: Final = re.compile(
    r"<(?P<close>/?)(?P<name>[A-Za-z][\w.:-]*)(?P<attributes>(?:\s+[\w.:-]+=\"[^\"<]*\")*)\s*(?P<empty>/?)>(?P<text>[^<]*)"
)
_ATTRIBUTE: Final = re.compile(r"([\w.:-]+)=\"([^\"]*)\"")
_HYPERTEXT: Final = listed("html body head p div span h1 h2 h3 a br ul li b i script style")


def _marked_up(text: str) -> tuple[Leaf, ...] | None:
    """XML without mixed content: each element holds elements or one text. Pages are free text."""
    whole = _PROLOGUE.sub("", text).strip()
    if whole[:1] != "<":
        return None
    found: list[Leaf] = []
    open_ones: list[tuple[str, int]] = [("", 0)]
    count = position = 0
    while position < len(whole):
        tag = _TAG.match(whole, position)
        if tag is None or tag["name"].casefold() in _HYPERTEXT:
            return None
        position = tag.end()
        inner = tag["text"].strip()
        if tag["close"]:
            if inner or open_ones.pop()[0] != tag["name"]:
                return None
            continue
        count += 1
        # A text makes the element a field of the one around it.
        record = open_ones[-1][1] if inner else count
        found += [_leaf(html.unescape(value), key, record) for key, value in _ATTRIBUTE.findall(tag["attributes"])]
        if inner:
            found.append(_leaf(html.unescape(inner), tag["name"], record))
        if not tag["empty"]:
            open_ones.append((tag["name"], record))
    return tuple(found) if len(open_ones) == 1 else None


def _yaml(text: str) -> tuple[Leaf, ...] | None:
    """Blocks of `key: value` and `- item`. A line that is deeper than a value goes on with that value, so that free
    text does not become fields; a line that fits nowhere makes the whole a free text."""
    lines = [line for line in text.split("\n") if line.strip()]
    if len(lines) < 3 or (_PAIR.match(lines[0]) or [None] * 4)[3] is None:
        return None
    return _blocks(lines)


def _blocks(lines: list[str]) -> tuple[Leaf, ...] | None:
    found: list[list[Any]] = []
    record = 0
    depth: int | None = None  # of the key whose value is open
    for line in lines:
        indent = len(line) - len(line.lstrip())
        if depth is not None and indent > depth:
            found[-1][0] += " " + line.strip()
            continue
        pair = _PAIR.match(line)
        if pair is None or (pair[3] is None and not pair[2]):
            return None
        record += bool(pair[2])
        value = pair[4] if pair[3] is not None else pair[5]
        depth = None
        if value:
            depth = indent + len(pair[2]) if pair[3] is not None else indent
            found.append([value.strip(), pair[3] or "", record])
    return tuple(_leaf(_unquoted(text), key, number) for text, key, number in found)


def _unquoted(text: str) -> str:
    text = text.lstrip("|>-+ ") if text[:1] in "|>" else text
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"" else text


def _headed(text: str) -> tuple[Leaf, ...] | None:
    """A mail as it is printed: header lines, an empty line, and the body."""
    head, gap, body = text.lstrip().partition("\n\n")
    lines = [_HEADER.match(line) for line in head.split("\n")]
    known = [line for line in lines if line and line[1].casefold() in HEADERS]
    if not gap or len(known) < 2 or not all(lines):
        return None
    fields = [_leaf(line[2], line[1], 0) for line in lines if line]
    return (*fields, Leaf(body, "body", 0))
