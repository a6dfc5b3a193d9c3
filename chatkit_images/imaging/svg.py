"""SVG documents, as strictly as a browser reads them in an image."""

from __future__ import annotations

import re
from collections import Counter
from xml.parsers import expat

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
# Attributes of one tag, which are all in memory at once. In a style or a script there
# may be some thousand equals signs as well.
MAX_IN_TAG = 20_000
# Editors declare entities for the names of namespaces, and refer to each of them once.
MAX_ENTITY, MAX_REFERENCES = 1000, 10_000
# Bytes that are parsed at once. An error in a handler ends the parsing after them, and
# a tag that is not complete yet is read again with the next ones.
SLICE = 2**20


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
    if any(tag.count(b"=") > MAX_IN_TAG for tag in data.split(b"<")):
        raise TooComplex()
    if b"<!ENTITY" in data and data.count(b"&") > MAX_REFERENCES:
        raise TooComplex()
    reader = _Reader()
    begin = _start_of(data)
    try:
        for start in range(begin, len(data), SLICE):
            reader.parser.Parse(data[start : start + SLICE], False)
        reader.parser.Parse(b"", True)
    except TooComplex:
        raise
    except (expat.ExpatError, LookupError, ValueError) as error:
        # Python raises any of the last two for what a document says of its encoding.
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
    """Notes where the last tag of a document is, or ends if it has no content.

    Prefixes are looked up here. The parser would put the whole name of its namespace
    before each name that has one: gigabytes, for a document of some kilobytes.
    """

    def __init__(self) -> None:
        self.end = 0
        # The prefixes that each open element declares, and those of all of them.
        self._open: list[list[str]] = []
        self._known = Counter(["xml"])
        # It loads nothing, limits what entities expand to, and keeps no names.
        self.parser = expat.ParserCreate(intern=None)
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._stop
        self.parser.AttlistDeclHandler = self._default
        self.parser.EntityDeclHandler = self._entity
        self.parser.specified_attributes = True
        self._defaults: dict[str, str] = {}
        self._declarations = 0

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        declared = [each[6:] for each in attributes if each.startswith("xmlns:")]
        if declared:
            self._known.update(declared)
        if not self._open:
            self._check_root(name, self._defaults | attributes)
        self._open.append(declared)
        for each in (name, *attributes):
            prefix, colon, _ = each.partition(":")
            if colon and prefix != "xmlns" and not self._known[prefix]:
                raise damaged()

    def _check_root(self, name: str, attributes: dict[str, str]) -> None:
        prefix, _, local = name.rpartition(":")
        space = attributes.get(f"xmlns:{prefix}" if prefix else "xmlns", "")
        if local != "svg" or space not in ("" if not prefix else NAMESPACE, NAMESPACE):
            raise damaged()

    def _default(
        self, element: str, name: str, kind: str, value: str | None, required: bool
    ) -> None:
        self._declarations += 1
        if self._declarations > MAX_DEFAULTS:
            raise TooComplex()
        if name.startswith("xmlns"):
            self._defaults[name] = value or ""
            self._known[name[6:]] += 1

    def _entity(
        self, name: str, is_parameter: bool, value: str | None, *others: object
    ) -> None:
        # One that stands for others may stand for gigabytes.
        if value is not None and (
            is_parameter or len(value) > MAX_ENTITY or "&" in value
        ):
            raise TooComplex()

    def _stop(self, name: str) -> None:
        if declared := self._open.pop():
            self._known.subtract(declared)
        if not self._open:
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
