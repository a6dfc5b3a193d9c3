"""A name that is taken keeps its bytes, on S3 and on a disk."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chatkit_images import storage
from chatkit_images.testing import Image, LoopbackAPI, Text, serve
from tests.client import ChatClient

from .endpoint import Endpoint
from .proxy import Network, network
from .storages import s3_storage
from .watching import FORMATS, in_storage, listen, only_image, served, spooled

pytestmark = pytest.mark.row("D03")


@pytest.fixture
def endpoint() -> Endpoint:
    return Endpoint(page=3)


@pytest.fixture
def wire(endpoint: Endpoint, settings: Any) -> Iterator[Network]:
    """The project's storage is the scripted endpoint, behind a network."""
    with serve(endpoint, path="") as url, network(int(url.rpartition(":")[2])) as net:
        settings.STORAGES = settings.STORAGES | {
            "chatkit_images": s3_storage(net.url, "shop")
        }
        yield net


@pytest.mark.parametrize("place", [pytest.param("s3", id="D03-taken-name-s3")])
def test_a_second_write_leaves_the_first_alone(
    wire: Network, endpoint: Endpoint, place: str
) -> None:
    name = storage.new_name("images", "png")
    storage.store(name, b"first")
    storage.store(name, b"second")
    assert [status for _, status in endpoint.writes] == [200, 412]
    assert storage.read(name) == b"first"
    assert spooled() == []


@pytest.mark.parametrize("place", [pytest.param("fs", id="D03-taken-name-fs")])
def test_a_second_file_leaves_the_first_alone(place: str, settings: Any) -> None:
    name = storage.new_name("images", "png")
    storage.store(name, b"first")
    storage.store(name, b"second")
    assert storage.read(name) == b"first"
    files = [p for p in Path(settings.MEDIA_ROOT).rglob("*") if p.is_file()]
    assert len(files) == 1


@pytest.mark.parametrize(
    "form", [pytest.param(form, id=f"D03-written-twice-{form}") for form in FORMATS]
)
async def test_a_write_whose_answer_was_lost_is_not_a_failure(
    wire: Network, endpoint: Endpoint, chat: ChatClient, model: LoopbackAPI, form: str
) -> None:
    """It got through; the second try is told that the name is taken."""
    data = FORMATS[form]
    model.respond_with(Image(data=data, partials=0), Text("Done."))
    wire.suffer(lose_answer=True, times=1, writes_only=True)

    answer = await listen(chat, "a meadow")

    image = await only_image()
    assert image.status == "completed"
    assert 412 in [status for _, status in endpoint.writes]
    assert spooled() == []
    assert await in_storage(str(image.file.name)) == data
    assert await served(chat, answer.item) == data


@pytest.mark.parametrize("count", [pytest.param(10, id="D03-dated-listing")])
def test_a_listing_is_one_request_a_page(
    wire: Network, endpoint: Endpoint, count: int
) -> None:
    names = [storage.new_name("images", "png") for _ in range(count)]
    for name in names:
        storage.store(name, b"bytes")
    wire.proxy.requests.clear()
    listed = dict(storage.listing())
    assert sorted(listed) == sorted(names)
    assert all(-1 <= age < 60 for age in listed.values())
    assert wire.proxy.requests == ["GET"] * 4


@pytest.mark.parametrize("times", [1, 3])
@pytest.mark.parametrize("status", [pytest.param(501, id="D03-no-conditional-writes")])
def test_a_server_without_conditional_writes_still_works(
    wire: Network, endpoint: Endpoint, status: int, times: int
) -> None:
    wire.suffer(status=status, code="NotImplemented", times=times, writes_only=True)
    name = storage.new_name("images", "png")
    storage.store(name, b"bytes")
    assert storage.read(name) == b"bytes"
