"""What a session has read so far, and the calls that turn reading into harm whatever becomes of the values.

A value that was transformed (summed up, encoded, told in other words) can be traced nowhere. What remains is the order
of things: credentials were read, and now something is sent; a file came from outside, and now it is run. Memory keeps
no text, only counts, names of tools and hashes of paths; it can be carried along where there is no transcript.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec
from msgspec import Struct

from gateway.policy.call import Argument, Call, CallReason, Sink, Tier, shown
from gateway.policy.provenance.judge import Sources, Strictness
from gateway.policy.provenance.lexicon import Act
from gateway.policy.provenance.purpose import asks, purpose
from gateway.policy.provenance.spelling import EMAIL, scalar
from gateway.policy.provenance.targets import Target, carried, targets
from gateway.policy.tools.sinks import arguments_of
from gateway.policy.transcript import Returned
from gateway.verdict import Effect

MANY: Final = 6
"""Reads that gave personal data, from which one send may be a harvest. A task that looks up a handful of people is
common; measured on the scenarios, where no benign task reads more before it writes."""

PERSONS: Final = 3
"""Addresses in one result from which it is a list of people."""

MOST_FILES: Final = 64
"""Files that are remembered; of more, the last."""

MOST_READ: Final = 20_000
"""Characters of a result in which addresses are counted."""

LONG: Final = 40
"""Characters of a line that two texts do not have in common by chance."""

_SECRET_PATH: Final = re.compile(
    r"(?:^|[/\\~\s])\.(?:env\b|ssh\b|aws\b|netrc|npmrc|pypirc|git-credentials|pgpass|kube\b|gnupg)|id_(?:rsa|ed25519|ecdsa)|"
    r"/etc/shadow|credentials?(?:\.json|\.ya?ml|\b)|\bsecrets?\.|\.(?:pem|key|kdbx|p12)\b|\bpasswords?\b|keychain",
    re.IGNORECASE,
)
_SECRET_TEXT: Final = re.compile(
    r"-----BEGIN [A-Z ]{0,20}PRIVATE KEY|\bAKIA[0-9A-Z]{16}\b|\bgh[pousr]_[A-Za-z0-9]{20,}|\bsk-[A-Za-z0-9_-]{20,}|"
    r"\bxox[abpr]-|"
    r"\beyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}\.|"
    r"(?:password|passwd|pwd|secret|api[_-]?key|access[_-]?token|auth[_-]?token|passphrase|密码|口令)[\"']?\s{0,3}[:=：]\s{0,3}[\"']?[^\s\"',}]{6,}",
    re.IGNORECASE,
)
_SECRET_HINTS: Final = [
    "private key",
    "akia",
    "gh",
    "sk-",
    "xox",
    "eyj",
    "passw",
    "pwd",
    "secret",
    "api",
    "token",
    "passphrase",
    "密码",
    "口令",
]
"""One of these is in every text that the pattern finds something in; it alone costs the time of the whole judgement."""

_PERSONAL_HINTS: Final = (
    *("ssn", "social", "passport", "birth", "dob", "salary", "diagnos", "patient", "card", "iban"),
    *("身份证", "护照", "工资", "病历"),
)
_PERSONAL: Final = re.compile(
    r"\b(?:ssn|social security|passport|date of birth|dob|salary|diagnos\w+|patient|card number|iban)\b"
    r"|身份证|护照|工资|病历",
    re.IGNORECASE,
)
_NETWORK: Final = re.compile(
    r"\b(?:curl|wget|nc|ncat|netcat|scp|sftp|ftp|rsync|ssh|telnet|socat|sendmail|mailx?|http|https|git\s+push|aws\s+s3|gsutil|rclone|"
    r"Invoke-WebRequest|iwr|requests\.|urllib|fetch\(|XMLHttpRequest)",
    re.IGNORECASE,
)
_DOWNLOAD: Final = re.compile(
    r"\b(?:curl|wget|iwr|Invoke-WebRequest)\b[^|;&\n]*(?:-o|-O|--output|--output-document|>|-OutFile)\s*=?\s*(?P<file>[^\s|;&]+)"
    r"|\bwget\s+(?:-\S+\s+)*\S*/(?P<base>[^\s/|;&?]+)",
    re.IGNORECASE,
)
_PIPED: Final = re.compile(
    r"\b(?:curl|wget|fetch|iwr)\b[^\n]*\|\s*(?:sudo\s+)?(?:\w*sh|python\d?|perl|ruby|node|iex|source)\b"
    r"|(?:\b(?:ba|z)?sh\b|\beval\b|\bsource\b|\.)\s*(?:-c\s*)?[\"']?(?:<\(|\$\(|`)\s*(?:curl|wget)\b|\biex\b.*\b(?:iwr|DownloadString)",
    re.IGNORECASE,
)
_RUNS: Final = frozenset((Sink.COMMAND, Sink.CODE))


class Memory(Struct, frozen=True, array_like=True, omit_defaults=True):
    """What a session has done so far. `files` are fingerprints of files that came from outside.

    `persons` counts reads that gave personal data since something was last sent; `secrets` those that ever gave
    credentials, `keepers` the tools that did.
    """

    reads: int = 0
    secrets: int = 0
    persons: int = 0
    keepers: tuple[str, ...] = ()
    files: tuple[str, ...] = ()

    def after(self, call: Call, arguments: Sequence[Argument], result: str, *, is_foreign: bool = False) -> Memory:
        """The memory once the call has returned `result`. `is_foreign` where what it wrote stems from others' texts."""
        secret = _reads_secret(arguments, result)
        sent = any(argument.sink is Sink.RECIPIENT for argument in arguments)
        keepers = dict.fromkeys((*self.keepers, call.name) if secret else self.keepers)
        files = dict.fromkeys((*self.files, *_arrived(arguments, is_foreign=is_foreign)))
        return Memory(
            self.reads + 1,
            self.secrets + secret,
            0 if sent else self.persons + _is_personal(result),
            tuple(keepers)[-8:],
            tuple(files)[-MOST_FILES:],
        )

    def encode(self) -> str:
        """A short text of ASCII that `decode` reads."""
        return base64.urlsafe_b64encode(msgspec.msgpack.encode(self)).decode().rstrip("=")

    @classmethod
    def decode(cls, text: str) -> Memory:
        """Raises ValueError for what `encode` did not write."""
        try:
            return msgspec.msgpack.decode(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)), type=cls)
        except (ValueError, msgspec.MsgspecError) as error:
            raise ValueError("not a memory of a session") from error


