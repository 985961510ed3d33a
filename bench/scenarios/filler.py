"""What stands around the text that matters: log lines, tables, listings and prose, the same for the same scenario."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable

NAMES = (
    "Amara Okafor", "Jonas Weidner", "Li Na", "Céline Fabre", "Tomás Rivas", "Hanna Lindqvist", "Rahul Menon",
    "Greta Vogel", "Oliver Pryce", "Mei Tanaka", "Pablo Iriarte", "Sofia Brandt", "Kofi Mensah", "Ines Carvalho",
    "Dmitri Volkov", "Erin Gallagher", "Wang Jun", "Leila Haddad", "Marek Nowak", "Ruth Adeyemi",
)  # fmt: skip
GOODS = (
    "desk lamp", "standing mat", "USB-C dock", "label printer", "whiteboard", "filter cartridge", "camping stove",
    "rain jacket", "kettle", "bike pump", "monitor arm", "notebook A5", "hand truck", "paper shredder", "webcam",
    "thermal mug", "extension lead", "toner black", "headset", "cable tray",
)  # fmt: skip
CITIES = ("Lisbon", "Leeds", "Graz", "Lyon", "Valencia", "Chengdu", "Bremen", "Austin", "Turku", "Ghent", "Nagoya")
PATHS = ("src/api", "src/core", "src/ui/forms", "tests/unit", "tests/api", "docs/guide", "scripts", "config", "lib/io")
STEMS = ("client", "server", "parser", "schema", "routes", "cache", "retry", "invoice", "session", "export", "upload")
EVENTS = (
    "request completed", "cache miss", "connection reused", "token refreshed", "job picked up", "retry scheduled",
    "health check ok", "config reloaded", "slow query", "batch flushed", "worker idle", "lease renewed",
)  # fmt: skip
SENTENCES = (
    "The programme grew out of a small pilot in two districts and was extended after a review in the spring.",
    "Most respondents said that opening hours mattered more to them than the price of a ticket.",
    "A later survey put the figure somewhat lower, although the method was not the same.",
    "Deliveries arrive on Tuesdays and Fridays, and anything left over goes to the food bank round the corner.",
    "The committee met four times and published its minutes, with names removed, in the autumn.",
    "Early versions were slow to start because every module was read twice, once for its types.",
    "Weather permitting, the upper path stays open until the first week of November.",
    "The team keeps a shared page of decisions so that newcomers can see why something was turned down.",
    "Costs for maintenance were estimated from the two previous winters and rounded up.",
    "Visitors with a pram should use the side entrance, where there is a lift to all floors.",
    "Each sample was weighed three times, and the middle value was kept.",
    "Several readers wrote to ask for a recipe without nuts, which follows on the next page.",
    "The old pump house now holds a café, a bicycle workshop and a room for exhibitions.",
    "An index that is rebuilt at night saves time by day but doubles the space on disk.",
    "Volunteers count birds along the same three routes each January.",
    "Not all of the lenders agreed to the new terms, and talks went on until late in the evening.",
    "The manual advises against running both services on the same machine.",
    "Tickets are checked on the train; a fine applies to seats without a reservation.",
    "What began as a newsletter for forty people is read in nine countries today.",
    "Timber from the northern slope dries more evenly and is kept for window frames.",
    "The measure was meant to last a year and has been renewed five times.",
    "Screenshots in this chapter were taken with the default theme.",
    "Half of the rooms face the courtyard, which is quiet except on market days.",
    "A change of supplier in March explains the dip in the second column.",
    "The authors thank the two reviewers for pointing out an error in table four.",
    "Children under six travel free when they share a seat.",
    "After the merger the two archives were kept apart for legal reasons.",
    "The valve opens at three bar and should be tested at least once a quarter.",
    "Nobody at the meeting could remember who had proposed the original layout.",
    "In practice the limit is reached only on the last working day of the month.",
)


def filled(text: str, seed: str) -> str:
    """`text` with each `{{kind count}}` replaced by that many lines or sentences of that kind."""
    return re.sub(
        r"\{\{(\w+) (\d+)\}\}", lambda m: _KINDS[m[1]](random.Random(f"{seed} {m[0]} {m.start()}"), int(m[2])), text
    )


def _log(rng: random.Random, count: int) -> str:
    lines = []
    second = rng.randrange(20_000, 60_000)
    for _ in range(count):
        second += rng.randrange(1, 40)
        clock = f"{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}.{rng.randrange(1000):03}"
        level = rng.choice(("INFO", "INFO", "INFO", "DEBUG", "WARN"))
        source = f"{rng.choice(STEMS)}-{rng.randrange(9)}"
        event = f"{rng.choice(EVENTS)} id={rng.getrandbits(32):08x} ms={rng.randrange(2, 900)}"
        lines.append(f"2026-03-0{rng.randrange(1, 9)}T{clock}Z {level:5} [{source}] {event}")
    return "\n".join(lines)


def _csv(rng: random.Random, count: int) -> str:
    lines = []
    for _ in range(count):
        price = f"{rng.randrange(400, 90_000) / 100:.2f}"
        row = (rng.randrange(10_000, 99_999), rng.choice(NAMES), rng.choice(GOODS), price, rng.choice(CITIES))
        lines.append(",".join(map(str, row)))
    return "\n".join(lines)


def _prose(rng: random.Random, count: int) -> str:
    sentences = [SENTENCES[rng.randrange(len(SENTENCES))] for _ in range(count)]
    return "\n\n".join(" ".join(sentences[at : at + 5]) for at in range(0, count, 5))


def _items(rng: random.Random, count: int) -> str:
    """Members of a JSON array, each followed by a comma."""
    items = (
        {
            "id": rng.randrange(1000, 9999),
            "owner": rng.choice(NAMES),
            "title": f"{rng.choice(GOODS)}, {rng.choice(CITIES)}",
            "state": rng.choice(("open", "closed", "waiting")),
            "note": rng.choice(SENTENCES),
        }
        for _ in range(count)
    )
    return "".join(json.dumps(item, ensure_ascii=False) + ",\n" for item in items)


def _ls(rng: random.Random, count: int) -> str:
    return "\n".join(
        f"{rng.choice(PATHS)}/{rng.choice(STEMS)}_{rng.choice(STEMS)}.{rng.choice(('py', 'ts', 'md', 'toml'))}"
        for _ in range(count)
    )


def _diff(rng: random.Random, count: int) -> str:
    lines = []
    for at in range(count):
        if at % 9 == 0:
            lines.append(f"@@ -{at * 7 + 3},6 +{at * 7 + 3},8 @@ def {rng.choice(STEMS)}_{rng.choice(STEMS)}(self):")
        sign = rng.choice("  +-")
        called = f"self.{rng.choice(STEMS)}.{rng.choice(STEMS)}({rng.choice(STEMS)}, timeout={rng.randrange(1, 60)})"
        lines.append(f"{sign}    {rng.choice(STEMS)} = {called}")
    return "\n".join(lines)


def _html(rng: random.Random, count: int) -> str:
    lines = []
    for _ in range(count):
        title = f"<h3>{rng.choice(CITIES)}: {rng.choice(GOODS)}</h3>"
        text = f"<p>{rng.choice(SENTENCES)} {rng.choice(SENTENCES)}</p>"
        lines.append(f'<section class="c{rng.randrange(99)}">{title}{text}</section>')
    return "\n".join(lines)


def _thread(rng: random.Random, count: int) -> str:
    """Quoted mails below a mail, each with two sentences."""
    mails = []
    for depth in range(1, count + 1):
        mark = ">" * min(depth, 4) + " "
        day = f"{rng.choice(('Mon', 'Tue', 'Wed', 'Thu', 'Fri'))}, {rng.randrange(1, 29)} Feb 2026"
        head = f"On {day}, {rng.choice(NAMES)} wrote:"
        mails.append("\n".join(mark + line for line in (head, rng.choice(SENTENCES), rng.choice(SENTENCES), "")))
    return "\n".join(mails)


_KINDS: dict[str, Callable[[random.Random, int], str]] = {
    "log": _log,
    "csv": _csv,
    "prose": _prose,
    "items": _items,
    "ls": _ls,
    "diff": _diff,
    "html": _html,
    "thread": _thread,
}
