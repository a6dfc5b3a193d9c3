"""An S3 server in memory that keeps the promise of a conditional write."""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, quote, unquote
from xml.sax.saxutils import escape

from .storages import BUCKET

Headers = dict[str, str]
Answer = tuple[int, Headers, bytes]


class Endpoint:
    """One bucket: PUT, GET, HEAD, DELETE and lists, for one client at a time.

    Attributes:
        objects: The bytes and the time of each object.
        writes: The keys that were written, with what each write was answered.
    """

    def __init__(self, page: int = 1000) -> None:
        self.page = page
        self.objects: dict[str, tuple[bytes, datetime.datetime]] = {}
        self.writes: list[tuple[str, int]] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request."""
        body, more = b"", True
        while more:
            part = await receive()
            if part["type"] != "http.request":
                return
            body += part["body"]
            more = part.get("more_body", False)
        headers = {k.decode().lower(): v.decode() for k, v in scope["headers"]}
        _, bucket, key = f"{unquote(scope['path'])}/".split("/", 2)
        query = parse_qs(scope["query_string"].decode(), keep_blank_values=True)
        if bucket != BUCKET:
            status, answer, content = error(404, "NoSuchBucket")
        else:
            status, answer, content = self.answer(
                scope["method"], key.removesuffix("/"), headers, query, body
            )
        answer.setdefault("content-length", str(len(content)))
        pairs = [(k.encode(), v.encode()) for k, v in answer.items()]
        await send({"type": "http.response.start", "status": status, "headers": pairs})
        shown = b"" if scope["method"] == "HEAD" else content
        await send({"type": "http.response.body", "body": shown})

    def answer(
        self, method: str, key: str, headers: Headers, query: Any, body: bytes
    ) -> Answer:
        """Return status, headers and body."""
        if method == "PUT":
            return self.put(key, headers, body)
        if method == "DELETE":
            self.objects.pop(key, None)
            return 204, {}, b""
        if not key:
            return self.list(query)
        if key not in self.objects:
            return error(404, "NoSuchKey")
        data, changed = self.objects[key]
        modified = changed.strftime("%a, %d %b %Y %H:%M:%S GMT")
        return 200, {"etag": etag(data), "last-modified": modified}, data

    def put(self, key: str, headers: Headers, body: bytes) -> Answer:
        """Write an object, or refuse to if it is there and the client minds."""
        if "aws-chunked" in headers.get("content-encoding", ""):
            body = b"".join(unchunk(body))
        if headers.get("if-none-match") == "*" and key in self.objects:
            self.writes.append((key, 412))
            return error(412, "PreconditionFailed")
        self.objects[key] = body, datetime.datetime.now(datetime.UTC)
        self.writes.append((key, 200))
        return 200, {"etag": etag(body)}, b""

    def list(self, query: dict[str, list[str]]) -> Answer:
        """Return a page of the second version's list."""
        prefix = query.get("prefix", [""])[0]
        after = query.get("continuation-token", query.get("start-after", [""]))[0]
        keys = sorted(k for k in self.objects if k.startswith(prefix) and k > after)
        shown = keys[: self.page]
        entries = "".join(
            f"<Contents><Key>{escape(quote(key))}</Key><Size>{len(data)}</Size>"
            f"<LastModified>{changed.isoformat()}</LastModified>"
            f"<ETag>{escape(etag(data))}</ETag></Contents>"
            for key in shown
            for data, changed in [self.objects[key]]
        )
        more = len(keys) > len(shown)
        token = f"<NextContinuationToken>{shown[-1]}</NextContinuationToken>"
        text = (
            '<?xml version="1.0" encoding="UTF-8"?><ListBucketResult>'
            f"<Name>{BUCKET}</Name><EncodingType>url</EncodingType>"
            f"<IsTruncated>{str(more).lower()}</IsTruncated>{token if more else ''}"
            f"<KeyCount>{len(shown)}</KeyCount>{entries}</ListBucketResult>"
        )
        return 200, {"content-type": "application/xml"}, text.encode()


def unchunk(body: bytes) -> Iterator[bytes]:
    """Yield the chunks of a body as Amazon's clients cut it up."""
    while body:
        size, _, rest = body.partition(b"\r\n")
        length = int(size.partition(b";")[0], 16)
        if not length:
            return
        yield rest[:length]
        body = rest[length + 2 :]


def etag(data: bytes) -> str:
    """Return the tag of an object."""
    return f'"{hashlib.md5(data).hexdigest()}"'


def error(status: int, code: str) -> Answer:
    """Return a refusal."""
    text = f"<Error><Code>{code}</Code><Message>{code}</Message></Error>"
    return status, {"content-type": "application/xml"}, text.encode()
