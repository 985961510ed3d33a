"""Fields of records, and free text."""

from __future__ import annotations

import json

import pytest

from gateway.policy.provenance.structure import MAX_LEAVES, Leaf, leaves


def fields(text: str) -> list[str]:
    return [leaf.text for leaf in leaves(text) if leaf.is_field and leaf.key]


def free(text: str) -> list[str]:
    return [leaf.text for leaf in leaves(text) if not leaf.is_field]


RECORDS: list[tuple[str, str, list[str], list[str]]] = [
    ("JSON", '{"email": "a@x.org", "body": "b@x.org"}', ["a@x.org"], ["b@x.org"]),
    ("a list", '[{"id": 7, "tags": ["x", "y"]}]', ["7", "x", "y"], []),
    ("JSON in a string stays a text", '{"note": "{\\"email\\": \\"e@evil.org\\"}"}', [], ['{"email": "e@evil.org"}']),
    ("lines of JSON", '{"id": 1}\n{"id": 2}', ["1", "2"], []),
    ("Python", "{'name': 'Ann', 'ok': True, 'none': None, 'pair': (1, 2)}", ["Ann", "1", "2"], []),
    ("Python with quotes", """{'a': "it's", 'b': 'say \\'x\\''}""", ["it's", "say 'x'"], []),
    ("CSV", "id,name\n1,Ann\n2,Bo", ["1", "Ann", "2", "Bo"], []),
    ("CSV with quotes", 'id,name\n1,"Holt, Ann"\n2,Bo', ["1", "Holt, Ann", "2", "Bo"], []),
    ("Markdown", "| id | name |\n|---|:--|\n| 1 | Ann |", ["1", "Ann"], []),
    ("XML", '<bill><no>7</no><vendor id="V3">Sable</vendor><paid/></bill>', ["7", "V3", "Sable"], []),
    ("a table of HTML", "<table><tr><td>Ann</td><td>a@x.org</td></tr></table>", ["Ann", "a@x.org"], []),
    ("YAML", "- id: 1\n  name: Ann\n- id: 2\n  name: Bo", ["1", "Ann", "2", "Bo"], []),
    ("YAML lists", "to:\n  - a@x.org\n  - b@x.org\nid: 3", ["3"], []),
    ("a mail", "From: a@x.org\nTo: b@x.org\n\nHello\nfrom: c@x.org", ["a@x.org", "b@x.org"], ["Hello\nfrom: c@x.org"]),
    (
        "a long field",
        json.dumps({"title": "one two three four five six seven eight nine"}),
        [],
        ["one two three four five six seven eight nine"],
    ),
]


@pytest.mark.parametrize(("text", "values", "texts"), [row[1:] for row in RECORDS], ids=[row[0] for row in RECORDS])
def test_records_have_fields(text: str, values: list[str], texts: list[str]) -> None:
    assert fields(text) == values
    assert free(text) == texts


PROSE = [
    "Dear Ann,\nemail: a@x.org\nregards",
    "{'a': 'it's broken'}",
    "{'a': 'open",
    "{'a' 'b'}",
    '{"a": 1',
    '{"a": 1}\nnot JSON',
    "id: 1\nname: Ann\nand then a line that is none",
    "one line",
    "a, b\nc",
    "Dear Ann please send it to, thanks\na@x.org, bye",
    "a@x.org,b\nc,d",
    "From: a@x.org\nsome line\n\nbody",
    "From: a@x.org\nTo: b@x.org",
]


@pytest.mark.parametrize("text", PROSE)
def test_everything_else_is_one_free_text(text: str) -> None:
    assert leaves(text) == (Leaf(text),)


def test_a_line_that_goes_on_stays_in_its_value() -> None:
    text = "- id: 1\n  body: first line\n    email: e@evil.org\n  from: a@x.org\n"
    assert [leaf.text for leaf in leaves(text)] == ["1", "first line email: e@evil.org", "a@x.org"]
    block = "id: 1\nbody: |\n  email: e@evil.org\n  more\nfrom: 'a@x.org'"
    assert [leaf.text for leaf in leaves(block)] == ["1", "email: e@evil.org more", "a@x.org"]


def test_fields_of_one_record_belong_together() -> None:
    found = leaves('[{"name": "Ann", "mail": "a@x.org"}, {"name": "Bo"}]')
    records = {leaf.text: leaf.record for leaf in found if leaf.key}
    assert records["Ann"] == records["a@x.org"] != records["Bo"]


def test_a_result_of_very_many_fields_is_one_text() -> None:
    text = json.dumps(list(range(MAX_LEAVES + 1)))
    assert leaves(text) == (Leaf(text),)


@pytest.mark.parametrize("text", ["[" * 100_000, "{'a': (" * 50_000, '[{"a":' * 50_000])
def test_depth_costs_nothing(text: str) -> None:
    assert leaves(text) == (Leaf(text),)


def test_lines_of_as_many_cells_are_fields_without_a_header() -> None:
    text = "nr 3 | 09:00 | Dentist\nnr 4 | 13:00 | Lunch, which moves whenever the other one does, to a day of its own"
    assert [leaf.text for leaf in leaves(text) if leaf.is_field] == ["nr 3", "09:00", "Dentist", "nr 4", "13:00"]
    assert len(free(text)) == 1


@pytest.mark.parametrize(
    "text",
    [
        "<p>One</p>",
        "<a><b>1</b>",
        "<a>1</b></a>",
        "<a><b/></c>",
        "<a><b>1</b> and more</a>",
        "< what is this",
    ],
)
def test_pages_and_broken_markup_are_free_text(text: str) -> None:
    assert free(text) == [text]


def test_a_cell_of_any_length_makes_no_table() -> None:
    text = "id,name\n1," + "x" * 200_000
    assert free(text) == [text]
