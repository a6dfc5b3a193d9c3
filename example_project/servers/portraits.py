"""A painter of pets: state, widgets with actions, effects, hidden context, images.

The person picks a style in a widget, and the painter paints in it. What the painter
knows is in the thread's metadata, which clients never see.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from agents import (
    Agent,
    ImageGenerationTool,
    OpenAIResponsesModel,
    RunContextWrapper,
    StopAtTools,
    Tool,
    function_tool,
)
from chatkit import types
from chatkit.actions import Action, ActionConfig
from chatkit.agents import AgentContext
from chatkit.errors import CustomStreamError
from chatkit.widgets import Button, Card, Image, Row, Title
from django.conf import settings

from chatkit_images.context import RequestContext
from example_project.chat import DesignServer

STYLES = {"oil": "an oil painting", "comic": "a comic", "pixels": "pixel art"}
PICK = "portraits.pick_style"
Run = RunContextWrapper[AgentContext[RequestContext]]


def styles_card(picked: str = "") -> Card:
    """Return the widget with the styles, which is over once one is picked."""
    buttons = [
        Button(
            label=name,
            onClickAction=ActionConfig(type=PICK, payload={"style": style}),
            style="primary" if style == picked else "secondary",
            disabled=bool(picked),
        )
        for style, name in STYLES.items()
    ]
    return Card(children=[Title(value="As what shall it be?"), Row(children=buttons)])


@function_tool
async def name_pet(run: Run, name: str) -> str:
    """Note the name of the pet."""
    chat, thread = run.context, run.context.thread
    thread.metadata["name"] = name
    thread.title = f"Portrait of {name}"[:60]
    await chat.store.save_thread(thread, chat.request_context)
    # The page around the chat shows it, too.
    await chat.stream(types.ClientEffectEvent(name="pet_named", data={"name": name}))
    return f"The pet is called {name}."


@function_tool
async def offer_styles(run: Run) -> str:
    """Let the person pick a style."""
    await run.context.stream_widget(styles_card(), copy_text=", ".join(STYLES.values()))
    return "The styles are shown."


@function_tool
async def frame_portrait(run: Run) -> str:
    """Show the newest portrait of earlier answers in a frame, with the pet's name."""
    chat, thread = run.context, run.context.thread
    page = await chat.store.load_thread_items(
        thread.id, None, 20, "desc", chat.request_context
    )
    for item in page.data:
        if isinstance(item, types.GeneratedImageItem) and item.image is not None:
            name = str(thread.metadata.get("name", "Nobody"))
            # The row keeps a reference instead of the URL, which would expire.
            shown = Image(src=item.image.url, alt=name, frame=True)
            await chat.stream_widget(Card(children=[shown, Title(value=name)]), name)
            return "It hangs on the wall."
    return "There is no portrait yet."


class PortraitServer(DesignServer):
    """Paints pets."""

    def get_agent(
        self, thread: types.ThreadMetadata, context: RequestContext
    ) -> Agent[Any]:
        """Return the painter, who paints as soon as there is a style."""
        style = STYLES.get(str(thread.metadata.get("style")))
        tools: list[Tool] = [name_pet, offer_styles, frame_portrait]
        if style is not None:
            tool: Any = {"type": "image_generation", "partial_images": 2}
            tools.append(ImageGenerationTool(tool_config=tool))
        return Agent(
            name="Painter",
            instructions="You paint portraits of pets. Ask for the pet's name, then "
            f"offer styles. The style: {style or 'not picked yet'}.",
            model=OpenAIResponsesModel(
                model=settings.OPENAI_MODEL, openai_client=self.get_openai_client()
            ),
            tools=tools,
            tool_use_behavior=StopAtTools(stop_at_tool_names=[offer_styles.name]),
        )

    async def action(
        self,
        thread: types.ThreadMetadata,
        action: Action[str, Any],
        sender: types.WidgetItem | None,
        context: RequestContext,
    ) -> AsyncIterator[types.ThreadStreamEvent]:
        """Take the style that the person has picked, and paint."""
        payload = action.payload if isinstance(action.payload, dict) else {}
        style = str(payload.get("style"))
        # A client may send any action with any payload.
        if action.type != PICK or style not in STYLES or sender is None:
            raise CustomStreamError("This style is not offered.")
        thread.metadata["style"] = style
        await self.store.save_thread(thread, context)
        picked = sender.model_copy(update={"widget": styles_card(style)})
        yield types.ThreadItemReplacedEvent(item=picked)
        yield types.ClientEffectEvent(name="style_picked", data={"style": style})
        note = types.HiddenContextItem(
            id=self.store.generate_item_id("message", thread, context),
            thread_id=thread.id,
            created_at=sender.created_at,
            content=f"The person has picked {STYLES[style]}. Paint the pet now.",
        )
        await self.store.add_thread_item(thread.id, note, context)
        async for event in self.respond(thread, None, context):
            yield event
