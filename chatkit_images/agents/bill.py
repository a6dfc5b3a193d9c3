"""The tokens of a run, as its responses report them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from openai.types.responses import Response

from .. import database
from ..cleaning import clean_columns
from ..models import GeneratedImage, Run
from ..run_state import current_run


class Bill:
    """Adds up the tokens of a run's responses and notes them on rows.

    A run gets the sum. An image gets the tokens of the response that made it.
    """

    def __init__(self) -> None:
        self._response_id = ""
        self._total: dict[str, Any] = {}
        self._images: dict[str, dict[str, Any]] = {}

    def add(self, response: Response, call_ids: Iterable[str]) -> None:
        """Add a response that has ended.

        Args:
            response: The response.
            call_ids: The image calls that it made.
        """
        self._response_id = response.id
        if response.usage:
            usage = response.usage.model_dump(mode="json", exclude_none=True)
            self._total = add_usage(self._total, usage)
            self._images.update(dict.fromkeys(call_ids, usage))

    async def record(self, thread_id: str) -> None:
        """Note the tokens on the rows of the run that is executing and of its images.

        Does nothing if no response has ended.
        """
        if not self._response_id:
            return
        if (run_id := current_run.get()) is not None:
            said = {"response_id": self._response_id, "usage": self._total}
            run = Run.objects.filter(pk=run_id)
            await database.call(run.update, **clean_columns(Run, said))
        for call_id, usage in self._images.items():
            # A replay of a call overwrites nothing.
            image = GeneratedImage.objects.filter(
                thread_id=thread_id, call_id=call_id, usage={}
            )
            columns = clean_columns(GeneratedImage, {"usage": usage})
            await database.call(image.update, **columns)


def add_usage(before: dict[str, Any], usage: dict[str, Any]) -> dict[str, Any]:
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


def _is_figure(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