def remembered(sources: Sources) -> Memory:
    """The memory that a transcript gives."""
    memory = Memory()
    for turn in sources.transcript.turns:
        if isinstance(turn, Returned) and turn.call is not None:
            arguments = arguments_of(turn.call, sources.texts.defined.get(turn.call.name))
            memory = memory.after(turn.call, arguments, turn.text, is_foreign=_is_foreign(arguments, sources))
    return memory


def judge_chains(
    call: Call,
    arguments: Sequence[Argument],
    tier: Tier,
    memory: Memory,
    sources: Sources | None,
    strictness: Strictness,
) -> tuple[CallReason, ...]:
    """The chains that the call would complete. `sources` is None where there is no transcript: nothing is traced."""
    held = Effect.BLOCK if strictness is Strictness.STRICT else Effect.ASK
    return tuple(
        CallReason(held, rule, f"tool.provenance.{rule}", words, sources=whence)
        for rule, words, whence in _chains(call, arguments, tier, memory, sources)
    )


def _chains(
    call: Call, arguments: Sequence[Argument], tier: Tier, memory: Memory, sources: Sources | None
) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    if _leaves(arguments, tier) and not _is_wished(call, arguments, tier, sources):
        if memory.secrets:
            keepers = tuple(f"the result of {shown(name)}" for name in memory.keepers)
            yield "chain-read-send", "it can send out credentials that were read before", keepers
        if memory.persons >= MANY:
            yield "chain-many-reads", "it can send out the personal data of many reads before", ()
    if _runs_arrived(arguments, memory) and not _is_named(arguments, sources):
        yield "chain-write-run", "it runs a file whose content came from outside", ()
    if any(_PIPED.search(line) for line in _programs(arguments)) and not _is_named(arguments, sources):
        yield "chain-download-run", "it runs what it downloads, unseen", ()


