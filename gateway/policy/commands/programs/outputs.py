"""What programs write, where that follows from their arguments and what they read: a text that is made to be run is."""

from __future__ import annotations

import base64
import binascii
import re
import zlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from gateway.policy.commands.evaluate.value import Arg, Value
from gateway.policy.commands.grammar.cursor import MAX_TEXT
from gateway.policy.commands.grammar.quoting import printed
from gateway.policy.commands.programs.invocation import Invocation
from gateway.policy.commands.programs.options import has, split, values_of


def echo(run: Invocation) -> str | None:
    """echo: with escapes where it is told to, and where a shell other than Bash would undo them anyway."""
    args = list(run.args)
    flags = ""
    while args and re.fullmatch(r"-[neE]+", args[0].text):
        flags += args.pop(0).text[1:]
    if not _known(run):
        return None
    text = " ".join(one.text for one in args)
    escaped = "e" in flags or ("\\" in text and re.search(r"\\[0xnct]", text) is not None)
    return (printed(text) if escaped else text) + ("" if "n" in flags else "\n")


_DIRECTIVE: Final = re.compile(r"%(?:%|([-+ #0]*)([0-9]*|\*)(?:\.([0-9]*))?([diouxXeEfFgGcsbq]))")


def printf(run: Invocation) -> str | None:
    """printf, whose format is used again for arguments that are left."""
    args = [one.text for one in run.args]
    into = ""
    if args[:1] == ["-v"] and len(args) > 1:
        into, args = args[1], args[2:]
    if args[:1] == ["--"]:
        args = args[1:]
    text = _formatted(args) if _known(run) and args else None
    if into:
        value = Value((text,)) if text is not None else Value((f"${into}",), is_known=False)
        run.scope.assign(into, (value,), is_sure=run.is_sure)
        return ""
    return text


def _formatted(args: list[str]) -> str | None:
    spelt, rest = args[0], args[1:]
    written: list[str] = []
    for _ in range(256):
        count = len(rest)
        try:
            written.append(_DIRECTIVE.sub(lambda found: _directive(found, rest), _escapes(spelt)))
        except ValueError:
            return None
        if not rest or len(rest) == count:
            break
    return "".join(written)


def _escapes(spelt: str) -> str:
    return printed(spelt)


def _directive(found: re.Match[str], rest: list[str]) -> str:
    kind = found[4]
    if kind is None:
        return "%"
    value = rest.pop(0) if rest else ""
    width = int(found[2]) if found[2] and found[2] != "*" else 0
    if width > 1000 or found[2] == "*":
        raise ValueError("a width that is not followed")
    if kind in "sbq":
        text = printed(value) if kind == "b" else value
        text = text[: int(found[3] or 0)] if found[3] is not None else text
    elif kind == "c":
        text = value[:1]
    elif kind in "diouxX":
        number = ord(value[1]) if value[:1] in ("'", '"') and len(value) > 1 else int(value or "0", 0)
        text = format(number, {"i": "d", "u": "d"}.get(kind, kind))
    else:
        raise ValueError("a number that is not followed")
    fill = "0" if "0" in found[1] and kind in "diouxX" else " "
    return text.ljust(width) if "-" in found[1] else text.rjust(width, fill)


def _known(run: Invocation) -> bool:
    return all(one.is_known and not one.is_pattern for one in run.args)


def cat(run: Invocation) -> str | None:
    """cat and its kin: what is read, or files that the command wrote."""
    _, operands = split(run.args, frozenset())
    if not operands:
        return run.stream.text
    texts = [run.stream.text if one.text == "-" else run.scope.text(one.text) for one in operands]
    known = [text for text in texts if text is not None]
    return "".join(known) if len(known) == len(texts) else None


def _filtered(change: Callable[[str], str], run: Invocation) -> str | None:
    text = cat(run)
    return change(text) if text is not None else None


def rev(run: Invocation) -> str | None:
    """Each line backwards."""
    return _filtered(lambda text: "\n".join(line[::-1] for line in text.split("\n")), run)


