"""What the responses of a run have used, as the provider counts it.

The tokens of a response are the chat model's, and the run gets their sum. What the
image tool has used is counted beside them, once for all images of a response, so each
image gets a share of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from agents import Usage
from openai.types.responses import Response
from pydantic import BaseModel

from .. import database, prices
from ..cleaning import clean, clean_columns, clean_json
from ..converters import DjangoResponseStreamConverter
from ..models import GeneratedImage, Run
from ..queries import costs
from ..run_state import current_run, current_state
from .calls import ImageCall

Figures = dict[str, Any]


class Bill:
    """Adds up what a run's responses have used, and notes it on rows.

    Args:
        converter: Stores the images of the responses.
    """

    def __init__(self, converter: DjangoResponseStreamConverter) -> None:
        self._converter = converter
        self._response_id = ""
        state = current_state.get()
        # A run may ask models in several ways; its row gets the sum of all.
        self._sums: dict[str, Figures] = state.usage if state is not None else {}
        self._shared: list[tuple[Figures, Sequence[ImageCall]]] = []
        self._calls: list[ImageCall] = []

    def add(self, response: Response, calls: Sequence[ImageCall]) -> None:
        """Add a response that has ended.

        Args:
            response: The response.
            calls: The image calls that it made.
        """
        self._response_id = response.id or self._response_id
        # Both may be missing, and what is unknown is not zero.
        tools = _figures(getattr(response, "tool_usage", None))
        self.add_tokens(_figures(response.usage), response.model)
        self._add("tool_usage", tools)
        self._calls.extend(calls)
        if images := _figures(tools.get("image_gen")):
            self._shared.append((images, calls))

    def add_tokens(self, usage: Figures, model: Any = None) -> None:
        """Add the tokens of a response of which nothing else is known.

        Args:
            usage: The tokens, as the provider counts them.
            model: Which model has answered, if that is known.
        """
        self._add("usage", usage)
        name = clean(model)[:255] if isinstance(model, str) else ""
        self._add("model_usage", {name: usage or {prices.UNCOUNTED: 1}})

    def _add(self, name: str, figures: Figures) -> None:
        self._sums[name] = add_usage(self._sums.get(name, {}), figures)

    async def record(self) -> None:
        """Note the figures on the rows of the run that is executing and of its images.

        Does nothing if no response has ended and the provider was told of nobody.
        """
        state = current_state.get()
        identifier = state.safety_identifier if state is not None else ""
        if not self._response_id and not self._sums and not identifier:
            return
        if (run_id := current_run.get()) is not None:
            said = {
                "response_id": self._response_id,
                "safety_identifier": identifier,
                **self._sums,
            }
            run = Run.objects.filter(pk=run_id)
            await database.call(run.update, **clean_columns(Run, said))
        for figures, calls in self._shared:
            # An image that was refused may have cost nothing, but one that came did.
            made = [call for call in calls if call.is_completed] or calls
            # A replay of an image adds nothing to what that has cost.
            keys = self._converter.keys(call.call_id for call in made)
            for key, share in zip(keys, split(figures, len(keys)), strict=True):
                image = GeneratedImage.objects.filter(pk=key)
                columns = clean_columns(GeneratedImage, {"usage": share})
                await database.call(image.update, **columns)
        if current_run.get() is None and self._calls:
            # Those of a run are priced when it ends.
            keys = self._converter.keys(call.call_id for call in self._calls)
            images = GeneratedImage.objects.filter(pk__in=keys)
            await database.call(costs.price_rows, images)


def figures_of(usage: Usage) -> Figures:
    """Return the tokens of a response as the SDK counts them."""
    figures: Figures = {
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "total_tokens": usage.total_tokens,
    }
    if cached := usage.input_tokens_details.cached_tokens:
        figures["input_tokens_details"] = {"cached_tokens": cached}
    return figures


def add_usage(before: Figures, usage: Figures) -> Figures:
    """Return the tokens of two responses, figure by figure.

    Some providers put words beside the figures. The newer word stays.
    """
    total = dict(before)
    for key, value in usage.items():
        earlier = before.get(key)
        if isinstance(value, dict):
            total[key] = add_usage(earlier if isinstance(earlier, dict) else {}, value)
        elif _is_figure(value) and _is_figure(earlier):
            total[key] = earlier + value
        else:
            total[key] = value
    return total


def split(figures: Figures, count: int) -> list[Figures]:
    """Return figures in shares that are as equal as whole numbers can be.

    The shares add up to the figures.
    """
    shares: list[Figures] = [{} for _ in range(count)]
    if not shares:
        return shares
    for key, value in figures.items():
        parts: list[Any] = [value] * count
        if isinstance(value, dict):
            parts = list(split(value, count))
        elif isinstance(value, float):
            parts = [value / count] * count
        elif _is_figure(value):
            whole, rest = divmod(value, count)
            parts = [whole + (number < rest) for number in range(count)]
        for share, part in zip(shares, parts, strict=True):
            share[key] = part
    if _is_sum(figures):
        for share in shares:
            share["total_tokens"] = share["input_tokens"] + share["output_tokens"]
    return shares


def _is_sum(figures: Figures) -> bool:
    names = ("total_tokens", "input_tokens", "output_tokens")
    total, *parts = (figures.get(name) for name in names)
    return all(isinstance(part, int) for part in parts) and total == sum(
        part for part in parts if isinstance(part, int)
    )


def _figures(value: Any) -> Figures:
    """Return figures as plain data. A gateway may send anything in their place."""
    if isinstance(value, BaseModel):
        value = value.model_dump(exclude_none=True, warnings=False)
    return clean_json(value) if isinstance(value, dict) else {}


def _is_figure(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
