"""Images from URLs that others have named: public addresses, bounds, redirects."""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from chatkit_images import failures, fetching
from chatkit_images.exceptions import FetchFailed, FetchRefused, ImageError
from chatkit_images.failures import Reason
from chatkit_images.fetching import fetch_image
from chatkit_images.fetching.addresses import is_public, is_public_url
from tests.image_files import image_file

PNG = image_file("red")
PRIVATE = """
    127.0.0.1 127.8.8.8 0.0.0.0 10.0.0.1 172.16.0.1 192.168.1.1
    169.254.169.254 100.64.0.1 100.100.100.200 192.0.0.192 198.18.0.1
    224.0.0.1 239.255.255.250 240.0.0.1 255.255.255.255 168.63.129.16 :: ::1
    ::ffff:127.0.0.1 ::ffff:8.8.8.8 ::7f00:1 fe80::1 fec0::1 fd00:ec2::254
    fc00::1 ff02::1 ff0e::1 64:ff9b::7f00:1 64:ff9b::a9fe:a9fe 64:ff9b:1::1
    2002:7f00:1:: 2001:0:1::1 2001:db8::1 100::1
"""
PUBLIC = ["8.8.8.8", "93.184.216.34", "2606:4700::1111", "64:ff9b::808:808"]


class Host:
    """Answers each request with the bytes that are given for its path."""

    def __init__(self) -> None:
        self.answers: dict[str, bytes] = {}
        self.requests: list[str] = []
        self.port = 0
        self.never = asyncio.Event()
        # What is asked for as /held waits for this.
        self.opened = asyncio.Event()

    async def answer(self, reader: Any, writer: asyncio.StreamWriter) -> None:
        request = (await reader.readuntil(b"\r\n\r\n")).decode()
        self.requests.append(request.lower())
        path = request.split()[1]
        if path == "/held":
            await self.opened.wait()
        writer.write(self.answers.get(path, b""))
        await writer.drain()
        if path == "/endless":
            await self.never.wait()
        writer.close()

    @property
    def name(self) -> str:
        return f"127.0.0.1:{self.port}"

    def url(self, path: str) -> str:
        return f"http://{self.name}{path}"


def response(body: bytes = PNG, status: str = "200 OK", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", *headers, f"content-length: {len(body)}", "", ""]
    return "\r\n".join(lines).encode() + body


def redirect(location: str) -> bytes:
    return response(b"", "302 Found", f"location: {location}")


@asynccontextmanager
async def hosting(context: ssl.SSLContext | None = None) -> AsyncIterator[Host]:
    host = Host()
    server = await asyncio.start_server(host.answer, "127.0.0.1", 0, ssl=context)
    host.port = server.sockets[0].getsockname()[1]
    async with server:
        yield host
        host.never.set()
        host.opened.set()


def test_urls_that_nobody_else_reaches_are_not_public() -> None:
    """By names as browsers read them; no name is looked up."""
    inner = [
        *("127.1", "192.168.1", "0x7f.0.0.1", "0177.0.0.1", "10.0x1", "1.2.3.4.5"),
        *("shop.test", "localhost.localdomain", "shop.corp", "shop.intranet", "web"),
        *("a.local", "10.0.0.7", "[::1]", "shop.example:99999", "shop.example:0", ""),
    ]
    for host in inner:
        assert not is_public_url(f"https://{host}/a.png"), host
    for host in ("shop.example", "shop.example.:8443", "1.1.1.1", "x1.0xyz", "a.1b"):
        assert is_public_url(f"https://{host}/a.png"), host


def test_only_public_addresses_are_public() -> None:
    addresses = map(ipaddress.ip_address, PRIVATE.split())
    assert [str(each) for each in addresses if is_public(each)] == []
    assert all(is_public(ipaddress.ip_address(each)) for each in PUBLIC)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("http://8.8.8.8/a.png", "not from 'http'"),
        ("ftp://8.8.8.8/a.png", "not from 'ftp'"),
        ("file:///etc/passwd", "not from 'file'"),
        ("data:image/png;base64,aaaa", "not from 'data'"),
        ("https:///a.png", "Images are read from https"),
        ("no URL", "Images are read from https"),
        ("https://a\x00b/", "The URL is bad"),
        ("https://ann:secret@8.8.8.8/a.png", "a name or a password"),
        ("https://8.8.8.8:99999/", "There is no port 99999"),
        ("https://8.8.8.8/" + "a" * 9000, "too long"),
        # Forms of 127.0.0.1 and its like that a look-up understands.
        ("https://127.0.0.1/a.png", "127.0.0.1, which is no public address"),
        ("https://127.1/a.png", "127.0.0.1, which is no public address"),
        ("https://2130706433/a.png", "127.0.0.1, which is no public address"),
        ("https://0x7f000001/a.png", "127.0.0.1, which is no public address"),
        ("https://localhost/a.png", "which is no public address"),
        ("https://169.254.169.254/latest/meta-data/", "no public address"),
        ("https://[::1]/a.png", "::1, which is no public address"),
        ("https://[::ffff:127.0.0.1]/a.png", "no public address"),
        ("https://[64:ff9b::7f00:1]/a.png", "no public address"),
    ],
)
async def test_url_is_refused(url: str, message: str) -> None:
    with pytest.raises(FetchRefused, match=message) as refused:
        await fetch_image(url)
    failure = failures.of(refused.value)
    assert failure is not None
    assert (failure.reason, failure.code) == (Reason.NO_RESULT, refused.value.code)


