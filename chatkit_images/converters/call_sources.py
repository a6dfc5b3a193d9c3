"""What the images of one run are made from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from .. import models
from ..context import RequestContext
from ..queries import sources
from ..queries.inputs import InputFile
from ..queries.sources import Source
from ..transactions import atomic
from .input_files import InputFiles


class CallSources:
    """Knows what each image call of a run is made from, and notes it with its image."""

    def __init__(self) -> None:
        # What went along to the model. Of that, the images that the newest message
        # brings or names, and the newest image.
        self._inputs: Sequence[InputFile] = ()
        self._brought: Sequence[InputFile] = ()
        self._latest: Sequence[InputFile] = ()
        # What the project has named, by call.
        self._named: dict[str, list[Source]] = {}
        # The calls whose sources are rows already.
        self._saved: set[str] = set()

    def went_along(self, files: InputFiles) -> None:
        """Take the files of the input that the model gets now."""
        self._inputs, self._brought = list(files.sent), files.brought
        self._latest = files.latest

    def name(self, call_id: str, named: Iterable[Source]) -> None:
        """Say what the image of a call is made from, before the image is saved.

        Args:
            call_id: The call, as ``begin_image`` gets it.
            named: What ``queries.sources.named()`` has found. It is noted in the place
                of what went along to the model.
        """
        self._named[call_id] = list(named)

    def save(
        self,
        call_id: str,
        image: models.GeneratedImage,
        others: Iterable[models.GeneratedImage],
        context: RequestContext,
    ) -> None:
        """Note what an image was made from. May be called again for its final.

        Args:
            call_id: The call.
            image: Its image, with all that is known of it.
            others: The images of the run.
            context: Who asked.
        """
        found = self._named.get(call_id)
        if found is None:
            found = self._of_hosted(image, others)
        with atomic():
            if call_id in self._saved:
                image.sources.all().delete()
            self._saved.add(call_id)
            sources.save(image, found, context)

    def _of_hosted(
        self, image: models.GeneratedImage, others: Iterable[models.GeneratedImage]
    ) -> list[Source]:
        """Return the sources of an image that a provider's tool has made.

        If the newest message brings nothing, the model edits what it has seen last.
        That may be an image of an earlier response in the same run.
        """
        made = [
            InputFile("image", str(each.pk))
            for each in sorted(others, key=lambda each: each.created_at)
            if each.status == each.Status.COMPLETED
            and each.source == image.source
            and each.response_id not in ("", image.response_id)
        ]
        edited = self._brought or made[-1:] or self._latest
        if image.source == image.Source.NESTED:
            # Its model has read words of the outer agent's, and what it made itself.
            edited = made[-1:]
        inputs = [*self._inputs, *made]
        return sources.of_hosted(image.details or {}, inputs, edited)
