"""Requests to services, and what becomes of them."""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from time import monotonic

from .. import failures
from ..conf import settings
from ..context import RequestContext
from ..exceptions import ProviderAway
from ..failures import Failure, Presence, Reason
from ..run_state import current_run
from ..visitors import is_visitor
from .circuit import Circuit, Failed, Service

logger = logging.getLogger(__name__)
# Services that are remembered. Those that answer are not.
MOST_SERVICES = 1000
_circuits: dict[Service, Circuit] = {}
_lock = threading.Lock()


class Question:
    """A request to a service, until the service has answered or has failed.

    Attributes:
        run: The run that asks, or the question itself outside of runs.
        person: Who asks; visitors of one address are one.
    """

    def __init__(self, service: Service, context: RequestContext) -> None:
        self.run: Hashable = current_run.get() or self
        own = context.address if is_visitor(context.owner) else None
        self.person: Hashable = (context.tenant, own or context.person)
        self._service = service
        self._over = False
        with _lock:
            self._circuit = _circuit_of(service)
            _check(service, self._circuit)
            self._circuit.begin(self, monotonic())

    def answered(self) -> None:
        """Note that the service has sent something, whatever it is."""
        if not self._over:
            self._over = True
            with _lock:
                known = _circuits.pop(self._service, None)
            if known is not None and known.until is not None:
                logger.warning("%s answers again", _name(self._service))

    def failed(self, error: BaseException) -> None:
        """Note what was raised before the service has sent anything."""
        presence = failures.presence_of(error, self._service.url)
        if presence is Presence.HERE:
            self.answered()
        elif presence is Presence.UNKNOWN:
            self.left()
        elif not self._over:
            self._over = True
            failure = failures.of(error)
            wait = (failure.retry_after if failure is not None else None) or 0.0
            connected = presence is not Presence.UNREACHABLE
            failed = Failed(monotonic(), self.person, connected)
            with _lock:
                # If the service has answered since, this one is of before.
                begins = _circuits.get(
                    self._service
                ) is self._circuit and self._circuit.fail(self, self.run, failed, wait)
            if begins:
                logger.warning("%s is away and left alone", _name(self._service))

    def left(self) -> None:
        """Note that nobody waits for the answer any more."""
        if not self._over:
            self._over = True
            with _lock:
                self._circuit.leave(self)


@contextmanager
def asking(service: Service, context: RequestContext) -> Iterator[Question]:
    """Ask a service within, unless it is away; how the block ends says whether it is.

    If the answer comes in parts, call ``answered()`` of the question with the first.

    Raises:
        ProviderAway: If the service is left alone.
    """
    question = Question(service, context)
    try:
        yield question
    except Exception as error:
        question.failed(error)
        raise
    except BaseException:
        question.left()
        raise
    else:
        question.answered()


def check(service: Service) -> None:
    """Refuse to ask a service that is left alone, before work is done for it.

    Raises:
        ProviderAway: If it is.
    """
    with _lock:
        circuit = _circuits.get(service)
        if circuit is not None:
            _check(service, circuit)


def forget() -> None:
    """Forget what is known of all services."""
    with _lock:
        _circuits.clear()


def _check(service: Service, circuit: Circuit) -> None:
    wait = circuit.wait(monotonic())
    if wait <= 0 or settings.PROVIDER_PAUSE_SECONDS <= 0:
        return
    seconds = float(math.ceil(wait))
    error = ProviderAway(f"{_name(service)} is away.", retry_after=seconds)
    failure = Failure(
        Reason.OVERLOADED,
        code="provider_away",
        message=str(error),
        retry_after=seconds,
        error=type(error).__name__,
    )
    failures.attach(failure, error)
    raise error


def _circuit_of(service: Service) -> Circuit:
    if service not in _circuits and len(_circuits) >= MOST_SERVICES:
        del _circuits[next(iter(_circuits))]
    return _circuits.setdefault(service, Circuit())


def _name(service: Service) -> str:
    return " of ".join(filter(None, (service.model, service.url)))
