"""Names of elements, by what they mean to a reader of text."""

from __future__ import annotations

import re
from typing import Final


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


BLOCKS: Final = _words(
    "address article aside blockquote body br button caption center col colgroup dd details dialog dir div dl dt "
    "fieldset figcaption figure footer form h1 h2 h3 h4 h5 h6 head header hgroup hr html legend li listing main "
    "marquee menu nav noscript ol optgroup option p plaintext pre search section select summary table tbody td "
    "textarea tfoot th thead title tr ul xmp"
)
"""Elements that begin and end a line of the text (HTML, 15.3), and controls, whose text is none of the line around.

Scripts, frames and their likes stand in a line without ending it: the words on both sides meet."""

INLINE: Final = _words(
    "a abbr acronym b bdi bdo big cite code data del dfn em font i ins kbd label mark nobr q rp rt ruby s samp small "
    "span strike strong sub sup time tspan tt u var wbr"
)
"""Elements that do not break a word in two. In XML every other one does."""

_OTHERS: Final = _words(
    "applet area audio base basefont bgsound canvas embed frame frameset iframe image img input keygen link map math "
    "meta meter noembed noframes object output param picture progress script slot source style svg template track "
    "video"
)
# The elements of SVG and MathML have no meaning to a model either.
_DRAWN: Final = _words(
    "animate animatemotion animatetransform annotation annotation-xml circle clippath defs desc ellipse feblend "
    "fecolormatrix fecomposite feflood fegaussianblur feimage femerge femergenode femorphology feoffset filter "
    "foreignobject g line lineargradient maction marker mask menclose merror metadata mfenced mfrac mi mmultiscripts "
    "mn mo mover mpadded mpath mphantom mprescripts mroot mrow ms mspace msqrt mstyle msub msubsup msup mtable mtd "
    "mtext mtr munder munderover path pattern polygon polyline radialgradient rect semantics set stop switch symbol "
    "text textpath use view"
)
_KNOWN: Final = BLOCKS | INLINE | _OTHERS | _DRAWN

TABLES_AND_BODY: Final = _words("body table tbody td tfoot th thead tr")
KEEP_LINES: Final = _words("pre textarea listing xmp plaintext")

LOOKS_LIKE_A_PAGE: Final = re.compile(r"<[a-zA-Z!/?]|&(?:[a-zA-Z]{2,32}|#)")
"""What a text holds that is markup when it is read as HTML."""


def is_strange(name: str) -> bool:
    """Whether no browser knows such an element, so that its tag may be meant for another reader."""
    return name not in _KNOWN
