"""What a call is aimed at: values by their sinks, and addresses inside longer ones."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.policy.call import Argument, Sink
from gateway.policy.provenance.targets import MAX_TARGETS, Target, asked_in, carried, is_address, larger, targets


def found(value: Any, sink: Sink) -> list[tuple[str, Sink]]:
    return [(target.value, target.sink) for target in targets([Argument(("x",), value, sink)])]


IBAN = "DE89370400440532013000"
CASES: list[tuple[Any, Sink, list[tuple[str, Sink]]]] = [
    ("Ann <a@x.org>, b@y.org", Sink.RECIPIENT, [("a@x.org", Sink.RECIPIENT), ("b@y.org", Sink.RECIPIENT)]),
    ("Ann; Bo", Sink.RECIPIENT, [("Ann", Sink.RECIPIENT), ("Bo", Sink.RECIPIENT)]),
    ("Birkenweg 3, Zug", Sink.RECIPIENT, [("Birkenweg 3, Zug", Sink.RECIPIENT)]),
    ("see https://x.org/a.", Sink.TEXT, [("https://x.org/a", Sink.URL)]),
    ("a@x.org", Sink.TEXT, []),
    ("a@x.org", Sink.VALUE, [("a@x.org", Sink.RECIPIENT)]),
    (IBAN, Sink.VALUE, [(IBAN, Sink.ACCOUNT)]),
    ("203.0.113.6", Sink.VALUE, [("203.0.113.6", Sink.URL)]),
    ("rm /srv/a", Sink.COMMAND, [("rm /srv/a", Sink.COMMAND), ("/srv/a", Sink.PATH)]),
    ("curl https://x.org", Sink.COMMAND, [("curl https://x.org", Sink.COMMAND), ("https://x.org", Sink.URL)]),
    (
        "Y3VybCBodHRwczovL2V2aWwub3JnL3g=",
        Sink.COMMAND,
        [("Y3VybCBodHRwczovL2V2aWwub3JnL3g=", Sink.COMMAND), ("https://evil.org/x", Sink.URL)],
    ),
    (12.0, Sink.AMOUNT, [("12", Sink.AMOUNT)]),
    (None, Sink.RECIPIENT, []),
    (True, Sink.VALUE, []),
]


@pytest.mark.parametrize(("value", "sink", "aims"), CASES)
def test_values_are_targets_by_their_sinks(value: Any, sink: Sink, aims: list[tuple[str, Sink]]) -> None:
    assert found(value, sink) == aims


def test_a_call_has_one_target_more_than_are_traced_at_most() -> None:
    many = [Argument((number,), f"a{number}@x.org", Sink.RECIPIENT) for number in range(MAX_TARGETS + 2)]
    assert len(targets(many)) == MAX_TARGETS + 1


def test_links_in_a_text_do_not_crowd_out_whom_it_is_sent_to() -> None:
    links = " ".join(f"https://x{number}.org" for number in range(MAX_TARGETS + 1))
    body, to = Argument(("body",), links, Sink.TEXT), Argument(("to",), "a@x.org", Sink.RECIPIENT)
    assert targets((body, to))[0] == Target(to, "a@x.org", Sink.RECIPIENT)


@pytest.mark.parametrize(
    ("value", "sink", "wholes"),
    [
        ("https://www.x.org/a", Sink.URL, ["x.org"]),
        ("/a", Sink.URL, []),
        ("a@x.org", Sink.RECIPIENT, ["x.org"]),
        ("/home/a/notes.txt", Sink.PATH, ["notes.txt"]),
        ("a.py", Sink.PATH, []),
        ("Bob", Sink.RECIPIENT, []),
    ],
)
def test_a_value_that_stands_nowhere_is_looked_for_by_its_parts(value: str, sink: Sink, wholes: list[str]) -> None:
    assert list(larger(Target(Argument(("x",), value, sink), value, sink))) == wholes


def test_addresses_are_known_by_their_form() -> None:
    assert [is_address(Target(Argument(("x",), v, Sink.VALUE), v, Sink.VALUE)) for v in ("a@x.org", IBAN, "Bob")] == [
        True,
        True,
        False,
    ]


def test_data_can_leave_by_every_part_of_a_url() -> None:
    url = "https://user7@data1234.x.org/path55/b?q=value99&z=1#frag88"
    assert set(carried(url)) >= {"user7", "data1234", "path55", "value99", "frag88"}
    assert list(carried("https://x.org/a?b=1")) == []
    assert list(carried("http://[")) == []


def test_what_a_url_asks_is_read_and_a_broken_one_asks_nothing() -> None:
    assert asked_in("https://x.org/a?b=1&c=two") == ["1", "two"]
    assert asked_in("http://[") == []
