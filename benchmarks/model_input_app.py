"""A long thread on this app."""

from __future__ import annotations

from typing import Any

from agents import Agent
from app_server import AppServer
from chatkit import types
from django.core.files.uploadedfile import SimpleUploadedFile
from model_input_agent import Model, designer
from pydantic import TypeAdapter

from chatkit_images import runs
from chatkit_images.attachment_store import DjangoAttachmentStore
from chatkit_images.context import RequestContext
from chatkit_images.converters import DjangoThreadItemConverter

REQUEST: TypeAdapter[Any] = TypeAdapter(types.ChatKitReq)


class App:
    """This app, driven as its endpoint drives it."""

    context = RequestContext(None, "visitor:benchmark", "http://testserver")

    def __init__(self, meter: Any) -> None:
        self.api = Model(meter)
        self._server = Measured(designer(self.api), meter)

    async def upload(self, data: bytes) -> str:
        """Return the id of a file of the person's."""
        file = SimpleUploadedFile("photo.png", data)
        return (await DjangoAttachmentStore().upload(file, self.context)).id

    async def say(self, body: bytes) -> list[bytes]:
        """Say something and return the events of the answer."""
        request = REQUEST.validate_json(body)
        run = await runs.start(self._server, request, body, self.context)
        return [chunk async for batch in run.events() for _, chunk in batch]


class Measured(AppServer):
    """Tells when it begins and ends to make an input."""

    def __init__(self, agent: Agent[Any], meter: Any) -> None:
        super().__init__(agent)
        self._meter = meter

    async def get_history(
        self, thread: types.ThreadMetadata, context: RequestContext
    ) -> list[types.ThreadItem]:
        """Return the items; here the input begins."""
        self._meter.begin()
        return await super().get_history(thread, context)

    def get_thread_item_converter(
        self, thread: types.ThreadMetadata, context: RequestContext
    ) -> DjangoThreadItemConverter:
        """Return what makes the input."""
        converter = DjangoThreadItemConverter(context)
        make = converter.to_agent_input

        async def made(items: Any) -> Any:
            found = await make(items)
            self._meter.end(found)
            return found

        converter.to_agent_input = made  # type: ignore[method-assign]
        return converter