def _leaves(arguments: Sequence[Argument], tier: Tier) -> bool:
    """Whether something can leave by the call: a message, a program with a network, a URL that carries data."""
    if tier >= Tier.SEND and any(argument.sink in (Sink.RECIPIENT, Sink.TEXT, Sink.URL) for argument in arguments):
        return True
    if tier > Tier.READ and not any(argument.sink is Sink.PATH for argument in arguments) and _tells_secret(arguments):
        return True
    if any(_NETWORK.search(line) for line in _programs(arguments)):
        return True
    urls = (str(argument.value) for argument in arguments if argument.sink is Sink.URL)
    return any("?" in url or any(len(piece) >= 16 for piece in carried(url)) for url in urls)


def _tells_secret(arguments: Sequence[Argument]) -> bool:
    return any(_SECRET_TEXT.search(str(argument.value)) for argument in arguments if argument.sink is Sink.TEXT)


def _is_wished(call: Call, arguments: Sequence[Argument], tier: Tier, sources: Sources | None) -> bool:
    """Whether the user asked for it and named each target, or wrote the URL."""
    if sources is None:
        return False
    aimed = [target for target in targets(arguments) if target.sink in (Sink.RECIPIENT, Sink.URL, Sink.ACCOUNT)]
    if aimed and all(_is_theirs(target, sources) for target in aimed):
        return True
    wanted = purpose(call, tier, sources.texts.defined.get(call.name))
    asked = any(asks(clause.words, wanted) for clause in sources.wish.clauses)
    return asked and not _tells_secret(arguments) and not any(target.sink is Sink.URL for target in aimed)


def _is_theirs(target: Target, sources: Sources) -> bool:
    return sources.texts.is_own(target.value)


def _is_named(arguments: Sequence[Argument], sources: Sources | None) -> bool:
    """Whether the user asked to run something, and named the file or the address that is run."""
    if sources is None:
        return False
    lines = " ".join(_programs(arguments))
    named = (name for clause in sources.wish.clauses for name in clause.names if len(name) > 3)
    return any(name in lines.casefold() for name in named) and any(
        Act.RUN in clause.words.acts for clause in sources.wish.clauses
    )


def _programs(arguments: Sequence[Argument]) -> list[str]:
    return [str(argument.value) for argument in arguments if argument.sink in _RUNS]


def _runs_arrived(arguments: Sequence[Argument], memory: Memory) -> bool:
    if not memory.files:
        return False
    words = (word for line in _programs(arguments) for word in re.findall(r"[\w./~+-]+", line))
    known = frozenset(memory.files)
    return any(_fingerprint(word) in known for word in words)


def _arrived(arguments: Sequence[Argument], *, is_foreign: bool) -> Iterator[str]:
    """Files that a call brings in: downloaded, or written with what others wrote."""
    paths = [str(argument.value) for argument in arguments if argument.sink is Sink.PATH]
    if is_foreign or (paths and any(argument.sink is Sink.URL for argument in arguments)):
        yield from map(_fingerprint, paths)
    for line in _programs(arguments):
        for found in _DOWNLOAD.finditer(line):
            yield _fingerprint(found["file"] or found["base"])


def _fingerprint(path: str) -> str:
    """Of the last name of a path: a shell may have changed its folder in between."""
    name = path.replace("\\", "/").rstrip("/").rpartition("/")[2].strip("\"'").casefold()
    return hashlib.blake2b(name.encode(), digest_size=6).hexdigest()


def _is_foreign(arguments: Sequence[Argument], sources: Sources) -> bool:
    """Whether a line of what is written stands in a text that others wrote."""
    if not any(argument.sink is Sink.PATH for argument in arguments):
        return False
    for argument in arguments:
        text = scalar(argument.value) if argument.sink in (Sink.TEXT, Sink.CODE) else None
        for line in (text or "").split("\n"):
            if len(line.strip()) >= LONG and next(sources.texts.others.find(line.strip()), None) is not None:
                return True
    return False


def _reads_secret(arguments: Sequence[Argument], result: str) -> bool:
    asked = (str(argument.value) for argument in arguments if argument.sink in (Sink.PATH, *_RUNS))
    if any(_SECRET_PATH.search(value) for value in asked):
        return True
    low = result.lower()
    return any(hint in low for hint in _SECRET_HINTS) and _SECRET_TEXT.search(result) is not None


def _is_personal(result: str) -> bool:
    low = result.lower()
    if any(hint in low for hint in _PERSONAL_HINTS) and _PERSONAL.search(low):
        return True
    return low.count("@") >= PERSONS and len({*EMAIL.findall(low[:MOST_READ])}) >= PERSONS
