"""SVG documents: what a browser shows in an image is accepted, and nothing else."""

from __future__ import annotations

import pytest

from chatkit_images import imaging
from chatkit_images.exceptions import ImageError
from tests.image_files import SVG

XMLNS = b'xmlns="http://www.w3.org/2000/svg"'
XLINK = b'xmlns:xlink="http://www.w3.org/1999/xlink"'


@pytest.mark.parametrize(
    "data",
    [
        SVG,
        b"<?xml version='1.0'?>\n" + SVG,
        b"<!-- made by a model -->\n" + SVG,
        b"\xef\xbb\xbf" + SVG,
        b'<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "svg11.dtd">\n' + SVG,
        b"<svg "
        + XMLNS
        + b"><g><text>\xc3\xa4 &amp; &lt;</text></g></svg>\n<!-- a -->\n",
        b"<svg " + XMLNS + b" " + XLINK + b'><use xlink:href="#a"/></svg>',
        b'<svg:svg xmlns:svg="http://www.w3.org/2000/svg"/>',
        b"<svg " + XMLNS + b'><g xml:space="preserve" xmlns:a="b" a:c=""/></svg>',
        b"<?xml version='1.0'?><!DOCTYPE svg [<!ENTITY ns 'http://www.w3.org/2000/svg'>"
        b"<!ATTLIST svg xmlns:a CDATA #FIXED 'b'>]>"
        b'<svg xmlns="&ns;" a:c=""><a:d/></svg>',
    ],
)
def test_what_is_well_formed_is_kept_as_it_is(data: bytes) -> None:
    assert imaging.inspect(data).mime == "image/svg+xml"
    assert imaging.trim(data) == data.removeprefix(b"\xef\xbb\xbf")
    assert imaging.strip(data) == imaging.trim(data)


@pytest.mark.parametrize(
    ("data", "trimmed"),
    [
        (b"<svg/>", b"<svg " + XMLNS + b"/>"),
        (b'<svg width="8"><g/></svg>', b"<svg " + XMLNS + b' width="8"><g/></svg>'),
        (
            b"<svg " + XMLNS + b'><use xlink:href="#a"/></svg>',
            b"<svg " + XLINK + b" " + XMLNS + b'><use xlink:href="#a"/></svg>',
        ),
        (SVG + b"<script>alert(1)</script>", SVG),
        (SVG + b"\n```", SVG),
        (SVG + b"PK\x03\x04\xff", SVG),
        (b" \n<?xml version='1.0'?>" + SVG, b"<?xml version='1.0'?>" + SVG),
    ],
)
def test_what_a_file_needs_is_added_and_what_follows_is_cut_off(
    data: bytes, trimmed: bytes
) -> None:
    assert imaging.trim(data) == trimmed
    assert imaging.trim(trimmed) == trimmed
    assert imaging.inspect(trimmed).size == len(trimmed)


@pytest.mark.parametrize(
    "data",
    [
        b"<svg",
        b"<svg " + XMLNS + b"><g></svg>",
        b"<svg " + XMLNS + b"><g>",
        b"<svg " + XMLNS + b"><text>a & b</text></svg>",
        b"<svg " + XMLNS + b"><a:b/></svg>",
        b"<?xml version='1.0'?><html><svg " + XMLNS + b"/></html>",
        b"<svg " + XMLNS + b'><g xmlns:a="b"/><a:b/></svg>',
        b"<svg " + XMLNS + b'><g a:b=""/></svg>',
        b'<svg xmlns="http://www.w3.org/1999/xhtml"/>',
        b"<svg:svg " + XMLNS + b"/>",
        b"<?xml version='1.0' encoding='none'?>" + SVG,
        b"<?xml version='1.0' encoding='utf-32'?>" + SVG,
        b"<?xml version='1.0' encoding='punycode'?>" + SVG,
        b"<svg " + XMLNS + b">\xff</svg>",
        b"<svgs/>",
    ],
)
def test_what_no_browser_shows_is_damaged(data: bytes) -> None:
    for look in (imaging.trim, imaging.inspect):
        with pytest.raises(ImageError) as caught:
            look(data)
        assert caught.value.code == "damaged"


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
def test_a_cut_document_is_damaged(share: float) -> None:
    data = b"<svg " + XMLNS + b">" + b"<g><path d='M0 0'/></g>" * 90 + b"</svg>"
    with pytest.raises(ImageError) as caught:
        imaging.trim(data[: int(len(data) * share)])
    assert caught.value.code == "damaged"


def test_entities_do_not_grow_without_end() -> None:
    names = [f"e{number}" for number in range(30)]
    declared = '<!ENTITY e0 "0123456789">' + "".join(
        f'<!ENTITY {name} "{f"&{before};" * 10}">'
        for before, name in zip(names, names[1:], strict=False)
    )
    bomb = f"<?xml version='1.0'?><!DOCTYPE svg [{declared}]><svg>&e29;</svg>"
    with pytest.raises(ImageError):
        imaging.trim(bomb.encode())


def test_a_document_of_megabytes_is_read_in_slices() -> None:
    many = b"<g>text</g>" * 190_000 + b" " * 5_000_000
    data = b"<svg " + XMLNS + b">" + many + b"</svg>"
    assert imaging.trim(data + b"end") == data
