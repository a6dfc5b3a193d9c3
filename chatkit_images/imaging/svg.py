"""SVG documents, as strictly as a browser reads them in an image."""

from __future__ import annotations

import re
from xml.parsers import expat

from . import buffers
from .layout import TooComplex, damaged

NAMESPACE = "http://www.w3.org/2000/svg"
# The namespaces that a document in a page needs not declare, and one in a file must.
NAMESPACES = (
    (b"xmlns", NAMESPACE.encode()),
    (b"xmlns:xlink", b"http://www.w3.org/1999/xlink"),
)
ROOT = re.compile(rb"<svg(?=[\s/>])[^>]*", re.IGNORECASE)
# Bytes in which the document begins.
HEAD = 4096
# Above any real image, traced ones included. Each tag has a bracket, each attribute an
# equals sign.
MAX_TAGS, MAX_ATTRIBUTES = 400_000, 1_000_000
# Declarations that give attributes to elements; editors write a dozen at most.
MAX_DEFAULTS = 100


def trimmed(data: bytes) -> bytes:
    """Return a document with its namespaces and without what follows it.

    Raises:
        ImageError: If it is not well-formed, or no SVG.
    """
    data = _with_namespaces(data[_start_of(data) :])
    return data[: end_of(data)]


def end_of(data: bytes) -> int:
    """Return where a document ends.

    Raises:
        ImageError: If it is not well-formed, or no SVG.
    """
    if data.count(b"<") > MAX_TAGS or data.count(b"=") > MAX_ATTRIBUTES:
        raise TooComplex()
    reader = _Reader()
    begin = _start_of(data)
    try:
        for start in range(begin, len(data), buffers.SLICE):
            reader.parser.Parse(data[start : start + buffers.SLICE], False)
        reader.parser.Parse(b"", True)
    except (expat.ExpatError, LookupError) as error:
        if not reader.end:
            raise damaged() from error
        end = begin + reader.end
        # A tag without content ends itself.
        return data.index(b">", end) + 1 if data.startswith(b"</", end) else end
    return len(data)


def _start_of(data: bytes) -> int:
    """Return where a document begins: nothing may stand before its declaration."""
    return len(data) - len(data.lstrip(b"\xef\xbb\xbf \t\r\n"))


class _Reader:
    """Notes where the last tag of a document is, or ends if it has no content."""

    def __init__(self) -> None:
        self.end = 0
        self._depth = 0
        # It loads nothing, and limits what entities expand to.
        self.parser = expat.ParserCreate(namespace_separator=" ")
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._stop
        self.parser.AttlistDeclHandler = self._default
        self.parser.specified_attributes = True
        self._defaults = 0

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if not self._depth and name not in ("svg", f"{NAMESPACE} svg"):
            raise damaged()
        self._depth += 1

    def _default(self, *declaration: object) -> None:
        self._defaults += 1
        if self._defaults > MAX_DEFAULTS:
            raise TooComplex()

    def _stop(self, name: str) -> None:
        self._depth -= 1
        if not self._depth:
            self.end = self.parser.CurrentByteIndex


def _with_namespaces(data: bytes) -> bytes:
    match = ROOT.search(data[:HEAD])
    if match is None:
        return data
    missing = [
        b' %b="%b"' % (name, value)
        for name, value in NAMESPACES
        if name + b"=" not in match[0] and (name == b"xmlns" or b"xlink:" in data)
    ]
    at = match.start() + len(b"<svg")
    return data[:at] + b"".join(missing) + data[at:] if missing else data