def tac(run: Invocation) -> str | None:
    """The last line first."""
    return _filtered(lambda text: "".join(line + "\n" for line in reversed(text.splitlines())), run)


def _decoded(run: Invocation, decode: Callable[[bytes], bytes]) -> str | None:
    text = cat(run)
    if text is None:
        return None
    try:
        return decode(text.encode("utf-8", "surrogateescape"))[:MAX_TEXT].decode("utf-8", "surrogateescape")
    except (ValueError, zlib.error):
        return None


def base64_(run: Invocation) -> str | None:
    """base64 and base32, both ways."""
    options, operands = split(run.args, frozenset(("-w", "--wrap", "-b", "-i", "-o")))
    inner = _with(run, operands)
    is_wide = run.name == "base64"
    if has(options, "-d", "-D", "--decode"):
        return _decoded(inner, _base64 if is_wide else _base32)
    return _decoded(inner, lambda data: (base64.b64encode if is_wide else base64.b32encode)(data) + b"\n")


def _with(run: Invocation, operands: Sequence[Arg]) -> Invocation:
    return replace(run, args=tuple(operands))


def _base64(data: bytes) -> bytes:
    letters = re.sub(rb"[^A-Za-z0-9+/_-]", b"", data).replace(b"-", b"+").replace(b"_", b"/")
    letters = letters[: len(letters) - 1] if len(letters) % 4 == 1 else letters
    return binascii.a2b_base64(letters + b"=" * (-len(letters) % 4))


def _base32(data: bytes) -> bytes:
    letters = re.sub(rb"[^A-Z2-7]", b"", data.upper())
    return base64.b32decode(letters + b"=" * (-len(letters) % 8))


def xxd(run: Invocation) -> str | None:
    """`xxd -r -p`: bytes out of hex."""
    options, operands = split(run.args, frozenset(("-c", "-g", "-l", "-s", "-o")))
    texts = "".join(name.strip("-") for name, _ in options)
    if "r" not in texts:
        return None
    if "p" not in texts:
        return _decoded(_with(run, operands), _dumped)
    return _decoded(_with(run, operands), lambda data: binascii.unhexlify(re.sub(rb"[^0-9A-Fa-f]", b"", data)))


def _dumped(data: bytes) -> bytes:
    lines = re.findall(rb"(?m)^[0-9a-fA-F]+:\s*((?:[0-9a-fA-F]{2,4} ?)+)", data)
    return binascii.unhexlify(re.sub(rb"\s", b"", b"".join(lines)))


def openssl(run: Invocation) -> str | None:
    """`openssl base64 -d`, `openssl enc -d -base64`."""
    texts = [one.text for one in run.args]
    is_code = texts[:1] == ["base64"] or (texts[:1] == ["enc"] and ("-base64" in texts or "-a" in texts))
    ciphers = [text for text in texts[1:] if text not in ("-d", "-A", "-a", "-base64", "-in", "-out")]
    if not is_code or "-d" not in texts or ciphers:
        return None
    return _decoded(_with(run, []), _base64)


def gunzip(run: Invocation) -> str | None:
    """gzip and zlib, unpacked; no further than the longest command."""
    _, operands = split(run.args, frozenset())
    return _decoded(_with(run, operands), _unpacked)


def _unpacked(data: bytes) -> bytes:
    unpacking = zlib.decompressobj(47)  # gzip or zlib, by its head
    text = unpacking.decompress(data, MAX_TEXT)
    if not unpacking.eof:
        raise ValueError("broken, or longer than is followed")
    return text


_SETS: Final = {
    "[:upper:]": "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
    "[:lower:]": "abcdefghijklmnopqrstuvwxyz",
    "[:digit:]": "0123456789",
    "[:space:]": " \t\n\r\v\f",
    "[:alpha:]": "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
}


