"""Requests in further languages of Europe."""

from __future__ import annotations

import pytest

from gateway.policy.provenance.languages import verb_of
from gateway.policy.provenance.lexicon import Act
from gateway.policy.provenance.words import read


@pytest.mark.parametrize(
    ("text", "act"),
    [
        ("Envoie-lui le devis", Act.SEND),
        ("Fais un virement de 30 €", Act.PAY),
        ("Pásale 20 € a Rufina", Act.PAY),
        ("Apúntala de 18 a 19", Act.CREATE),
        ("Envíe la nómina", Act.SEND),
        ("Borra el correo", Act.DELETE),
        ("Prenota un tavolo", Act.BOOK),
        ("Envie o relatório", Act.SEND),
        ("Verwijder de afspraak", Act.DELETE),
    ],
)
def test_what_is_asked_for_is_understood(text: str, act: Act) -> None:
    assert act in read(text).acts


@pytest.mark.parametrize("text", ["Combien j'ai payé en mai", "No borra nada", "ne supprime rien"])
def test_a_participle_and_a_negation_ask_for_nothing(text: str) -> None:
    assert not read(text).acts


def test_other_words_are_no_verbs() -> None:
    assert not verb_of("maison")
