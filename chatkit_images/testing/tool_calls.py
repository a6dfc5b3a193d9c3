"""How the loopback model calls a function tool when nothing is scripted."""

from __future__ import annotations

import json
import re
from typing import Any

from . import request
from .script import JSON, Step, Text, ToolCall

#: Schemas that nest deeper get nothing below.
DEPTH = 6
#: Characters of a tool's output that the answer repeats.
SHOWN = 400

NAMED = re.compile(r"\s*([A-Za-z0-9_-]+)\s*(\{.*\})\s*", re.S)
# Of an image or an attachment. Base64 has no underscore.
ID = re.compile(r"\b(?:img|atc)_[0-9a-f]{32}\b")
NUMBER = re.compile(r"-?\d+(?:\.\d+)?")


def spelled_out(body: JSON, text: str) -> list[Step] | None:
    """Return the call that a text such as ``draw_square {"colour": "red"}`` names.

    None if the text has no such form, or the request no such tool.
    """
    match = NAMED.fullmatch(text)
    if match is None or match[1] not in function_tools(body):
        return None
    try:
        return answer(body, ToolCall(match[1], json.loads(match[2])))
    except ValueError:
        return None


def any_tool(body: JSON, text: str) -> list[Step] | None:
    """Return a call of the tool that the text names, else of the request's first.

    Its arguments are the text's own words and numbers, as its schema takes them. One
    whose name ends with "_id" is the last id of an image in the input, if there is one.
    None if the request has no function tool.
    """
    tools = function_tools(body)
    if not tools:
        return None
    words = set(re.findall(r"[\w-]+", text))
    name = next((name for name in tools if name in words), next(iter(tools)))
    arguments = value(tools[name].get("parameters") or {}, text)
    arguments = arguments if type(arguments) is dict else {}
    if found := ID.findall(json.dumps(body.get("input"))):
        asked = (key for key in arguments if key.endswith("_id"))
        arguments |= {key: found[-1] for key in asked if arguments[key] == text}
    return answer(body, ToolCall(name, arguments))


def function_tools(body: JSON) -> dict[str, JSON]:
    """Return the request's function tools by their names."""
    tools = (tool for tool in body.get("tools") or [] if type(tool) is dict)
    return {str(t.get("name")): t for t in tools if t.get("type") == "function"}


def answer(body: JSON, call: ToolCall) -> list[Step]:
    """Return the call, or what is said about its output once the request has that."""
    for item in request.messages(body):
        if item.get("type") == "function_call_output":
            return [Text(f"The tool answered: {output_text(item)}")]
        if item.get("role") == "user" and request.text_of(item):
            break
    return [call]


def output_text(item: JSON) -> str:
    """Return what a tool's output says, with a word for each image in it."""
    output = item.get("output")
    if not isinstance(output, list):
        return str(output)[:SHOWN]
    parts = (part for part in output if type(part) is dict)
    return " ".join(str(p.get("text") or f"({p.get('type')})") for p in parts)[:SHOWN]


def value(schema: JSON, text: str, depth: int = DEPTH, root: JSON | None = None) -> Any:
    """Return a value for a JSON schema, out of the words and numbers of a text."""
    root = schema if root is None else root
    if "$ref" in schema:
        name = str(schema["$ref"]).rpartition("/")[2]
        schema = (root.get("$defs") or {}).get(name) or {}
    for key in ("default", "const"):
        if key in schema:
            return schema[key]
    if schema.get("enum"):
        said = (each for each in schema["enum"] if str(each) in text)
        return next(said, schema["enum"][0])
    choices = schema.get("anyOf") or schema.get("oneOf") or []
    kinds = [choice.get("type") for choice in choices]
    if "null" in kinds or depth == 0:
        return None
    if choices:
        return value(choices[0], text, depth - 1, root)
    match schema.get("type"):
        case "object":
            properties = (schema.get("properties") or {}).items()
            return {n: value(each, text, depth - 1, root) for n, each in properties}
        case "array":
            return _array(schema.get("items") or {}, text, depth - 1, root)
        case "integer" | "number" as kind:
            return (_numbers(kind, text) or [schema.get("minimum", 1)])[0]
        case "boolean":
            return False
        case "null":
            return None
    return text


def _array(items: JSON, text: str, depth: int, root: JSON) -> list[Any]:
    kind = items.get("type")
    if kind in ("integer", "number") and (numbers := _numbers(kind, text)):
        return numbers
    return [value(items, text, depth, root)]


def _numbers(kind: str, text: str) -> list[int] | list[float]:
    found = [float(number) for number in NUMBER.findall(text)]
    return [int(number) for number in found] if kind == "integer" else found
