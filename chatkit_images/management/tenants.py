"""Commands that work for one tenant after the other."""

from __future__ import annotations

import logging
import os
from typing import Any

from django.core.management.base import (
    BaseCommand,
    CommandError,
    CommandParser,
    OutputWrapper,
)

from .. import failures
from ..context import RequestContext
from ..contexts import all_contexts, working_for
from ..failures.remedies import SENTENCES
from ..maintenance import NotOurFiles

logger = logging.getLogger(__name__)


class TenantCommand(BaseCommand):
    """A command that does its ``work`` for each of the project's ``CONTEXTS``."""

    def add_arguments(self, parser: CommandParser) -> None:
        """Add ``--tenant``."""
        parser.add_argument(
            "--tenant", help="Work for this tenant only. Default: for all of CONTEXTS."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Do the work for each tenant, and fail at the end if it failed for one.

        Raises:
            CommandError: If it failed, or if there is no such tenant.
        """
        if options["verbosity"] or self.is_asked_for(options):
            return self._handle(options)
        before = self.stdout
        with open(os.devnull, "w") as nowhere:
            self.stdout = OutputWrapper(nowhere)
            try:
                self._handle(options)
            finally:
                self.stdout = before

    def _handle(self, options: dict[str, Any]) -> None:
        contexts = all_contexts()
        if (only := options["tenant"]) is not None:
            contexts = [each for each in contexts if each and each.tenant == only]
            if not contexts:
                raise CommandError(f"CONTEXTS yields no tenant {only!r}.")
        elif contexts != [None] and self.is_of_one_tenant(options):
            raise CommandError(
                "Say --tenant: the same key may be another person's in another tenant."
            )
        if contexts == [None]:
            return self._work(options)
        failed = [name_of(each) for each in contexts if not self._try(each, options)]
        if failed:
            raise CommandError(f"It failed for {', '.join(failed)}.")

    def is_of_one_tenant(self, options: dict[str, Any]) -> bool:
        """Return whether ``--tenant`` must name one, where there are tenants."""
        return False

    def is_asked_for(self, options: dict[str, Any]) -> bool:
        """Return whether what it prints is what it is called for, ``-v 0`` or not."""
        return bool(options.get("json") or options.get("dry_run"))

    def work(self, **options: Any) -> None:
        """Do what the command does, for one tenant."""
        raise NotImplementedError

    def announce(self, context: RequestContext | None) -> None:
        """Say for which tenant the work is, before it begins."""
        self.stdout.write(f"{name_of(context)}:")

    def _work(self, options: dict[str, Any]) -> None:
        """Do the work, and say in a sentence what database or storage lack for it."""
        try:
            self.work(**options)
        except CommandError:
            raise
        except NotOurFiles as error:
            raise CommandError(str(error)) from error
        except Exception as error:
            failure = failures.of(error)
            remedy = failure.remedy if failure is not None else ""
            if remedy == SENTENCES["project"]:
                raise  # Its traceback says more.
            if not remedy and not type(error).__module__.startswith("botocore"):
                raise
            raise CommandError(f"{error} {remedy}".strip()) from error

    def _try(self, context: RequestContext | None, options: dict[str, Any]) -> bool:
        """Do the work for a tenant; whatever happens, the next one has its turn."""
        self.announce(context)
        try:
            with working_for(context):
                self._work(options)
        except CommandError as error:
            self.stderr.write(str(error))
        except Exception as error:
            logger.exception("A command failed for %s", name_of(context))
            self.stderr.write(f"{type(error).__name__}: {error}")
        else:
            return True
        return False


def name_of(context: RequestContext | None) -> str:
    """Return what a tenant is called."""
    return "-" if context is None else context.tenant or context.owner
