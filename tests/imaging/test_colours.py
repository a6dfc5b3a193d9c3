"""What is made of an image shows the colours that the file shows."""

from __future__ import annotations

import io
import struct
import zlib
from typing import cast

import pytest
from PIL import Image, ImageChops, ImageCms, ImageStat

from chatkit_images import imaging
from chatkit_images.imaging import colours, png, primaries, profiles

# x and y of white, red, green and blue, and the exponent.
P3 = (0.3127, 0.329, 0.68, 0.32, 0.265, 0.69, 0.15, 0.06)
ADOBE = (0.3127, 0.329, 0.64, 0.33, 0.21, 0.71, 0.15, 0.06)
PROPHOTO = (0.3457, 0.3585, 0.7347, 0.2653, 0.1596, 0.8404, 0.0366, 0.0001)
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
RGB = {
    "Display P3": primaries.made(P3, profiles.SRGB_CURVE),
    "Adobe RGB": primaries.made(ADOBE, (2.2,)),
    "ProPhoto": primaries.made(PROPHOTO, (1.8,)),
    "sRGB": SRGB,
}
CURVE = b"curv\0\0\0\0\0\0\0\x01" + struct.pack(">Hxx", 0x0180)
LIGHT = b"XYZ \0\0\0\0" + struct.pack(">3i", 63190, 65536, 54061)


def other(space: bytes, tags: dict[bytes, bytes]) -> bytes:
    """Return the profile of another space than RGB."""
    whole = primaries.made(P3, (2.2,))
    place, table, bodies = 132 + 12 * len(tags), struct.pack(">I", len(tags)), b""
    for name, body in tags.items():
        table += struct.pack(">4sII", name, place + len(bodies), len(body))
        bodies += body + bytes(-len(body) % 4)
    head = bytearray(whole[:128])
    head[:4], head[16:20] = struct.pack(">I", place + len(bodies)), space
    head[8:12] = b"\x02\x10\0\0"
    if space == b"CMYK":
        head[12:16], head[20:24] = b"prtr", b"Lab "
    return bytes(head) + table + bodies


def inks() -> bytes:
    """Return a profile of inks, by a table of its corners."""
    one = struct.pack(">2H", 0, 65535)
    corners = b"".join(
        struct.pack(
            ">3H",
            round(65280 * (1 - k) * (1 - (c + m + y) / 3) ** 2),
            32768 + 9000 * (m - c),
            32768 + 9000 * (y - c),
        )
        for c in (0, 1)
        for m in (0, 1)
        for y in (0, 1)
        for k in (0, 1)
    )
    matrix = struct.pack(">9i", *(65536 * (i % 4 == 0) for i in range(9)))
    head = b"mft2\0\0\0\0" + bytes((4, 3, 2, 0)) + matrix + struct.pack(">2H", 2, 2)
    return other(b"CMYK", {b"A2B0": head + one * 4 + corners + one * 3})


GREY = other(b"GRAY", {b"wtpt": LIGHT, b"kTRC": CURVE})
INKS = inks()


