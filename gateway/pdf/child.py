"""Reads a PDF: the document on standard input, what could be read as JSON on standard output.

It is run as a script, in a process of its own for each document, and knows nothing of the gateway. Before it looks at
the first byte it gives up what it does not need: memory, time, files, other processes, the network. So whatever a
document makes of PDFium, there is nothing to be had. The exit code says why nothing was read; a text that is not whole
is none.
"""

from __future__ import annotations

import ctypes
import json
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, Final

BROKEN: Final = 3
ENCRYPTED: Final = 4
TOO_LARGE: Final = 5
ABSENT: Final = 6
"""Exit codes: no PDF that can be read, a password is needed, more than the limits below, PDFium is not there."""

CPU: Final = 10
"""Seconds of processor time: a thousand pages with a line each take 0.03 (measured), full ones 1."""
MEMORY: Final = 768 << 20
"""Bytes of address space: 200 MB are the interpreter's and PDFium's own."""
MOST_PAGES: Final = 5_000
MOST_TEXT: Final = 8 << 20
"""Code units of UTF-16: the Bible has half of that."""
MOST_NOTES: Final = 20_000
"""Annotations, and entries of the outline: either may lead back to itself for ever."""

IMAGE: Final = "image"
ATTACHMENT: Final = "pdf_attachment"
FORM: Final = "pdf_form"
"""Names of what is in a document and not read: pictures, files, and forms in XML (XFA)."""

_META: Final = ("Title", "Author", "Subject", "Keywords", "Creator", "Producer")
_NOTE: Final = ("Contents", "T", "Subj", "RC", "V", "TU")
"""What annotations and fields of forms say (ISO 32000-1, tables 164, 170, 220)."""
_JOINT: Final = "\ufffe"
"""What PDFium has for a hyphen at the end of a line, where the word goes on in the next one."""
_PASSWORD: Final = 4  # FPDF_ERR_PASSWORD
_PICTURE: Final = 3  # FPDF_PAGEOBJ_IMAGE
_XFA: Final = (2, 3)  # FORMTYPE_XFA_FULL, FORMTYPE_XFA_FOREGROUND
_WHOLE: Final = 2 | 4  # FPDF_NO_INCREMENTAL, FPDF_REMOVE_SECURITY
_COUNT: Final = re.compile(rb"(/Count )([0-9]+)")
_NO_NEW_PRIVILEGES: Final = 38  # prctl(2), PR_SET_NO_NEW_PRIVS


