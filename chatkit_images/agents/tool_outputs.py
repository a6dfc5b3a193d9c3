"""Which images are in what the tools of a run have returned."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from agents import RunItem, StreamEvent, ToolCallOutputItem, ToolOutputImage
from agents.tool import ToolOrigin, ToolOriginType

from ..models import GeneratedImage

# Files in a container of code interpreter that are read. All others stay there.
ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".svg")


class ModelImage(ToolOutputImage):
    """An image that a tool gives to the model, and not to the person.

    It is what a tool returns for an image that the thread has already, or that is none
    of its own, such as a screenshot. It is never kept.
    """


@dataclass(frozen=True)
class FoundImage:
    """An image in the result of a tool.

    Attributes:
        key: What tells it apart from the others of its run, whatever brings it.
        source: One of ``GeneratedImage.Source``.
        url: A ``data:`` or another URL; empty if there is none.
        file: The ids of the container and the file of code interpreter's that it is.
        details: What is known of the tool.
    """

    key: tuple[str, int | str]
    source: str
    url: str = ""
    file: tuple[str, str] | None = None
    details: tuple[tuple[str, str], ...] = ()

    @property
    def is_here(self) -> bool:
        """Whether its bytes are in its URL."""
        return self.url[:5].lower() == "data:"


def of_event(event: StreamEvent) -> list[FoundImage]:
    """Return the images that an event of a run brings."""
    if event.type == "run_item_stream_event":
        return of_run_items([event.item])
    if event.type != "raw_response_event":
        return []
    if event.data.type == "response.output_item.done":
        return of_items([event.data.item])
    if event.data.type == "response.completed":
        # Some gateways tell what an item has brought at the end only.
        return of_items(_listed(event.data.response, "output"))
    return []


def of_run_items(items: Iterable[RunItem]) -> list[FoundImage]:
    """Return the images that tools have returned among the items of a run."""
    outputs = (item for item in items if isinstance(item, ToolCallOutputItem))
    return [found for item in outputs for found in _of_output(item)]


def of_items(items: Iterable[Any]) -> list[FoundImage]:
    """Return the images that code interpreter has made in items of a response."""
    return [found for item in items for found in _of_item(item)]


def of_result(
    output: Any,
    call_id: str,
    origin: ToolOrigin | None,
) -> Iterator[FoundImage]:
    """Yield the images that a tool has returned, in their order.

    Args:
        output: What it has returned: one of the SDK's objects or dicts, or several.
        call_id: The id of its call.
        origin: What kind of tool it is, if the SDK says so.
    """
    is_mcp = origin is not None and origin.type is ToolOriginType.MCP
    source = GeneratedImage.Source.MCP if is_mcp else GeneratedImage.Source.TOOL
    server = origin.mcp_server_name if origin is not None else None
    details = (("mcp_server", server),) if server else ()
    for index, part in enumerate(
        output if isinstance(output, list | tuple) else [output]
    ):
        if isinstance(part, ToolOutputImage) and not isinstance(part, ModelImage):
            url = part.image_url or ""
        elif isinstance(part, Mapping) and part.get("type") == "image":
            url = str(part.get("image_url") or "")
        elif isinstance(part, Mapping) and (blob := _of_resource(part)):
            url = blob
        else:
            continue
        yield FoundImage((call_id, index), source, url.strip(), details=details)


def _of_resource(part: Mapping[str, Any]) -> str:
    """Return the data URL of an MCP resource, of which the SDK makes a text, if any."""
    text = str(part.get("text") or "")
    if part.get("type") != "text" or not text.startswith('{"type":"resource"'):
        return ""
    try:
        resource = json.loads(text)["resource"]
        mime, blob = str(resource["mimeType"]), str(resource["blob"])
    except (ValueError, KeyError, TypeError):
        return ""
    return f"data:{mime};base64,{blob}" if mime.lower().startswith("image/") else ""


def _of_output(item: ToolCallOutputItem) -> Iterator[FoundImage]:
    raw: Any = item.raw_item
    if not isinstance(raw, Mapping) or raw.get("type") != "function_call_output":
        # A screenshot of the computer tool, say.
        return
    yield from of_result(item.output, item.call_id or "", item.tool_origin)


def _of_item(item: Any) -> Iterator[FoundImage]:
    kind = getattr(item, "type", "")
    if kind == "code_interpreter_call":
        details = (("container", str(getattr(item, "container_id", ""))),)
        for index, output in enumerate(_listed(item, "outputs")):
            if getattr(output, "type", "") == "image":
                url = str(getattr(output, "url", "") or "")
                yield FoundImage(
                    (str(getattr(item, "id", "")), index),
                    GeneratedImage.Source.CODE,
                    url,
                    details=details,
                )
    elif kind == "message":
        for part in _listed(item, "content"):
            for cited in _listed(part, "annotations"):
                yield from _of_citation(cited)


def _listed(source: Any, name: str) -> list[Any]:
    """Return a list that a provider has sent; it may send anything in its place."""
    value = getattr(source, name, None)
    return value if isinstance(value, list) else []


def _of_citation(cited: Any) -> Iterator[FoundImage]:
    """Yield the image in a container that a text cites; it may be a document, too."""
    if getattr(cited, "type", "") != "container_file_citation":
        return
    name = str(getattr(cited, "filename", "") or "")
    container = str(getattr(cited, "container_id", "") or "")
    file = str(getattr(cited, "file_id", "") or "")
    if container and file and name.lower().endswith(ENDINGS):
        details = (("container", container), ("filename", name))
        yield FoundImage(
            (container, file),
            GeneratedImage.Source.CODE,
            file=(container, file),
            details=details,
        )
