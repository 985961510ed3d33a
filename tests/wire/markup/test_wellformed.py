"""XML in requests: what parsers read differently is refused."""

from __future__ import annotations

import pytest

from gateway.errors import Malformed
from gateway.wire.markup.wellformed import refuse_broken, refuse_entities


@pytest.mark.parametrize(
    "text",
    [
        "<a/>",
        "<?xml version='1.0' encoding='utf-8'?>\n<!-- b --><a x='1' y=\"2\"><b>t &amp; &#60;&#x3C;</b></a>\n",
        "<a><![CDATA[<]]></a>",
        "<!DOCTYPE note SYSTEM 'Note.dtd'><note/>",
        "<?xml version='1.0' encoding='iso-8859-1'?><a/>",
        "<s:Envelope xmlns:s='x'><s:Body/></s:Envelope>",
        "\ufeff<a/>",
    ],
)
def test_what_every_parser_reads_alike_is_read(text: str) -> None:
    refuse_broken(text, "utf-8")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("<a>", "do not end"),
        ("<a></b>", "closes nothing"),
        ("</a>", "closes nothing"),
        ("<a><b></a></b>", "closes nothing"),
        ("<a>&</a>", "well-formed"),
        ("<a>&nbsp</a>", "well-formed"),
        ("<a x=1/>", "well-formed"),
        ("<a x='<'/>", "well-formed"),
        ("<a x='1'", "well-formed"),
        ("<!-- a -- b --><a/>", "well-formed"),
        ("<!-- a", "well-formed"),
        ("<![CDATA[a", "well-formed"),
        ("<? a?>", "well-formed"),
        ("<!a>", "well-formed"),
        ("<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", "entities"),
        ("<!DOCTYPE a [<!ELEMENT b>]><a/>", "entities"),
        ("<!doctype a [<!entity b 'c'>]><a/>", "entities"),
        ("<!DOCTYPE a <!doctype b <c [<!ELEMENT b>]><a/>", "entities"),
        ("<!DOCTYPE a <!DOCTYPE b><a/>[", "well-formed"),
        ("<?xml version='1.0' encoding='iso-8859-1'?><a>é</a>", "Content-Type"),
        ("<?xml version='1.0' encoding='utf-7'?><a/>", "not read"),
    ],
)
def test_what_is_broken_or_declares_entities_is_refused(text: str, reason: str) -> None:
    with pytest.raises(Malformed, match=reason):
        refuse_broken(text, "utf-8")


def test_an_answer_may_be_broken_but_not_declare_entities() -> None:
    refuse_entities("<a><b>&nbsp;")
    with pytest.raises(Malformed, match="entities"):
        refuse_entities("<!DOCTYPE svg [<!ENTITY a 'b'>]><svg/>")


@pytest.mark.parametrize("piece", ["<a>", "<!--", "<![CDATA[", "<a x='", "&", "<?x ", "<!DOCTYPE "])
def test_a_long_broken_text_is_refused_at_once(piece: str) -> None:
    with pytest.raises(Malformed):
        refuse_broken(piece * 50_000, "utf-8")