def gradient(mode: str, size: tuple[int, int] = (160, 120)) -> Image.Image:
    across = Image.linear_gradient("L").rotate(90).resize(size)
    down = Image.linear_gradient("L").resize(size)
    mixed = Image.merge("RGB", (across, down, ImageChops.invert(across)))
    if mode == "P":
        down.putpalette([part for i in range(256) for part in (i, 255 - i, i // 2)])
        return down
    if mode in ("L", "RGB", "CMYK"):
        return mixed.convert(mode)
    mixed.putalpha(down)
    return mixed.convert(mode)


def saved(image: Image.Image, form: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


def shown(data: bytes, profile: bytes = b"", size: int = 96) -> Image.Image:
    """Return what a browser shows: pixels by their own profile, in sRGB."""
    with Image.open(io.BytesIO(data)) as image:
        own = profile or image.info.get("icc_profile")
        plain: Image.Image = image if image.mode != "P" else image.convert("RGB")
        plain = plain.convert("L") if plain.mode == "LA" else plain
        plain = plain.convert("RGB") if plain.mode == "RGBA" else plain
        if own:
            source, target = (
                ImageCms.ImageCmsProfile(io.BytesIO(each)) for each in (own, SRGB)
            )
            plain = cast(
                "Image.Image",
                ImageCms.profileToProfile(plain, source, target, outputMode="RGB"),
            )
        plain = plain.convert("RGB")
    plain.thumbnail((size, size))
    return plain


def apart(one: Image.Image, two: Image.Image) -> float:
    """Return by how much two images differ on average, in their worst channel."""
    assert one.size == two.size
    return max(ImageStat.Stat(ImageChops.difference(one, two)).mean)


FILES = {
    f"{form} {mode} {name}": saved(gradient(mode), form, icc_profile=profile, **more)
    for form, modes, more in (
        ("JPEG", ("RGB",), {"quality": 95}),
        ("PNG", ("RGB", "RGBA", "P"), {}),
        ("WEBP", ("RGB", "RGBA"), {"lossless": True, "method": 0}),
    )
    for mode in modes
    for name, profile in RGB.items()
} | {
    "JPEG L grey": saved(gradient("L"), "JPEG", icc_profile=GREY, quality=95),
    "PNG L grey": saved(gradient("L"), "PNG", icc_profile=GREY),
    "PNG LA grey": saved(gradient("LA"), "PNG", icc_profile=GREY),
    "JPEG CMYK inks": saved(gradient("CMYK"), "JPEG", icc_profile=INKS, quality=95),
    # A profile of more than one segment.
    "JPEG RGB long": saved(
        gradient("RGB"),
        "JPEG",
        icc_profile=RGB["ProPhoto"] + bytes(150_000),
        quality=95,
    ),
}


@pytest.mark.parametrize("name", FILES)
def test_thumbnail_and_the_models_copy_have_the_colours_of_the_file(name: str) -> None:
    data = FILES[name]
    for made in (imaging.scale(data, 96), imaging.redraw(data)[1]):
        with Image.open(io.BytesIO(made)) as image:
            assert "icc_profile" not in image.info
            assert ("A" in image.mode) == ("A" in name.split()[1])
        assert apart(shown(data), shown(made)) < 3, name


def test_pixels_that_are_reduced_first_too() -> None:
    for mode, profile in (("RGB", RGB["ProPhoto"]), ("CMYK", INKS), ("L", GREY)):
        data = saved(gradient(mode, (4000, 400)), "JPEG", icc_profile=profile)
        for made in (imaging.scale(data, 400), imaging.redraw(data)[1]):
            assert apart(shown(data, size=400), shown(made, size=400)) < 3, mode


def chunked(*more: tuple[bytes, bytes], mode: str = "RGB") -> bytes:
    data = saved(gradient(mode), "PNG")
    return data[:33] + b"".join(png.chunk(*each) for each in more) + data[33:]


def chromaticities(values: tuple[float, ...]) -> bytes:
    return struct.pack(">8I", *(round(100_000 * each) for each in values))


def test_chunks_of_png_say_what_colours_are() -> None:
    packed = b"x\0\0" + zlib.compress(RGB["Adobe RGB"])
    gamma, wide = struct.pack(">I", 55556), chromaticities(PROPHOTO)
    dark = primaries.made(primaries.SRGB_PRIMARIES, (1 / 0.55556,))
    for chunks, profile in (
        # The first of these counts, whatever their order is.
        ([(b"gAMA", gamma), (b"cHRM", wide)], RGB["ProPhoto"]),
        ([(b"gAMA", gamma)], dark),
        ([(b"gAMA", gamma), (b"cHRM", wide), (b"sRGB", b"\0")], b""),
        ([(b"gAMA", gamma), (b"iCCP", packed)], RGB["Adobe RGB"]),
        ([(b"iCCP", packed), (b"cICP", bytes((12, 13, 0, 1)))], RGB["Display P3"]),
        ([(b"cICP", bytes((1, 13, 0, 1))), (b"gAMA", gamma)], b""),
        # High dynamic range is not for sRGB, so the next one is asked.
        ([(b"cICP", bytes((9, 16, 0, 1))), (b"iCCP", packed)], RGB["Adobe RGB"]),
        # What is usual stands for sRGB, and what cannot be is ignored.
        ([(b"gAMA", struct.pack(">I", 45455))], b""),
        ([(b"gAMA", bytes(4)), (b"cHRM", bytes(32))], b""),
        ([(b"gAMA", b"\1"), (b"cHRM", b"\1"), (b"cICP", b"\1")], b""),
        ([(b"cHRM", chromaticities((0.3, 1e-5) * 4))], b""),
        ([(b"cHRM", chromaticities((0.9, 1e-5, 0.1, 0.9) * 2))], b""),
    ):
        data = chunked(*chunks)
        bare = chunked()
        assert apart(shown(bare, profile), shown(imaging.scale(data, 96))) < 3, chunks


def test_a_profile_that_is_broken_or_of_other_pixels_is_ignored() -> None:
    whole, plain = RGB["ProPhoto"], gradient("RGB")
    cut = whole[:300] + bytes(200)
    chain = bytearray(RGB["ProPhoto"])
    chain[132:136] = b"D2B0"
    kinds = bytearray(whole)
    kinds[12:16] = b"link"
    for broken in (
        b"no profile",
        b"a colour profile" * 20,
        whole[:128],
        cut,
        bytes(chain),
        bytes(kinds),
        whole[:128] + b"\xff" * 400,
        whole[:16] + b"Luv " + whole[20:],
        GREY,
        INKS,
        whole + bytes(5 * 2**20),
    ):
        for form, mode in (("JPEG", "RGB"), ("PNG", "RGB"), ("WEBP", "RGBA")):
            data = saved(gradient(mode), form, icc_profile=broken)
            info, thumbnail = imaging.examine(data, 96)
            assert info.sha256 and apart(shown(thumbnail), shown_bare(plain)) < 4
            assert imaging.redraw(data)
    for mode, profile in (("CMYK", whole), ("L", whole), ("CMYK", other(b"CMYK", {}))):
        data = saved(gradient(mode), "JPEG", icc_profile=profile)
        expected = shown_bare(gradient(mode).convert("RGB"))
        assert apart(shown(imaging.scale(data, 96)), expected) < 4


def shown_bare(image: Image.Image) -> Image.Image:
    image = image.copy()
    image.thumbnail((96, 96))
    return image


def test_a_png_whose_profile_pillow_refuses_is_an_image() -> None:
    bomb = b"x\0\0" + zlib.compress(bytes(20 * 2**20))
    odd = b"x\0\7" + b"?"
    for body in (bomb, odd, b"", b"x"):
        data = chunked((b"iCCP", body))
        info, thumbnail = imaging.examine(data, 256)
        assert (info.width, info.height) == (160, 120) and thumbnail
    # Pillow has a limit of one megabyte.
    large = RGB["ProPhoto"] + bytes(2 * 2**20)
    data = chunked((b"iCCP", b"x\0\0" + zlib.compress(large)))
    expected = shown(chunked(), RGB["ProPhoto"])
    assert apart(expected, shown(imaging.scale(data, 96))) < 3


def test_what_is_srgb_is_not_converted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(colours, "_converted")
    long_curve = [round(65535 * each) for each in curve_of_srgb(1024)]
    tag = b"curv" + struct.pack(">4xI1024H", 1024, *long_curve)
    parts = dict(zip(profiles.MATRIX, profiles.SRGB, strict=True))
    tags = {
        name: b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(65536 * v) for v in xyz))
        for name, xyz in parts.items()
    }
    by_table = other(b"RGB ", tags | dict.fromkeys(profiles.CURVES, tag))
    for profile in (SRGB, by_table, None):
        data = saved(gradient("RGB"), "JPEG", icc_profile=profile)
        assert imaging.scale(data, 96)


def curve_of_srgb(count: int) -> list[float]:
    power, a, b, c, d = profiles.SRGB_CURVE
    steps = (each / (count - 1) for each in range(count))
    return [(a * x + b) ** power if x >= d else c * x for x in steps]


def test_metadata_of_a_camera_does_not_say_what_colours_are() -> None:
    # Browsers ignore it, too: only a profile counts.
    found = Image.Exif()
    found.get_ifd(0x8769)[0xA001] = 0xFFFF
    found.get_ifd(0xA005)[1] = "R03"
    data = saved(gradient("RGB"), "JPEG", exif=found.tobytes())
    assert apart(shown(data), shown(imaging.scale(data, 96))) < 3
