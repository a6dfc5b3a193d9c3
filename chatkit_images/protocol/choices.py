"""What a person chooses in the composer: a model, a tool."""

from __future__ import annotations

from collections.abc import Awaitable, Iterable, Mapping
from typing import Any

from chatkit import types
from chatkit.server import ChatKitServer
from django.utils.translation import gettext as _

from ..awaiting import awaited
from ..context import RequestContext
from ..exceptions import RequestRefused
from ..run_state import RunState, current_state
from ..store import DjangoStore

# An id, or ChatKit's option with that id.
Option = str | Mapping[str, Any]
Options = Iterable[Option] | None


class ChoiceMixin(ChatKitServer[RequestContext]):
    """Takes a choice only from what the project offers.

    A project overrides ``get_models()`` and ``get_tools()``, which may be asynchronous.
    The other methods are the app's.
    """

    store: DjangoStore

    def get_models(self, context: RequestContext) -> Options | Awaitable[Options]:
        """Return the models that the person may choose. Default: ``None``.

        Ids, or the options of ChatKit.js's ``composer.models``. What is not among them
        is refused. With ``None`` a client's choice is ignored and not stored.
        """
        return None

    def get_tools(self, context: RequestContext) -> Options | Awaitable[Options]:
        """Return the tools that the person may choose. Default: ``None``.

        Ids, or the options of ChatKit.js's ``composer.tools``, as in ``get_models``.
        """
        return None

    async def chosen(
        self, request: types.ChatKitReq, context: RequestContext
    ) -> types.InferenceOptions:
        """Return what the message of a request chooses, as far as it is offered.

        The message of a retry was stored earlier, and is held against today's offer.

        Raises:
            NotFoundError: If the message of a retry is not there.
            RequestRefused: If something is chosen that is not offered.
        """
        if isinstance(request, types.ThreadsCreateReq | types.ThreadsAddUserMessageReq):
            return await self.offered(request.params.input.inference_options, context)
        if isinstance(request, types.ThreadsRetryAfterItemReq) and self._offers:
            asked = request.params
            item = await self.store.load_item(asked.thread_id, asked.item_id, context)
            if isinstance(item, types.UserMessageItem):
                return await self.offered(item.inference_options, context)
        return types.InferenceOptions()

    async def offered(
        self,
        chosen: types.InferenceOptions,
        context: RequestContext,
        *,
        refuse: bool = True,
    ) -> types.InferenceOptions:
        """Return a choice as far as it is offered.

        Args:
            chosen: What a message says.
            context: Whose choice it is.
            refuse: Whether the rest is refused; otherwise it is left out.

        Raises:
            RequestRefused: If something is chosen that is not offered.
        """
        kept = types.InferenceOptions()
        if chosen.model is not None:
            models = await self._ids("get_models", context)
            if models is not None and chosen.model in models:
                kept.model = chosen.model
            elif models is not None and refuse:
                words = _("This model cannot be chosen.")
                raise RequestRefused("model_not_allowed", words, status=400)
        if chosen.tool_choice is not None:
            tools = await self._ids("get_tools", context)
            if tools is not None and chosen.tool_choice.id in tools:
                kept.tool_choice = chosen.tool_choice
            elif tools is not None and refuse:
                words = _("This tool cannot be chosen.")
                raise RequestRefused("tool_not_allowed", words, status=400)
        return kept

    async def _ids(self, hook: str, context: RequestContext) -> frozenset[str] | None:
        """Return the ids that a hook offers. A run calls each hook once."""
        state = current_state.get() or RunState()
        if hook not in state.offers:
            options = await awaited(getattr(self, hook)(context))
            state.offers[hook] = ids(hook, options)
        return state.offers[hook]

    @property
    def _offers(self) -> bool:
        """Whether the project offers anything."""
        mine = type(self)
        return (
            mine.get_models is not ChoiceMixin.get_models
            or mine.get_tools is not ChoiceMixin.get_tools
        )


def ids(hook: str, options: Options) -> frozenset[str] | None:
    """Return the ids of what may be chosen, ``None`` if there is no choice.

    Raises:
        TypeError: If a hook has returned one text instead of many, whose letters and
            parts are no ids.
    """
    if options is None:
        return None
    if isinstance(options, str | Mapping):
        raise TypeError(f"{hook}() must return a list of ids or None, got {options!r}.")
    return frozenset(
        each["id"] if isinstance(each, Mapping) else each
        for each in options
        if not (isinstance(each, Mapping) and each.get("disabled"))
    )
