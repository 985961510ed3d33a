"""What a clause speaks of: verbs where a verb can stand, and things by any of their names."""

from __future__ import annotations

import pytest

from gateway.policy.provenance.lexicon import Act
from gateway.policy.provenance.words import acts_of_word, named, parts_of_name, read, stem, things_of

ACTS: list[tuple[str, set[Act]]] = [
    ("email Bob the plan", {Act.SEND}),
    ("summarise the email", {Act.READ}),
    ("summarise my emails", {Act.READ}),
    ("the latest post", set()),
    ("please post it", {Act.SEND, Act.CREATE}),
    ("the mail that Anna sent", set()),
    ("it must be sent to Anna", {Act.SEND}),
    ("client investments", set()),
    ("what did Marc write about it", {Act.READ}),
    ("who paid the bill", {Act.READ}),
    ("is it possible to delete it", {Act.DELETE}),
    ("don't delete anything", set()),
    ("send 50 euros to Bob", {Act.SEND, Act.PAY}),
    ("tell me what it says", {Act.READ}),
    ("tell the landlord that it is cold", {Act.SEND}),
    ("let the courier know", {Act.SEND}),
    ("let it be", set()),
    ("get back to the recruiter", {Act.SEND}),
    ("give Bob access", {Act.SEND, Act.SHARE}),
    ("give me a hint", set()),
    ("cancel the meeting", {Act.DELETE, Act.CHANGE}),
    ("add the meeting", {Act.CREATE, Act.BOOK}),
    ("把文件删除", {Act.DELETE}),
    ("不要删除文件", set()),
    ("给他转账", {Act.PAY}),
    ("überweise die Miete", {Act.PAY}),
]


@pytest.mark.parametrize(("clause", "acts"), ACTS)
def test_a_clause_has_the_kinds_of_action_of_its_verbs(clause: str, acts: set[Act]) -> None:
    assert set(read(clause).acts) == acts


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("delete", "deleting"),
        ("withdraw", "withdrawal"),
        ("copy", "copied"),
        ("book", "booking"),
        ("ship", "shipping"),
    ],
)
def test_forms_of_a_word_have_one_stem(one: str, other: str) -> None:
    assert stem(one) == stem(other)


def test_short_words_and_codes_are_their_own_stem() -> None:
    assert [stem(word) for word in ("as", "B2B", "Ann's")] == ["as", "b2b", "ann"]


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("GmailSendEmail", ["gmail", "send", "email"]),
        ("send_email", ["send", "email"]),
        ("mcp__mail__send-email", ["mcp", "mail", "send", "email"]),
        ("HTTPRequest2", ["http", "request", "2"]),
    ],
)
def test_names_fall_into_words(name: str, parts: list[str]) -> None:
    assert parts_of_name(name) == parts


def test_things_are_known_by_all_their_names() -> None:
    assert "=bill" in named("invoice")
    assert "=bill" in named("Rechnung")
    assert "=file" in read("summarise paper.pdf").things
    assert "=mail" in read("总结邮件").things
    assert things_of(["get", "invoice", "the"]) >= {"=bill"}


def test_names_of_tools_know_the_nouns_of_verbs_and_not_who_does_them() -> None:
    assert acts_of_word("withdrawal") == {Act.PAY}
    assert acts_of_word("browser") == set()
    assert Act.CREATE in acts_of_word("register")
