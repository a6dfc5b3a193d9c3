"""Base64 of images, in every wrapping, decoded without holding up an event loop."""

from __future__ import annotations

import asyncio
import base64
import html
import json
import textwrap
import time
from collections.abc import Callable
from urllib.parse import quote

import pytest

from chatkit_images import imaging
from chatkit_images.exceptions import ImageError
from tests.image_files import SVG, png_of
from tests.imaging.samples import PLAIN

TEXT = base64.b64encode(PLAIN["PNG"]).decode()
DOCUMENT = base64.b64encode(b"<!DOCTYPE html><script>alert(1)</script>").decode()
FORMS = PLAIN | {"SVG": SVG}


def coded(data: bytes) -> str:
    return base64.b64encode(data).decode()


def folded(text: str, end: str, width: int = 76) -> str:
    return end.join(textwrap.wrap(text, width))


def data_url(data: bytes, head: str = "data:image/png;base64,") -> str:
    return head + coded(data)


WRAPPINGS: dict[str, Callable[[bytes], str]] = {
    "data URL": data_url,
    "data URL in capitals": lambda d: data_url(d, "DATA:IMAGE/PNG;BASE64,"),
    "data URL with parameters": lambda d: data_url(
        d, "data:image/png;charset=utf-8;name=a.png;base64, "
    ),
    "data URL without a type": lambda d: data_url(d, "data:;base64,"),
    "data URL of another type": lambda d: data_url(d, "data:text/html;base64,"),
    "end of a data URL": lambda d: data_url(d, "image/png;base64,"),
    "NUL at its end": lambda d: coded(d) + "\0",
    "mark": lambda d: data_url(d, "base64:"),
    "data URL, percent": lambda d: quote(data_url(d), safe=""),
    "data URL, percent twice": lambda d: quote(quote(data_url(d), safe=""), safe=""),
    "data URL in Markdown": lambda d: f"Here: ![a fox]({data_url(d)})\n\nDone.",
    "data URL in HTML": lambda d: f'<img alt="a" src="{data_url(d)}">',
    "data URL in CSS": lambda d: f"url('{data_url(d)}')",
    "data URL in JSON": lambda d: json.dumps({"url": data_url(d), "detail": "high"}),
    "data URL in lines": lambda d: folded(data_url(d), "\r\n"),
    "white space around": lambda d: f"\n {coded(d)}\t\r\n",
    "lines": lambda d: folded(coded(d), "\n"),
    "lines of Windows": lambda d: folded(coded(d), "\r\n"),
    "lines by spaces": lambda d: folded(coded(d), " "),
    "quoted-printable": lambda d: folded(coded(d), "=\n").replace("==", "=3D=3D"),
    "no padding": lambda d: coded(d).rstrip("="),
    "too much padding": lambda d: coded(d).rstrip("=") + "====",
    "alphabet of URLs": lambda d: base64.urlsafe_b64encode(d).decode(),
    "alphabet of URLs, no padding": lambda d: (
        base64.urlsafe_b64encode(d).decode().rstrip("=")
    ),
    "percent": lambda d: quote(coded(d), safe=""),
    "percent in small letters": lambda d: (
        coded(d).replace("+", "%2b").replace("/", "%2f").replace("=", "%3d")
    ),
    "plus read as a space": lambda d: coded(d).replace("+", " "),
    "HTML": lambda d: coded(d).replace("+", "&#43;").replace("=", "&#x3D;"),
    "escaped HTML": lambda d: html.escape(f'<img src="{data_url(d)}">'),
    "quotes": lambda d: f'"{coded(d)}"',
    "single quotes": lambda d: f"'{coded(d)}'",
    "curly quotes": lambda d: f"\u201c{coded(d)}\u201d",
    "backticks": lambda d: f"```\n{coded(d)}\n```",
    "escaped quotes": lambda d: f'\\"{coded(d)}\\"',
    "escaped slashes": lambda d: coded(d).replace("/", "\\/"),
    "escaped slashes twice": lambda d: coded(d).replace("/", "\\\\\\/"),
    "escaped code points": lambda d: (
        coded(d).replace("=", "\\u003d").replace("+", "\\u002B")
    ),
    "escaped lines": lambda d: folded(coded(d), "\\n"),
    "mark of the byte order": lambda d: f"\ufeff{coded(d)}\u200b",
    "bytes of Python": lambda d: repr(base64.b64encode(d)),
    "JSON": lambda d: json.dumps({"b64_json": coded(d)}),
    "list": lambda d: json.dumps([coded(d)]),
    "NULs": lambda d: coded(d) + "\x00\x00",
    "twice": lambda d: coded(coded(d).encode()),
    "three times": lambda d: coded(coded(coded(d).encode()).encode()),
    "data URL, encoded": lambda d: coded(data_url(d).encode()),
    "twice in a data URL": lambda d: data_url(coded(d).encode()),
    "lines, twice": lambda d: coded(folded(coded(d), "\n").encode()),
    "parts with padding": lambda d: coded(d[:100]) + coded(d[100:]),
    "behind it": lambda d: coded(d + b"\n" * 7),
    "hexadecimal": lambda d: d.hex(),
    "hexadecimal in capitals": lambda d: d.hex().upper(),
    "hexadecimal of PostgreSQL": lambda d: f"\\x{d.hex()}",
}


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "empty"),
        ("====", "invalid_base64"),
        ("=", "invalid_base64"),
        ("A===", "invalid_base64"),
        ("iVBO*R$w0K", "invalid_base64"),
        ("iVBORw0K\niVBO", "invalid_base64"),
        (TEXT[:-9], "invalid_base64"),
        ("https://images.example/a.png", "invalid_base64"),
        (f"data:text/html;base64,{DOCUMENT}", "invalid_base64"),
        (TEXT[:90] + "\ufffd" + TEXT[91:], "invalid_base64"),
        (TEXT[:90] + TEXT[91:], "invalid_base64"),
        ("data:image/png;base64,", "invalid_base64"),
        ("data:image/png," + "!" * 90, "invalid_base64"),
        ('{"b64_json": null}', "invalid_base64"),
        ("-_-_", "invalid_base64"),
        ("ÄÖÜß", "invalid_base64"),
        ("data:image/png;base64,iVBO", "invalid_base64"),
        ("AA==AA==", "invalid_base64"),
        ("AAAA=", "invalid_base64"),
        ("AAAA====", "invalid_base64"),
        ("AAA=AAAA", "invalid_base64"),
    ],
)
@pytest.mark.row("C05")
def test_c05_what_is_no_image_is_no_base64_either(text: str, code: str) -> None:
    with pytest.raises(ImageError) as caught:
        imaging.decode_base64(text)
    assert caught.value.code == code