async def test_checked_address_is_the_one_that_is_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[tuple[str, str, str]] = []
    answers = iter(["93.184.216.34", "127.0.0.1"])

    def look_up(host: str, port: int, **options: Any) -> list[Any]:
        return [(0, 0, 0, "", (next(answers), port))]

    async def send(self: Any, request: httpx2.Request) -> httpx2.Response:
        sni = request.extensions["sni_hostname"]
        asked.append((str(request.url), request.headers["host"], sni))
        return httpx2.Response(200, stream=httpx2.ByteStream(PNG))

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    monkeypatch.setattr(httpx2.AsyncHTTPTransport, "handle_async_request", send)
    assert await fetch_image("https://rebinding.example/a.png?b=1#c") == PNG
    name = "rebinding.example"
    assert asked == [("https://93.184.216.34/a.png?b=1", name, name)]
    # The second look-up has the other answer, which is checked like the first.
    with pytest.raises(FetchRefused, match="'rebinding.example' is at 127.0.0.1"):
        await fetch_image("https://rebinding.example/a.png")


async def test_redirects_are_checked_and_counted() -> None:
    async with hosting() as host, hosting() as other:
        host.answers = {
            "/once": redirect("/a.png"),
            "/a.png": response(),
            "/inside": redirect("https://169.254.169.254/latest/meta-data/"),
            "/plain": redirect("http://8.8.8.8/a.png"),
            "/other": redirect(other.url("/a.png")),
            "/round": redirect("/round"),
            "/nowhere": response(b"", "302 Found"),
        }
        other.answers = {"/a.png": response()}
        own = {"allowed_hosts": [host.name], "headers": {"Authorization": "Bearer t"}}
        assert await fetch_image(host.url("/once"), **own) == PNG
        assert all("authorization: bearer t" in each for each in host.requests)
        for path, message in {
            "/inside": "169.254.169.254, which is no public address",
            "/plain": "not from 'http'",
            "/other": "not from 'http'",
            "/round": "more than 3 redirects",
        }.items():
            with pytest.raises(FetchRefused, match=message):
                await fetch_image(host.url(path), **own)
        with pytest.raises(FetchFailed, match="leads nowhere"):
            await fetch_image(host.url("/nowhere"), **own)
        assert other.requests == []
        both = own | {"allowed_hosts": [host.name, other.name]}
        assert await fetch_image(host.url("/other"), **both) == PNG
        assert "authorization" not in other.requests[0]
        assert f"host: {other.name}" in other.requests[0]


