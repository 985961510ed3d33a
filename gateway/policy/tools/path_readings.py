"""What file systems and the programs before them may make of a path, whatever way it is spelt.

Nobody here knows which operating system a tool runs on, whether it decodes, expands or trims. So a path has several
readings: what allows must hold under each, and one is enough for what denies. A path that cannot be read at all is
refused wherever paths are constrained.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import Final
from urllib.parse import unquote_to_bytes

from gateway.policy.tools.globs import ANY_DEPTH, Steps
from gateway.policy.tools.path_windows import windows

MAX_PATH: Final = 4096
"""Characters: PATH_MAX of Linux (limits.h)."""
MAX_NAME: Final = 3 * 255
"""Characters of a step: NAME_MAX of Linux, and as much of Windows, each one escaped."""
MAX_STEPS: Final = 200
"""More than any tree that people work in has, and a bound to the work of comparing."""
_LAYERS: Final = 4
"""How often escapes are undone; as often as for URLs (`gateway.policy.egress.paths`)."""

_SEPARATOR: Final = re.compile(r"[/\\]|%(?:25)*(?:2[Ff]|5[Cc])")
_CONTROL: Final = re.compile(r"[\0-\x1f\x7f]")
_ESCAPE: Final = re.compile(r"%[0-9A-Fa-f]{2}")
_WIDE_ESCAPE: Final = re.compile(r"%[uU][0-9A-Fa-f]{4}")
_FILE_URL: Final = re.compile(r"file:(?://([^/\\?#]*))?(.*)", re.IGNORECASE)
_OTHER_URL: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_HOME: Final = re.compile(
    r"(?:\$HOME|\$\{HOME\}|%USERPROFILE%|%HOMEPATH%|%HOME%|\$env:(?:USERPROFILE|HOME))(?=[/\\]|$)", re.IGNORECASE
)
# `:$DATA` is a stream
_VARIABLE: Final = re.compile(r"\$\{|(?<!:)\$[A-Za-z_]|%[A-Za-z_][A-Za-z0-9_()]*%")
_VARIABLE_STEP: Final = re.compile(rf"[^/\\]*(?:{_VARIABLE.pattern})[^/\\]*")
"""A step that holds a variable, which may stand for any number of steps."""
_CLASS: Final = re.compile(r"\[[^\]/]+\]")
_CHOICE: Final = re.compile(r"\{([^{}]*,[^{}]*)\}")
MAX_CHOICES: Final = 64
"""Paths that the braces of one may stand for; with more, a group stands for any letters."""

_LOOKALIKES: Final = str.maketrans("\u2215\u2044\u29f8\u2216\u29f5\ufe68", "///\\\\\\")
"""What best-fit mapping of Windows and careless converters make a separator of, and NFKC does not."""


class Unreadable(Exception):
    """No reading can be told; why is the message, which quotes nothing."""


class NoPath(Unreadable):
    """It is something else, and no tool takes it for a path."""


def readings(text: str) -> frozenset[Steps]:
    """The readings of a path, dots resolved. Raises Unreadable."""
    if len(text) > MAX_PATH:
        raise NoPath(f"is longer than {MAX_PATH} characters")
    if max(map(len, _SEPARATOR.split(text))) > MAX_NAME:
        raise NoPath(f"has a step of more than {MAX_NAME} characters")
    found = frozenset(steps for spelling in _spellings(text) for steps in _resolved(spelling))
    if any(len(steps) > MAX_STEPS for steps in found):
        raise Unreadable(f"has more than {MAX_STEPS} steps")
    has_drive = any(steps[0] not in {"", "/"} and not steps[0].startswith("~") for steps in found)
    # Elsewhere a drive or a share is an odd name in the working folder, unless it climbs out of it.
    return frozenset(steps for steps in found if not has_drive or steps[0] or steps[1:2] == ("..",))


def guesses(steps: Steps) -> frozenset[Steps]:
    """A reading, and where else it may lead on a machine that nobody knows: only what denies asks for these.

    Home folders are where the common systems have them, a path that climbs out of a folder that is not known may end at
    the root or in another's home, and macOS has some folders twice.
    """
    return frozenset(alias for place in {steps, *_places(steps)} for alias in _aliases(place))


def _places(steps: Steps) -> Iterator[Steps]:
    start, *rest = steps
    if start in {"", "~"} and rest[:1] == [".."]:
        below = [step for step in rest if step != ".."]
        yield from (("/", *place, *below) for place in ((), ("home",), ("Users",)))
    elif start == "~":
        yield from (("/", *place, *rest) for place in (("root",), ("var", "root"), ("home", "*"), ("Users", "*")))
        yield ("?:", "users", "*", *rest)
    elif start.startswith("~"):
        yield from (("/", place, start[1:], *rest) for place in ("home", "Users"))


def _aliases(steps: Steps) -> Iterator[Steps]:
    yield steps
    if steps[:2] == ("/", "private"):  # macOS has /etc, /tmp and /var there
        yield from _aliases(("/", *steps[2:]))
    if steps[:4] == ("/", "System", "Volumes", "Data"):  # and its own files
        yield from _aliases(("/", *steps[4:]))
    if steps[:2] == ("/", "proc") and (root := steps.index("root") if "root" in steps else 0):
        yield from _aliases(("/", *steps[root + 1 :]))


def _spellings(text: str) -> frozenset[str]:
    """The text, and what decoding, normalising, trimming and expanding make of it."""
    found: set[str] = set()
    for layer in _layers(text):
        for form in (unicodedata.normalize("NFC", layer), _compatible(layer)):
            found |= {form, form.strip(), form.strip().strip("\"'")}
    if "" in found:
        raise Unreadable("is empty")
    return frozenset(map(_expanded, found))


def _layers(text: str) -> list[str]:
    layers = [text]
    for _ in range(_LAYERS):
        _demand_text(layers[-1])
        if not _ESCAPE.search(layers[-1]):
            return layers
        try:
            decoded = unquote_to_bytes(layers[-1]).decode()
        except UnicodeError:  # overlong forms of a dot or a slash among them
            raise Unreadable("holds escapes that are no UTF-8") from None
        layers.append(decoded)
    raise Unreadable(f"is escaped more than {_LAYERS - 1} times")


def _demand_text(text: str) -> None:
    if _CONTROL.search(text):
        raise Unreadable("holds a NUL or another control character")
    if _WIDE_ESCAPE.search(text):
        raise Unreadable("holds an escape of the form %uXXXX")


def _compatible(text: str) -> str:
    """With every compatibility form as what it stands for, and without what nobody sees (HFS+ leaves these out)."""
    plain = unicodedata.normalize("NFKC", text.translate(_LOOKALIKES))
    return "".join(letter for letter in plain if unicodedata.category(letter) != "Cf")


def _expanded(text: str) -> str:
    """A `file` URL as its path, the variables of a home folder as `~`. Raises Unreadable for what a command prints."""
    found = _FILE_URL.fullmatch(text)
    if found is not None:
        host = found[1] or ""
        path = re.split("[?#]", found[2], maxsplit=1)[0]
        text = path if host.lower() in {"", "localhost", "127.0.0.1"} else f"//{host}{path}"
        text = text[1:] if re.match(r"/[A-Za-z][:|]", text) else text  # `file:///c:/x`
    elif _OTHER_URL.match(text):
        raise NoPath("is a URL, not a path")
    text = _HOME.sub("~", text, count=1) if _HOME.match(text) else text
    if "`" in text or "$(" in text:
        raise Unreadable("holds a command, whose output is not known")
    return text


def _resolved(text: str) -> Iterator[Steps]:
    """The readings of one spelling: as POSIX has it, and as Windows has it where it may be meant so."""
    globbed = _chosen(_CLASS.sub("?", _VARIABLE_STEP.sub(ANY_DEPTH, text)))
    unknown = _VARIABLE_STEP.match(text)  # it may start anywhere
    for spelling in globbed if _VARIABLE.search(text) else {text, *globbed}:
        start, rest = _start(spelling)
        if unknown:
            start, rest = ANY_DEPTH, rest.partition("/")[2]
        merged = [step for step in rest.split("/") if step not in {"", "."}]
        for way in (_lexically, _physically):
            yield from way(start, merged)
        # An empty step is one that `..` takes out, where slashes are not merged first.
        yield from _lexically(start, [step for step in rest.split("/") if step != "."])
        for start_of_windows, steps in windows(spelling):
            yield from _lexically(start if unknown else start_of_windows, steps[1:] if unknown else steps)


def _chosen(text: str) -> set[str]:
    """What the braces of a text stand for, as shells and matchers of globs expand them (`{a,b}`, and not `{a}`)."""
    found, waiting = set[str](), [text]
    while waiting:
        one = waiting.pop()
        group = _CHOICE.search(one)
        if group is None:
            found.add(one)
            continue
        choices = group[1].split(",")
        is_crowd = len(found) + len(waiting) + len(choices) > MAX_CHOICES
        waiting += [one[: group.start()] + choice + one[group.end() :] for choice in (["*"] if is_crowd else choices)]
    return found


def _start(text: str) -> tuple[str, str]:
    if text.startswith("~"):
        head, _, rest = text.partition("/")
        return head, rest
    return ("/", text) if text.startswith("/") else ("", text)


def _lexically(start: str, steps: list[str]) -> Iterator[Steps]:
    """Dots resolved by their spelling (RFC 3986, section 5.2.4); what climbs out of an unknown folder keeps its own."""
    kept: list[str] = []
    for step in steps:
        if step != "..":
            kept.append(step)
        elif kept and kept[-1] != "..":
            kept.pop()
        elif start == "" or start.startswith("~"):
            kept.append("..")
    yield (start, *(step for step in kept if step))


def _physically(start: str, steps: list[str]) -> Iterator[Steps]:
    """Dots resolved as the kernel of Linux does, which follows its own links on the way (proc(5)).

    `/proc/PID/root` is the root; a working folder is not known, and neither is an open file.
    """
    if start != "/":
        return
    kept: list[str] = []
    for place, step in enumerate(steps):
        if step != "..":
            kept.append(step)
        elif kept:
            kept.pop()
        if _PROCESS_ROOT.fullmatch("/".join(kept)):
            kept = []
        elif _PROCESS_LINK.fullmatch("/".join(kept)):
            raise Unreadable("leads through an open file or a working folder of a process")
        elif kept == ["dev", "fd"] and place + 1 < len(steps):
            raise Unreadable("leads through an open file or a working folder of a process")
    yield ("/", *kept)


_PROCESS_ROOT: Final = re.compile(r"proc/(?:self|thread-self|[0-9]+)(?:/task/[0-9]+)?/root")
_PROCESS_LINK: Final = re.compile(
    r"proc/(?:self|thread-self|[0-9]+)(?:/task/[0-9]+)?/(?:cwd|fd/[^/]+|exe|map_files/.+)"
)