def test_base64_is_decoded() -> None:
    assert imaging.decode_base64(TEXT) == PLAIN["PNG"]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("wrapping", WRAPPINGS)
def test_a_wrapping_that_can_be_undone_is_undone(wrapping: str, form: str) -> None:
    data = FORMS[form]
    wrapped = WRAPPINGS[wrapping](data)
    assert imaging.trim(imaging.decode_base64(wrapped)).rstrip() == data.rstrip()
    # The HTTP client that reads past the SDKs has bytes.
    found = imaging.decode_base64(wrapped.encode())
    assert imaging.trim(found).rstrip() == data.rstrip()


@pytest.mark.parametrize(
    "text",
    [
        SVG.decode(),
        f" {SVG.decode()}\n",
        f"data:image/svg+xml,{quote(SVG.decode())}",
        f"data:image/svg+xml;utf8,{SVG.decode()}",
        f'"data:image/svg+xml;charset=utf-8,{quote(SVG.decode())}"',
    ],
)
def test_an_svg_may_come_as_text(text: str) -> None:
    assert imaging.decode_base64(text) == SVG


def test_an_svg_keeps_its_words_and_what_is_in_it() -> None:
    inner = f'<image href="{data_url(PLAIN["PNG"])}"/><text>ä &amp; 5%20</text>'
    text = f'<svg xmlns="http://www.w3.org/2000/svg">{inner}</svg>'
    assert imaging.decode_base64(text).decode() == text


def test_a_wrapped_image_that_is_too_large_is_called_so() -> None:
    with pytest.raises(ImageError) as caught:
        imaging.decode_base64(data_url(png_of(60_000, 60_000)))
    assert caught.value.code == "too_many_pixels"


def test_strict_base64_of_anything_is_left_to_the_checks_of_images() -> None:
    for data in (b"I cannot draw that.", bytes(900), b"\x3c" * 90):
        assert imaging.decode_base64(coded(data)) == data


async def test_the_event_loop_goes_on_while_a_large_text_is_decoded() -> None:
    text = base64.b64encode(bytes(25 * 2**20)).decode()
    task = asyncio.create_task(asyncio.to_thread(imaging.decode_base64, text))
    waits = []
    while not task.done():
        start = time.perf_counter()
        await asyncio.sleep(0.001)
        waits.append(time.perf_counter() - start)
    assert len(await task) == 25 * 2**20
    # A few milliseconds; the rest is for a busy machine.
    assert sorted(waits)[len(waits) // 2] < 0.05
