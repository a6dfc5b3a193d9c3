"""Content credentials outlive an upload, and protect nothing that is not theirs."""

from __future__ import annotations

import io
import random
import struct
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from PIL import Image

from chatkit_images import file_urls, imaging, models, url_tokens
from chatkit_images.context import RequestContext
from chatkit_images.exceptions import ImageError
from chatkit_images.imaging import png
from chatkit_images.queries import uploaded_files
from tests.client import ChatClient
from tests.imaging.samples import MPO, PLAIN, SECRET, exif

signing = pytest.importorskip("tests.imaging.signing", reason="It needs c2pa-python.")
MIMES = {
    "PNG": "image/png",
    "JPEG": "image/jpeg",
    "WEBP": "image/webp",
    "GIF": "image/gif",
}


def photo(form: str, orientation: int = 1) -> bytes:
    """Return an image whose metadata says where it was taken."""
    out = io.BytesIO()
    said = {"comment": SECRET} if form == "GIF" else {"exif": exif(orientation)}
    Image.open(io.BytesIO(PLAIN[form])).save(out, form, **said)
    return out.getvalue()


@pytest.fixture(scope="module")
def signed() -> dict[str, bytes]:
    """Photos with a place in their EXIF, signed."""
    return {form: signing.signed(photo(form), mime) for form, mime in MIMES.items()}


@pytest.mark.parametrize("form", MIMES)
async def test_a_signed_upload_comes_back_valid(
    form: str, signed: dict[str, bytes], ann: User
) -> None:
    data, mime = signed[form], MIMES[form]
    assert signing.problems(data, mime) == []
    client = ChatClient()
    await client.aforce_login(ann)
    file = SimpleUploadedFile("photo", data + b"<script>", mime)
    response = await client.post("/chatkit/attachments/", {"file": file})
    assert response.status_code == 200, response.content
    row = await models.Attachment.objects.aget()
    context = RequestContext.for_user(ann, base_url="http://testserver")
    token = url_tokens.make("attachment", row.pk, "full", context.scope)
    url = file_urls.route(context, "attachment", token)
    response = await client.get(url.removeprefix("http://testserver"))
    assert response.content == data
    assert response["Content-Type"] == mime
    assert signing.problems(response.content, mime) == []


@pytest.mark.parametrize("form", MIMES)
def test_a_project_may_strip_signed_images_too(
    form: str, signed: dict[str, bytes]
) -> None:
    data = imaging.strip(signed[form], credentials=False)
    assert SECRET not in data and b"c2pa" not in data


@pytest.mark.parametrize("form", MIMES)
def test_an_image_that_was_changed_has_no_credentials(
    form: str, signed: dict[str, bytes]
) -> None:
    data = bytearray(signed[form])
    at = data.index(SECRET)
    data[at : at + 2] = b"53"
    assert signing.problems(bytes(data), MIMES[form]) != []
    found = imaging.strip(bytes(data))
    assert SECRET[2:] not in found and b"c2pa" not in found


def store_of(data: bytes) -> bytes:
    [(start, stop)] = png.read(data).credentials
    return data[start:stop]


def with_chunk(data: bytes, body: bytes) -> bytes:
    return data[:33] + png.chunk(b"caBX", body) + data[33:]


def test_a_manifest_that_is_not_its_own_protects_nothing(
    signed: dict[str, bytes],
) -> None:
    store = store_of(signed["PNG"])
    box = struct.pack(">I4s", 25, b"jumb") + struct.pack(">I4s", 17, b"jumd") + b"c2pa"
    for body in (
        b"",
        b"jumb",
        b"c2pa",
        box,
        store + store,
        store[:-1],
        store.replace(b"c2cs", b"c2xx"),
        store.replace(b"c2pa.hash.data", b"c2pa.hush.data"),
    ):
        data = with_chunk(photo("PNG"), body)
        assert imaging.strip(data) == imaging.strip(photo("PNG"))
    assert imaging.strip(with_chunk(photo("PNG"), store)) == signed["PNG"]
    other = photo("PNG", orientation=6)
    assert imaging.strip(with_chunk(other, store)) == imaging.strip(other)


def test_a_hash_that_nobody_here_reads_is_believed(signed: dict[str, bytes]) -> None:
    store = store_of(signed["PNG"]).replace(b"c2pa.hash.data", b"c2pa.hash.boxs")
    data = with_chunk(photo("PNG"), store)
    assert imaging.strip(data) is data


def test_what_a_file_has_behind_its_end_goes_although_it_is_signed() -> None:
    """The credentials go with it, and so does the rest."""
    data = signing.signed(MPO, "image/jpeg")
    found = imaging.strip(data)
    assert found == imaging.strip(MPO)


def test_broken_credentials_are_refused_with_no_other_error(
    signed: dict[str, bytes],
) -> None:
    chance = random.Random(7)
    for data in signed.values():
        first = data.index(b"c2pa")
        for _ in range(150):
            broken = bytearray(data)
            for _ in range(chance.randint(1, 4)):
                at = chance.randrange(first - 20, min(first + 3000, len(data)))
                broken[at] = chance.choice((0, 1, 127, 255, chance.randrange(256)))
            try:
                imaging.strip(bytes(broken))
            except ImageError as error:
                assert error.code == "damaged"


@pytest.mark.parametrize(("value", "is_kept"), [(True, 1), ("always", 0), (False, 1)])
def test_the_setting_says_what_becomes_of_signed_uploads(
    value: Any, is_kept: bool, signed: dict[str, bytes], settings: Any
) -> None:
    settings.CHATKIT_IMAGES = settings.CHATKIT_IMAGES | {"STRIP_METADATA": value}
    data = signed["JPEG"]
    assert (uploaded_files.cleaned(data) == data) is bool(is_kept)
    plain = PLAIN["JPEG"]
    assert uploaded_files.cleaned(plain) == plain