class _Stop(Exception):
    """Nothing is read, for the reason that the exit code gives."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


def main() -> int:
    try:
        import pypdfium2.raw as pdfium  # type: ignore[import-untyped]  # ships no types
    except (ImportError, OSError):
        return ABSENT
    "".encode("utf-16-le")  # codecs are files, too
    confine()
    data = sys.stdin.buffer.read()
    try:
        read = _Document(pdfium, data).read()
    except _Stop as stop:
        return stop.code
    sys.stdout.buffer.write(json.dumps(read, ensure_ascii=False).encode())
    sys.stdout.buffer.flush()
    return 0


def confine() -> None:
    """Give up what reading a document does not need, as far as the system knows how."""
    with suppress(ImportError):
        import resource  # Windows has none; there the time limit of the caller is what bounds it

        limits = {"CPU": CPU, "AS": MEMORY, "FSIZE": 0, "NOFILE": 3, "NPROC": 0, "CORE": 0}
        for name, most in limits.items():
            with suppress(ValueError, OSError):  # macOS takes no limit of the address space
                resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (most, most))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
        with suppress(OSError):  # where users may have no namespaces of their own
            os.unshare(os.CLONE_NEWUSER | os.CLONE_NEWNET)
    if hasattr(os, "nice"):
        os.nice(10)


class _Document:
    """One document, read once."""

    def __init__(self, pdfium: Any, data: bytes) -> None:
        self._lib = pdfium
        self._data = data  # which PDFium reads from for as long as the document is open; so it is with the copy
        self._copy = b""
        self._left = MOST_TEXT
        self._pages = 0  # code units that the pages have so far
        self._notes = MOST_NOTES
        self._texts: list[str] = []
        self._unread: set[str] = set()
        pdfium.FPDF_InitLibrary()
        self._document = pdfium.FPDF_LoadMemDocument64(data, len(data), None)
        if not self._document:
            raise _Stop(ENCRYPTED if pdfium.FPDF_GetLastError() == _PASSWORD else BROKEN)

    def read(self) -> dict[str, list[str]]:
        """`texts`, all that the pages show being one of them, and the names of what in it is `unread`."""
        lib, document = self._lib, self._document
        count = lib.FPDF_GetPageCount(document)
        if count <= 0:
            raise _Stop(BROKEN)
        if count > MOST_PAGES:
            raise _Stop(TOO_LARGE)
        if self._counted() != count:
            raise _Stop(BROKEN)
        # A sentence may go on over the page, so all pages are one text.
        pages = [self._page(number) for number in range(count)]
        self._take("\n".join(pages))
        for tag in _META:
            self._take(self._string(lib.FPDF_GetMetaText, document, tag.encode()))
        for bookmark in self._outline():
            self._take(self._string(lib.FPDFBookmark_GetTitle, bookmark))
        if lib.FPDFDoc_GetAttachmentCount(document) > 0:
            self._unread.add(ATTACHMENT)
        if lib.FPDF_GetFormType(document) in _XFA:
            self._unread.add(FORM)
        return {"texts": self._texts, "unread": sorted(self._unread)}

    def _counted(self) -> int:
        """How many pages there are, whatever the document says: PDFium believes it, and other readers look.

        So it is written anew, with all objects in the clear, and read once more with its counts taken out.
        """
        lib, written = self._lib, bytearray()

        def write(_: Any, data: int, size: int) -> int:
            written.extend(ctypes.string_at(data, size))
            return 1

        writer = dict(lib.FPDF_FILEWRITE._fields_)["WriteBlock"](write)
        if not lib.FPDF_SaveAsCopy(self._document, lib.FPDF_FILEWRITE(1, writer), _WHOLE):
            raise _Stop(BROKEN)
        self._copy = _COUNT.sub(lambda found: found[1] + b"0" * len(found[2]), bytes(written))
        return int(lib.FPDF_GetPageCount(lib.FPDF_LoadMemDocument64(self._copy, len(self._copy), None)))

    def _page(self, number: int) -> str:
        """What the page shows, hidden or not. What stands beside it is taken on the way."""
        lib = self._lib
        page = lib.FPDF_LoadPage(self._document, number)
        if not page:
            raise _Stop(BROKEN)
        text = lib.FPDFText_LoadPage(page)
        count = lib.FPDFText_CountChars(text) if text else -1
        if count < 0:
            raise _Stop(BROKEN)
        self._pages += count
        if self._pages > self._left:
            raise _Stop(TOO_LARGE)
        # The function knows no size of the buffer; twice what it asks for has room for a pair in each place.
        buffer = (ctypes.c_ushort * (2 * count + 2))()
        written = lib.FPDFText_GetText(text, 0, count, buffer)
        shown = _decoded(bytes(buffer)[: 2 * written]).replace(_JOINT, "")
        for place in range(lib.FPDFPage_GetAnnotCount(page)):
            self._note(lib.FPDFPage_GetAnnot(page, place))
        objects = (lib.FPDFPage_GetObject(page, place) for place in range(lib.FPDFPage_CountObjects(page)))
        if any(lib.FPDFPageObj_GetType(one) == _PICTURE for one in objects):
            self._unread.add(IMAGE)
        lib.FPDFText_ClosePage(text)
        lib.FPDF_ClosePage(page)
        return shown

    def _note(self, annotation: Any) -> None:
        self._count()
        for key in _NOTE if annotation else ():
            self._take(self._string(self._lib.FPDFAnnot_GetStringValue, annotation, key.encode()))
        self._lib.FPDFPage_CloseAnnot(annotation)

    def _outline(self) -> Iterator[Any]:
        lib, document = self._lib, self._document
        waiting = [lib.FPDFBookmark_GetFirstChild(document, None)]
        while waiting:
            bookmark = waiting.pop()
            if bookmark:
                self._count()
                yield bookmark
                waiting.append(lib.FPDFBookmark_GetNextSibling(document, bookmark))
                waiting.append(lib.FPDFBookmark_GetFirstChild(document, bookmark))

    def _count(self) -> None:
        self._notes -= 1
        if self._notes < 0:
            raise _Stop(TOO_LARGE)

    def _string(self, get: Callable[..., int], *of: Any) -> str:
        """What a function gives that tells the length in bytes first, its ending included."""
        length = get(*of, None, 0)
        if length > 2 * self._left:
            raise _Stop(TOO_LARGE)
        buffer = (ctypes.c_ushort * (length // 2))()
        get(*of, buffer, length)
        return _decoded(bytes(buffer))

    def _take(self, text: str) -> None:
        self._left -= len(text)
        if self._left < 0:
            raise _Stop(TOO_LARGE)
        if text.strip():
            self._texts.append(text)


def _decoded(raw: bytes) -> str:
    return raw.decode("utf-16-le", "replace").rstrip("\0")


if __name__ == "__main__":
    sys.exit(main())
