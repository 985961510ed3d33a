"""PDF documents, written by hand so that a test says what is in them (ISO 32000-1)."""

from __future__ import annotations

import zlib
from collections.abc import Iterable

CATALOG, PAGES, FONT = 1, 2, 3
"""The numbers of the objects that every document here begins with."""
FREE = 4
"""The first number that is not taken."""


def pdf(*pages: str, extra: Iterable[bytes] = (), info: str = "", catalog: str = "", squeeze: bool = True) -> bytes:
    """A document with these pages, a line of text each time.

    `extra` are further objects, numbered from `FREE` on, before those of the pages; `info` and `catalog` are entries of
    these dictionaries, `squeeze` is whether what pages show is compressed.
    """
    objects = [*extra]
    kids: list[int] = []
    for text in pages:
        shown = shows(text)
        number = FREE + len(objects)
        kids.append(number)
        objects += [page(number + 1), stream(shown, squeeze=squeeze)]
    return document(objects, kids, info=info, catalog=catalog)


def shows(text: str, more: str = "") -> bytes:
    """What draws lines of text; `more` is set before them (`3 Tr` hides them)."""
    lines = " ".join(f"({_escaped(line)}) Tj T*" for line in text.split("\n"))
    return f"BT /F1 12 Tf {more} 14 TL 72 720 Td {lines} ET".encode("latin-1")


def page(contents: int, more: str = "") -> bytes:
    """A page whose contents are that object."""
    return (
        f"<< /Type /Page /Parent {PAGES} 0 R /MediaBox [0 0 612 792] /Contents {contents} 0 R "
        f"/Resources << /Font << /F1 {FONT} 0 R >> >> {more} >>"
    ).encode()


def stream(data: bytes, *, squeeze: bool = True, more: str = "") -> bytes:
    filters = "/Filter /FlateDecode" if squeeze else ""
    data = zlib.compress(data) if squeeze else data
    return f"<< /Length {len(data)} {filters} {more} >>\nstream\n".encode() + data + b"\nendstream"


def document(
    objects: Iterable[bytes], kids: Iterable[int], *, info: str = "", catalog: str = "", trailer: str = ""
) -> bytes:
    """A document of those objects, numbered from `FREE` on, of which `kids` are the pages."""
    listed = list(kids)
    places = " ".join(f"{number} 0 R" for number in listed)
    all_objects = [
        f"<< /Type /Catalog /Pages {PAGES} 0 R {catalog} >>".encode(),
        f"<< /Type /Pages /Kids [{places}] /Count {len(listed)} >>".encode(),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
        *objects,
        f"<< {info} >>".encode(),
    ]
    written = bytearray(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n")
    offsets: list[int] = []
    for number, one in enumerate(all_objects, 1):
        offsets.append(len(written))
        written += f"{number} 0 obj\n".encode() + one + b"\nendobj\n"
    start = len(written)
    written += f"xref\n0 {len(offsets) + 1}\n0000000000 65535 f \n".encode()
    written += b"".join(f"{offset:010} 00000 n \n".encode() for offset in offsets)
    size = len(offsets) + 1
    written += f"trailer\n<< /Size {size} /Root {CATALOG} 0 R /Info {len(offsets)} 0 R {trailer} >>\n".encode()
    return bytes(written) + f"startxref\n{start}\n%%EOF\n".encode()


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("(", "\\(").replace(")", "\\)")
