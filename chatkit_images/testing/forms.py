"""Forms with files, as ``multipart/form-data`` has them."""

from __future__ import annotations

from email.message import Message

from .script import JSON


def fields(content_type: str, data: bytes) -> JSON:
    """Return the fields of a form: texts, and files as bytes.

    A field whose name ends with ``[]`` is a list, under the name without it.

    Raises:
        ValueError: The body is no form.
    """
    boundary = _parameter("Content-Type", content_type, "boundary")
    if not boundary:
        raise ValueError("The request is no multipart form.")
    found: JSON = {}
    for part in (b"\r\n" + data).split(b"\r\n--" + boundary.encode())[1:-1]:
        head, gap, body = part.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        disposition = _header(head, "content-disposition")
        name = _parameter("Content-Disposition", disposition, "name")
        if not gap or not name:
            raise ValueError("A part of the form has no name.")
        filed = _parameter("Content-Disposition", disposition, "filename")
        value = body if filed else body.decode()
        if name.endswith("[]"):
            found.setdefault(name[:-2], []).append(value)
        else:
            found[name] = value
    return found


def _header(head: bytes, name: str) -> str:
    for line in head.decode("utf-8", "replace").split("\r\n"):
        key, _, value = line.partition(":")
        if key.strip().lower() == name:
            return value.strip()
    return ""


def _parameter(header: str, value: str, name: str) -> str:
    message = Message()
    message[header] = value
    return str(message.get_param(name, "", header=header) or "")