def tr(run: Invocation) -> str | None:
    """tr: letters replaced or deleted."""
    options, operands = split(run.args, frozenset())
    if run.stream.text is None or not _known(run) or not operands or has(options, "-c", "-C", "--complement"):
        return None
    first = _letters(operands[0].text)
    if has(options, "-d", "--delete"):
        return run.stream.text.translate(dict.fromkeys(map(ord, first)))
    if has(options, "-s") and len(operands) == 1:
        return re.sub(f"([{re.escape(first)}])\\1+", r"\1", run.stream.text) if first else run.stream.text
    if len(operands) < 2:
        return None
    second = _letters(operands[1].text) or "\0"
    second += second[-1] * (len(first) - len(second))
    return run.stream.text.translate(
        {ord(one): other for one, other in zip(reversed(first), reversed(second[: len(first)]), strict=True)}
    )


def _letters(spelt: str) -> str:
    for name, letters in _SETS.items():
        spelt = spelt.replace(name, letters)
    spelt = printed(spelt)
    return re.sub(
        r"(.)-(.)",
        lambda found: "".join(map(chr, range(ord(found[1]), min(ord(found[2]), ord(found[1]) + 256) + 1))),
        spelt,
        flags=re.DOTALL,
    )


_PLAIN_SED: Final = re.compile(r"s([/|#,:@!])((?:[\w .,;:@%=&+~'\"<>|#/$-])*?)\1((?:[\w .,;:@%=+~'\"<>|#/-])*?)\1(g?)")


def sed(run: Invocation) -> str | None:
    """One plain `s/a/b/`, without patterns."""
    options, operands = split(run.args, frozenset(("-e",)))
    scripts = [value.text for value in values_of(options, "-e")] or [one.text for one in operands[:1]]
    rest = operands if values_of(options, "-e") else operands[1:]
    found = _PLAIN_SED.fullmatch(scripts[0]) if len(scripts) == 1 and not has(options, "-n", "-i") else None
    text = cat(_with(run, list(rest)))
    if found is None or text is None or re.search(r"[.$^*\[\]&]", found[2]) or "&" in found[3]:
        return None
    return "\n".join(line.replace(found[2], found[3], -1 if found[4] else 1) for line in text.split("\n"))


def tee(run: Invocation) -> str | None:
    """What is read goes on, and into files."""
    for one in split(run.args, frozenset())[1]:
        is_whole = one.is_known and not has(split(run.args, frozenset())[0], "-a", "--append")
        run.scope.write(one.text, run.stream.text if is_whole and run.is_sure else None)
    return run.stream.text


def copy(run: Invocation) -> str | None:
    """cp, mv, ln: a file that the command wrote is known by its new name."""
    _, operands = split(run.args, frozenset(("-t", "-S")))
    if len(operands) == 2:
        run.scope.write(operands[1].text, run.scope.text(operands[0].text) if run.is_sure else None)
    return ""


def nothing(run: Invocation) -> str | None:
    """A program that writes nothing."""
    return "" if run.args is not None else None


OUTPUTS: Final[dict[str, Callable[[Invocation], str | None]]] = {
    "echo": echo, "printf": printf, "print": echo, "cat": cat, "head": lambda _: None, "rev": rev, "tac": tac,
    "base64": base64_,
    "base32": base64_, "xxd": xxd, "openssl": openssl, "gunzip": gunzip, "zcat": gunzip, "gzip": gunzip, "tr": tr,
    "sed": sed,
    "pwd": lambda _: ".\n",
    "tee": tee, "cp": copy, "mv": copy, "ln": copy, "true": nothing, ":": nothing, "sleep": nothing, "chmod": nothing,
    "cd": nothing, "mkdir": nothing, "touch": nothing, "rm": nothing, "set": nothing, "shopt": nothing,
    "test": nothing, "[": nothing,
    "exit": nothing, "return": nothing, "break": nothing, "continue": nothing, "wait": nothing, "false": nothing,
}  # fmt: skip
"""Programs by what they write. What gzip would pack is not text, so only unpacking is of use."""
