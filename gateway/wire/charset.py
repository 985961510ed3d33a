"""Character encodings of texts and pages: which one it is, and how its text leads back to its bytes.

Clients of pages take a label as the Encoding standard of the web does, and read on where bytes do not fit. So do we:
such bytes stand in the text as lone surrogates (PEP 383), each of them one byte, and become the same bytes again.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from typing import Final

from gateway.errors import Malformed

_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)

_LABELS: Final = {
    "utf-8": "utf-8 utf8 unicode-1-1-utf-8 utf-8-sig",
    "latin-1": "iso-8859-1 iso8859-1 latin1 l1 ascii us-ascii ansi_x3.4-1968 cp819 ibm819",
    "cp1252": "windows-1252 cp1252 x-cp1252",
    "iso8859-2": "iso-8859-2 latin2 l2",
    "iso8859-5": "iso-8859-5 cyrillic",
    "iso8859-7": "iso-8859-7 greek",
    "iso8859-8": "iso-8859-8 hebrew iso-8859-8-i",
    "iso8859-9": "iso-8859-9 latin5 l5",
    "iso8859-15": "iso-8859-15 latin-9 l9",
    "cp1250": "windows-1250 cp1250",
    "cp1251": "windows-1251 cp1251",
    "cp1253": "windows-1253 cp1253",
    "cp1254": "windows-1254 cp1254",
    "cp1255": "windows-1255 cp1255",
    "cp1256": "windows-1256 cp1256",
    "cp1257": "windows-1257 cp1257",
    "cp1258": "windows-1258 cp1258",
    "cp874": "windows-874 tis-620 iso-8859-11",
    "cp866": "ibm866 cp866 866",
    "koi8-r": "koi8-r koi8 koi",
    "koi8-u": "koi8-u koi8-ru",
    "mac-roman": "macintosh mac x-mac-roman",
    "gb18030": "gb18030 gbk gb2312 chinese gb_2312-80 x-gbk",
    "big5hkscs": "big5 big5-hkscs cn-big5 x-x-big5",
    "euc-jp": "euc-jp x-euc-jp",
    "cp932": "shift_jis shift-jis sjis ms_kanji windows-31j x-sjis",
    "cp949": "euc-kr korean ks_c_5601-1987 windows-949 ksc5601",
    "utf-16-le": "utf-16 utf-16le unicode ucs-2 csunicode",
    "utf-16-be": "utf-16be unicodefffe",
}
"""Python's codecs, and the labels that stand for them (Encoding, 4.2). Encodings that change their state in the middle
of a text (ISO-2022-JP, HZ, UTF-7) are not there: in them the same bytes mean one thing here and another there."""

_CODECS: Final = {label: codec for codec, labels in _LABELS.items() for label in labels.split()}
_WIDE: Final = frozenset({"utf-16-le", "utf-16-be"})

META_WITHIN: Final = 1024
"""Bytes of a page in which it may name its encoding (HTML, 13.2.3.2)."""
_META: Final = re.compile(rb"<meta[^>]{0,200}?charset[ \t\n\r\f]*=[ \t\n\r\f]*[\"']?([\w.:-]{1,40})", re.IGNORECASE)
_XML: Final = re.compile(rb"<\?xml[^>]{0,200}?encoding[ \t\n\r\f]*=[ \t\n\r\f]*[\"']([\w.:-]{1,40})", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Decoded:
    """A body as text. Marks of byte order stay in it, as U+FEFF."""

    body: bytes
    text: str
    codec: str

    def with_changes(self, changes: list[tuple[int, int, str]]) -> bytes:
        """The body with ranges of its text replaced; the ranges are in order and apart.

        Characters of a replacement that the encoding does not have become question marks. Raises Malformed where the
        encoding does not lead back to the bytes that came.
        """
        if self.text.encode(self.codec, _errors(self.codec)) != self.body:
            raise Malformed(f"a text in `{self.codec}` with bytes that are not, in which something must be changed")
        pieces: list[str] = []
        at = 0
        for start, end, replacement in changes:
            pieces += (self.text[at:start], replacement.encode(self.codec, "replace").decode(self.codec))
            at = end
        return "".join((*pieces, self.text[at:])).encode(self.codec, _errors(self.codec))


def decoded(body: bytes, label: str | None) -> Decoded:
    """The body of an answer by its mark, the label of its header, or what it says of itself; otherwise in UTF-8.

    Raises Malformed for a label that is not known, and for half a character of UTF-16.
    """
    codec = codec_of(body, label)
    try:
        return Decoded(body, body.decode(codec, _errors(codec)), codec)
    except UnicodeDecodeError:
        raise Malformed(f"the body is not `{codec}`") from None


def codec_of(body: bytes, label: str | None) -> str:
    """Python's name of the encoding. Raises Malformed for a label that is not known."""
    for mark, codec in _MARKS:
        if body.startswith(mark):
            return codec
    if label is not None:
        return _named(label)
    head = body[:META_WITHIN]
    named = _META.search(head) or _XML.search(head)
    # A page whose first bytes could be read is not in UTF-16, whatever it says.
    codec = _named(named[1].decode()) if named else "utf-8"
    return "utf-8" if codec in _WIDE else codec


def _named(label: str) -> str:
    codec = _CODECS.get(label.strip().lower())
    if codec is None:
        raise Malformed(f"the charset `{label[:40]}` is not read")
    return codec


def _errors(codec: str) -> str:
    return "surrogatepass" if codec in _WIDE else "surrogateescape"
