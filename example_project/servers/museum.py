"""A guide of a museum: what the page says, mentions, a client's tool, choices, images.

The page tells in a header which exhibit is open, and in answer to a client's tool which
ones are marked on its plan. A person mentions others, and may choose a postcard.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Self

from agents import (
    Agent,
    ImageGenerationTool,
    ModelSettings,
    OpenAIResponsesModel,
    RunContextWrapper,
    StopAtTools,
    function_tool,
)
from chatkit import types
from chatkit.agents import AgentContext, ClientToolCall
from django.conf import settings
from django.http import HttpRequest, JsonResponse
from openai.types.responses import ResponseInputContentParam, ResponseInputTextParam

from chatkit_images.context import RequestContext
from chatkit_images.converters import DjangoThreadItemConverter
from example_project.chat import DesignServer

EXHIBITS = {
    "vase": ("Blue vase", "Fired in Delft in 1670, with a crack from a flood."),
    "clock": ("Tower clock", "Its one hand shows the hours since 1512."),
    "kite": ("Paper kite", "Flown over the harbour by six people."),
}
POSTCARD = {"id": "postcard", "label": "Draw a postcard", "icon": "images"}
Run = RunContextWrapper[AgentContext["MuseumContext"]]


@dataclass(frozen=True)
class MuseumContext(RequestContext):
    """Who asks, and before which exhibit they stand."""

    exhibit: str = ""

    @classmethod
    def from_request(cls, request: HttpRequest) -> Self:
        """Return the context, with the exhibit that the page names if there is one."""
        said = request.headers.get("Exhibit-Id", "")
        exhibit = said if said in EXHIBITS else ""
        return replace(super().from_request(request), exhibit=exhibit)

    def to_row(self) -> dict[str, Any]:
        """Return what another process needs, too."""
        return super().to_row() | {"exhibit": self.exhibit}


def exhibits(request: HttpRequest) -> JsonResponse:
    """Return what matches ``?q=``, for ``entities.onTagSearch`` of ChatKit.js."""
    words = request.GET.get("q", "").lower()
    found = [
        {"id": key, "title": title, "interactive": True, "data": {"about": about}}
        for key, (title, about) in EXHIBITS.items()
        if words in title.lower()
    ]
    return JsonResponse({"entities": found})


@function_tool
async def look_around(run: Run) -> str:
    """Return before which exhibit the person stands."""
    event = types.ProgressUpdateEvent(icon="compass", text="Looking around…")
    await run.context.stream(event)
    title, about = EXHIBITS.get(run.context.request_context.exhibit, ("The hall", ""))
    return f"{title}. {about}"


@function_tool
async def read_plan(run: Run) -> str:
    """Ask the page which exhibits are marked on its plan."""
    run.context.client_tool_call = ClientToolCall(name="read_plan", arguments={})
    return "The page is asked."


class MuseumConverter(DjangoThreadItemConverter):
    """Knows what mentions mean."""

    async def tag_to_message_content(
        self, tag: types.UserMessageTagContent
    ) -> ResponseInputContentParam:
        """Return what the museum knows of an exhibit, whatever the client says."""
        if tag.id not in EXHIBITS:
            # Such as an image that the person names.
            return await super().tag_to_message_content(tag)
        title, about = EXHIBITS[tag.id]
        return ResponseInputTextParam(type="input_text", text=f"{title}: {about}")


class MuseumServer(DesignServer):
    """Tells of exhibits, and draws postcards."""

    def get_models(self, context: RequestContext) -> list[Any]:
        """Return the models that the person may choose."""
        return [settings.OPENAI_MODEL, "gpt-4.1-mini"]

    def get_tools(self, context: RequestContext) -> list[Any]:
        """Return what the person may choose for one message."""
        return [POSTCARD]

    def get_thread_item_converter(
        self, thread: types.ThreadMetadata, context: RequestContext
    ) -> MuseumConverter:
        """Return the converter that knows the exhibits."""
        return MuseumConverter(context)

    def get_agent(
        self, thread: types.ThreadMetadata, context: RequestContext
    ) -> Agent[Any]:
        """Return the guide, or one who draws if the person has chosen a postcard."""
        chosen = context.message.inference_options if context.message else None
        model = OpenAIResponsesModel(
            model=(chosen and chosen.model) or settings.OPENAI_MODEL,
            openai_client=self.get_openai_client(),
        )
        if chosen and chosen.tool_choice:
            tool: Any = {"type": "image_generation", "partial_images": 1}
            return Agent(
                name="Postcards",
                instructions="Draw a postcard of what the person asks for.",
                model=model,
                model_settings=ModelSettings(tool_choice="image_generation"),
                tools=[ImageGenerationTool(tool_config=tool)],
            )
        return Agent(
            name="Guide",
            instructions="Tell of the exhibits. Look around before you answer.",
            model=model,
            tools=[look_around, read_plan],
            tool_use_behavior=StopAtTools(stop_at_tool_names=[read_plan.name]),
        )
