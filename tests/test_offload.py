"""Files that nginx or the storage sends in place of the app; without nginx."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client, RequestFactory

from chatkit_images import models, storage
from chatkit_images.checks import check_settings
from chatkit_images.views import offloading
from tests.test_serving import Backwards, Odd, body_of, make, path_of

__all__ = ["Backwards", "Odd", "make"]
BACKEND = "storages.backends.s3.S3Storage"
S3 = {
    "BACKEND": BACKEND,
    "OPTIONS": {
        "bucket_name": "images",
        "access_key": "key",
        "secret_key": "secret",
        "region_name": "eu-central-1",
        "location": "media",
    },
}


class Signing(Odd):
    """A storage with URLs of its own."""

    def url(self, name: str | None) -> str:
        return f"https://storage.example/{name}?signed"


@pytest.fixture
def redirect(settings: Any) -> None:
    entry = {"BACKEND": "tests.test_offload.Signing"}
    settings.STORAGES = settings.STORAGES | {"default": entry}
    use(settings, OFFLOAD={"default": "redirect"})


def use(settings: Any, **values: Any) -> None:
    settings.CHATKIT_IMAGES = settings.CHATKIT_IMAGES | values


def test_a_browser_is_sent_to_the_storage(
    redirect: None, make: Any, client: Client
) -> None:
    image = make(b"0123456789")
    answer = client.get(path_of(image))
    assert (answer.status_code, answer.content) == (302, b"")
    assert answer["Location"] == f"https://storage.example/{image.file.name}?signed"
    assert answer["Cache-Control"] == "no-store"
    assert answer["Referrer-Policy"] == "no-referrer"
    assert answer["Access-Control-Allow-Origin"] == "*"
    assert client.head(path_of(image)).status_code == 200
    has = {"If-None-Match": f'"{image.sha256}"'}
    assert client.get(path_of(image), headers=has).status_code == 304
    models.GeneratedImage.objects.update(status="blocked", finished_at=image.created_at)
    assert client.get(path_of(image)).status_code == 410


@pytest.mark.parametrize("why", ["svg", "spooled", "encrypted", "its own alias"])
def test_what_the_storage_must_not_send_comes_from_the_app(
    redirect: None, make: Any, client: Client, settings: Any, why: str
) -> None:
    if why == "encrypted":
        use(settings, FILE_CIPHER="tests.test_offload.Backwards")
    if why == "its own alias":
        use(settings, OFFLOAD={"another": "redirect"})
    image = make(b"0123456789", mime="image/svg+xml" if why == "svg" else "image/png")
    if why == "spooled":
        storage.spool.keep(image.file.name, b"0123456789")
    answer = client.get(path_of(image))
    assert (answer.status_code, body_of(answer)) == (200, b"0123456789")


def test_nginx_gets_the_place_of_a_file_and_all_its_headers(
    make: Any, client: Client, settings: Any
) -> None:
    image = make()
    plain = client.get(path_of(image))
    assert body_of(plain)
    use(settings, OFFLOAD={"default": "/_images/"})
    answer = client.get(path_of(image))
    assert answer.content == b""
    assert answer["X-Accel-Redirect"] == f"/_images/{image.file.name}"
    for header, value in plain.items():
        if header not in ("Content-Length", "Cache-Control"):
            assert answer[header] == value
    assert answer["X-Chatkit-Cache-Control"] == plain["Cache-Control"]
    assert answer["Cache-Control"] == "private"
    # nginx keeps no answer that it has to make itself.
    use(settings, PROXY_CACHE_SECONDS=60)
    kept = client.get(path_of(image))
    assert body_of(kept) == body_of(client.get(path_of(image)))
    assert kept["X-Accel-Expires"] == "60"
    names = list(kept.headers)
    assert names.index("X-Accel-Expires") < names.index("Cache-Control")
    assert kept["Cache-Control"] == "private, max-age=840, immutable"
    # A file that is not what the row says is kept nowhere.
    odd = client.get(path_of(make(b"0123456789", bytes=3)))
    assert "X-Accel-Expires" not in odd


def test_nginx_gets_a_signed_url_of_an_object(
    make: Any, client: Client, settings: Any
) -> None:
    pytest.importorskip("storages")
    pytest.importorskip("boto3")
    settings.STORAGES = settings.STORAGES | {"objects": S3}
    use(settings, OFFLOAD={"objects": "/_objects/"})
    image = make(storage_alias="objects")
    answer = client.get(path_of(image))
    path, _, query = answer["X-Accel-Redirect"].partition("?")
    assert path == f"/_objects/media/{image.file.name}"
    assert "X-Amz-Signature=" in query
    use(settings, OFFLOAD={"objects": "redirect"})
    answer = client.get(path_of(image))
    assert answer.status_code == 302
    assert answer["Location"].startswith("https://images.s3")


@pytest.mark.parametrize("sender", ["redirect", "/_objects/"])
def test_an_object_of_which_no_url_is_enough_comes_from_the_app(
    settings: Any, rf: RequestFactory, sender: str
) -> None:
    pytest.importorskip("storages")
    pytest.importorskip("boto3")
    name = storage.new_name("images", "png")
    for more, is_sent in (
        ({"CacheControl": "no-store"}, True),
        ({"RequestPayer": "requester"}, False),
        ({"SSECustomerKey": "k" * 32, "SSECustomerAlgorithm": "AES256"}, False),
    ):
        options = S3["OPTIONS"] | {"object_parameters": more}  # type: ignore[operator]
        entry = {"BACKEND": BACKEND, "OPTIONS": options}
        settings.STORAGES = settings.STORAGES | {"objects": entry}
        use(settings, OFFLOAD={"objects": sender})
        what = (name, "objects", "image/png", 10)
        told = offloading.answer_of(rf.get("/"), *what, {"Cache-Control": "x"})
        assert (told is not None) == is_sent
        warned = [each.id for each in check_settings(None) if "OFFLOAD" in each.msg]
        assert warned == [] if is_sent else ["chatkit_images.W026"]


def test_the_senders_are_checked(settings: Any) -> None:
    odd = {"BACKEND": "tests.test_offload.Odd"}
    settings.STORAGES = settings.STORAGES | {"odd": odd}

    def ids(senders: Any, **more: Any) -> list[str]:
        use(settings, OFFLOAD=senders, FILE_CIPHER=None, **more)
        found = check_settings(None)
        return [each.id or "" for each in found if "OFFLOAD" in each.msg]

    assert ids({"default": "/_images/"}) == []
    assert ids("/_images/") == ["chatkit_images.E032"]
    for sender in ("_images/", "/_images", "/", "/a b/", "//", 1, None, "/../x y/"):
        assert ids({"default": sender}) == ["chatkit_images.E032"], sender
    assert ids({"gone": "/_images/"}) == ["chatkit_images.E033"]
    assert ids({"odd": "/_images/"}) == ["chatkit_images.W026"]
    assert ids({"odd": "redirect"}) == []
    assert ids({"default": "redirect"}) == ["chatkit_images.W026"]
    use(
        settings, OFFLOAD={"default": "/_images/"}, FILE_CIPHER="tests.test_offload.Odd"
    )
    found = [each.id for each in check_settings(None) if "OFFLOAD" in each.msg]
    assert found == ["chatkit_images.W026"]
