"""A model that refuses requests with files in them, in several dialects."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence

from django.core.files.uploadedfile import SimpleUploadedFile

from chatkit_images.attachment_store import DjangoAttachmentStore
from chatkit_images.context import RequestContext
from chatkit_images.testing import JSON, HTTPError, Image, Step, Text
from tests.client import ChatClient, done_items, of_type, thread_id

# How it says which part of an input it refuses: by place, in words only, or not at all.
DIALECTS = ("param", "message", "bare", "413")
FILES = ("input_image", "input_file")
MESSAGE = "assistant_message"


def parts_of(body: JSON) -> Iterator[tuple[int, int, JSON]]:
    """Yield all parts of a request's messages, with their places."""
    for item, message in enumerate(body["input"]):
        if isinstance(message.get("content"), list):
            for place, part in enumerate(message["content"]):
                yield item, place, part


def is_file(part: JSON) -> bool:
    """Whether a part is a file, or the text of one."""
    text = str(part.get("text", ""))
    return part["type"] in FILES or text.startswith(("The file '", "The source of"))


class Poison:
    """Refuses each request that has a part of some kind, and answers all others.

    Args:
        dialect: One of ``DIALECTS``.
    """

    def __init__(self, dialect: str) -> None:
        self.dialect = dialect
        self.requests = 0
        self.is_refused: Callable[[JSON], bool] = lambda part: False
        # What it says instead of the words of its dialect.
        self.refusal: Step | None = None
        self.no_roles: tuple[str, ...] = ()
        # How many files are not too many for it.
        self.most_files = 1000
        self.steps: Sequence[Step] = (Text("All right."),)

    def refuse_files(self) -> None:
        """Refuse all files."""
        self.is_refused = is_file

    def refuse(self, *marks: str) -> None:
        """Refuse the files that contain one of some texts."""
        self.is_refused = lambda part: (
            is_file(part) and any(mark in json.dumps(part) for mark in marks)
        )

    def __call__(self, body: JSON) -> Sequence[Step]:
        """Answer a request."""
        self.requests += 1
        return self.answer(body)

    def answer(self, body: JSON) -> Sequence[Step]:
        """Return an answer or a refusal."""
        parts = list(parts_of(body))
        for item, place, part in parts:
            if self.is_refused(part):
                return [self.refusal or self._refusal(item, place)]
        if any(message.get("role") in self.no_roles for message in body["input"]):
            return [self.refusal or self._refusal(0, 0)]
        if sum(is_file(part) for _, _, part in parts) > self.most_files:
            return [HTTPError(400, "context_length_exceeded", "Too many tokens.")]
        return self.steps

    def _refusal(self, item: int, place: int) -> Step:
        where = f"input[{item}].content[{place}]"
        if self.dialect == "param":
            message = f"Invalid '{where}.image_url'. Expected a valid image."
            return HTTPError(400, "invalid_image_format", message)
        if self.dialect == "message":
            message = "The image data you provided does not represent a valid image."
            return HTTPError(400, "invalid_value", message)
        if self.dialect == "413":
            return HTTPError(413, "request_too_large", "Request Entity Too Large")
        return HTTPError(400, "", "")


async def falls_short(
    chat: ChatClient,
    context: RequestContext,
    poison: Poison,
    name: str,
    data: bytes,
    *,
    generated: bool = False,
) -> str:
    """Return what is wrong with a thread after a file in it was refused, else nothing.

    The file is in the history, was accepted before, and is refused from now on. The
    next turn must answer, and the turn after that must answer with one request.

    Args:
        chat: The person's browser.
        context: The person.
        poison: The model.
        name: Of the file.
        data: Its bytes.
        generated: Whether the model has made it; otherwise the person sends it.
    """
    poison.is_refused = lambda part: False
    poison.steps = (Text("All right."),)
    if generated:
        poison.steps = (Image(data=data, partials=0), Text("Here."))
        key = thread_id(await chat.say("a fox"))
        poison.steps = (Text("All right."),)
    else:
        file = SimpleUploadedFile(name, data)
        sent = await DjangoAttachmentStore().upload(file, context)
        key = thread_id(await chat.say("hello"))
        await chat.say("Look", key, [sent.model_dump(mode="json")["id"]])
    poison.refuse_files()
    told = []
    for turn, most in (("next turn", 3), ("turn after that", 1)):
        poison.requests = 0
        events = await chat.say(turn, key)
        if of_type(events, "error"):
            return f"the {turn} ends in an error"
        words = [item["content"][0]["text"] for item in done_items(events, MESSAGE)]
        if words[-1:] != ["All right."]:
            return f"the {turn} is not answered: {words}"
        if poison.requests > most:
            return f"the {turn} takes {poison.requests} requests"
        told += words[:-1]
    subject = "An earlier image" if generated else f"The file “{name}”"
    if told != [f"{subject} could not be used by the model."]:
        return f"the person is told {told}"
    return ""
