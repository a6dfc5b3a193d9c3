"""The language and the URLs of a request, for the run that answers it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Self

from django.urls import get_script_prefix, get_urlconf, set_script_prefix, set_urlconf
from django.utils import translation

from ..context import RequestContext


@dataclass(frozen=True)
class Environment:
    """The language of a request and what its URLs are made from.

    Django keeps them for the thread or the task of the request. The task of a run
    outlives the request, so it has a copy.

    Attributes:
        locale: The language.
        script_prefix: The path before all URLs of the project.
        urlconf: The URLconf, if it is not the project's own.
    """

    locale: str
    script_prefix: str
    urlconf: str | None

    @classmethod
    def of_request(cls, context: RequestContext) -> Self:
        """Return the environment of the request that is being handled."""
        return cls(context.locale, get_script_prefix(), get_urlconf())

    @contextmanager
    def active(self) -> Iterator[None]:
        """Work in this environment, in a task that has no other."""
        set_script_prefix(self.script_prefix)
        set_urlconf(self.urlconf)
        with translation.override(self.locale):
            yield