async def test_body_is_bounded(settings: Any) -> None:
    settings.CHATKIT_IMAGES = settings.CHATKIT_IMAGES | {"MAX_IMAGE_BYTES": 100}
    endless = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
    async with hosting() as host:
        host.answers = {
            "/told": response(b"a" * 101),
            # It never ends, so what is refused is refused before its end.
            "/endless": endless + b"65\r\n" + b"a" * 101 + b"\r\n",
            "/packed": response(b"abc", "200 OK", "content-encoding: gzip"),
            "/page": response(b"<html>"),
            "/cut": response()[:-9],
            "/gone": response(b"", "404 Not Found"),
            "/broken": response(b"", "503 Service Unavailable"),
        }
        for path, message in {
            "/told": "more than 100 bytes",
            "/endless": "more than 100 bytes",
            "/packed": "compressed by 'gzip'",
        }.items():
            with pytest.raises(FetchRefused, match=message):
                await fetch_image(host.url(path), allowed_hosts=[host.name])
        with pytest.raises(ImageError, match="unknown type"):
            await fetch_image(host.url("/page"), allowed_hosts=[host.name])
        for path, reason in {
            "/cut": Reason.BROKEN_OFF,
            "/gone": Reason.NO_RESULT,
            "/broken": Reason.OVERLOADED,
        }.items():
            with pytest.raises(FetchFailed, match="127.0.0.1") as failed:
                await fetch_image(
                    host.url(path), max_bytes=9_999, allowed_hosts=[host.name]
                )
            assert failures.of(failed.value).reason is reason  # type: ignore[union-attr]


async def test_time_is_bounded() -> None:
    async with hosting() as host:
        host.answers = {"/endless": b"HTTP/1.1 200 OK\r\n\r\n"}
        url = host.url("/endless")
        with pytest.raises(FetchFailed, match=r"more than 0\.05 seconds") as failed:
            await fetch_image(url, timeout=0.05, allowed_hosts=[host.name])
    assert failures.of(failed.value).reason is Reason.TIMEOUT  # type: ignore[union-attr]


async def test_another_address_is_tried_and_nobody_is_a_failure(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with hosting() as host:
        host.answers = {"/a.png": response()}

        def look_up(name: str, port: int, **options: Any) -> list[Any]:
            found = ["127.0.0.2", "127.0.0.1"] if name == "images.example" else []
            return [(0, 0, 0, "", (each, port)) for each in found]

        monkeypatch.setattr(socket, "getaddrinfo", look_up)
        name = f"images.example:{host.port}"
        url = f"http://{name}/a.png"
        assert await fetch_image(url, allowed_hosts=[name.upper()]) == PNG
        with pytest.raises(FetchFailed, match="has no address"):
            await fetch_image("https://nobody.example/")
    with pytest.raises(FetchFailed, match="does not answer") as failed:
        await fetch_image(url, allowed_hosts=[name])
    assert failures.of(failed.value).reason is Reason.BROKEN_OFF  # type: ignore[union-attr]


async def test_certificate_is_that_of_the_name(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    serving, trusting = certificates("images.example", tmp_path)
    monkeypatch.setattr(
        socket,
        "getaddrinfo",
        lambda name, port, **options: [(0, 0, 0, "", ("127.0.0.1", port))],
    )
    async with hosting(serving) as host:
        host.answers = {"/a.png": response()}
        for name, context in (
            ("images.example", trusting),
            ("other.example", trusting),
            ("images.example", None),
        ):
            url = f"https://{name}:{host.port}/a.png"
            options: Any = {"allowed_hosts": [f"{name}:{host.port}"]}
            options["ssl_context"] = context
            if name == "images.example" and context is not None:
                assert await fetch_image(url, **options) == PNG
                continue
            with pytest.raises(FetchFailed, match="certificate verify failed"):
                await fetch_image(url, **options)


async def test_environment_is_not_asked_for_a_proxy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    async with hosting() as host:
        host.answers = {"/a.png": response()}
        url = host.url("/a.png")
        assert await fetch_image(url, allowed_hosts=[host.name]) == PNG
    assert fetching.MOST_REDIRECTS == 3


def certificates(name: str, path: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Return what a host presents for its name, and what trusts it."""
    x509 = pytest.importorskip("cryptography.x509", reason="It makes certificates.")
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    (path / "host.pem").write_bytes(certificate + private)
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(path / "host.pem")
    return serving, ssl.create_default_context(cadata=certificate.decode())
