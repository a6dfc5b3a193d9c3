"""Whatever may tell of a failure, and the failure that it tells of."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from pydantic import BaseModel

from . import carriers, exceptions, own, remedies
from .bodies import Evidence, Reader, judged
from .candidates import refused
from .classify import judge
from .codes import strong
from .failure import Failure
from .reasons import Reason
from .sentences import spoken

MOST_CAUSES = 20
ATTACHED = "chatkit_images_failure"
# How a response ends that has brought no answer.
ENDS = ("failed", "incomplete", "cancelled")
EVENTS = {f"response.{end}" for end in (*ENDS, "error")}
# What a mapping has if it tells of a failure.
TELLING = ("error", "errors", "detail", "code", "incomplete_details", "innererror")
# Where gateways say why a call has no image, if not in its error.
WHY = (
    "errors",
    "last_error",
    "failure_reason",
    "incomplete_details",
    "status_details",
    "finish_reason",
    "block_reason",
    "content_filter_results",
    "content_filters",
    "moderation_details",
    "moderation",
    "safety_ratings",
)


def of(source: Any) -> Failure | None:
    """Return the failure that a source tells of; ``None`` if it tells of none.

    Args:
        source: An exception; an event, a response or an item of the Responses API, as
            objects or as JSON; an answer of Google's; the body of an error; or a
            failure.
    """
    if source is None or isinstance(source, Failure):
        return source
    failure = _read(source)
    if failure is None or failure.remedy:
        return failure
    errors = chain(source) if isinstance(source, BaseException) else ()
    remedy = remedies.remedy_of(failure, errors)
    return dataclasses.replace(failure, remedy=remedy) if remedy else failure


def _read(source: Any) -> Failure | None:
    if isinstance(source, BaseException):
        return _of_exception(source)
    if isinstance(source, BaseModel):
        kind = getattr(source, "type", None)
        if kind == "response.refusal.done":
            # The model says no in words, and the images of its response do not come.
            words = str(getattr(source, "refusal", None) or "")
            return Failure(Reason.BLOCKED, code="refusal", message=words)
        if str(kind).startswith("response.") and kind not in EVENTS:
            return None  # The most frequent events tell of nothing, and may be large.
        # A gateway may send what the client's types do not have.
        source = source.model_dump(mode="python", warnings=False)
    if isinstance(source, Mapping):
        return _of_mapping(source)
    if isinstance(source, list | tuple | str | bytes) and source:
        return _of_body(source)
    return None


def attach(failure: Failure | None, error: BaseException) -> None:
    """Tell ``of`` what an exception stands for, if the code that saw it knows more.

    The Agents SDK raises the same exception for each response that has failed.
    """
    if failure is not None:
        # A class that takes no attributes is told of by its own words.
        with suppress(AttributeError, TypeError):
            setattr(error, ATTACHED, failure)


def _of_mapping(source: Mapping[str, Any]) -> Failure | None:
    kind, status = source.get("type"), source.get("status")
    if kind == "image_generation_call":
        return None if source.get("result") else _of_call(source)
    response = source.get("response")
    if isinstance(response, Mapping) and isinstance(kind, str):
        return _of_mapping(response) or _of_event(kind)
    if source.get("object") == "response" or status in ENDS and "output" in source:
        return _of_response(source)
    if (body := refused(source)) is not None:
        return _of_body(body)
    if any(source.get(name) for name in TELLING) or kind == "error":
        return _of_body(source)
    return None


def _of_call(call: Mapping[str, Any]) -> Failure | None:
    """Return why an image call has no image; ``None`` if it does not say."""
    if error := call.get("error"):
        return _of_body(error)
    evidence = Evidence()
    reader = Reader(evidence)
    # A status is a word of the protocol, or the code of what has happened.
    told = {name: call[name] for name in WHY if call.get(name)}
    if strong(str(call.get("status") or "")) is not None:
        told["status"] = call["status"]
    reader.read(told)
    return judge(evidence) if evidence.words or evidence.messages else None


def _of_response(response: Mapping[str, Any]) -> Failure | None:
    if error := response.get("error"):
        return _of_body(error)
    if response.get("status") not in ENDS:
        return _of_filters(response.get("content_filters"))
    details = response.get("incomplete_details")
    why = details.get("reason") if isinstance(details, Mapping) else None
    code = str(why or response["status"])
    reason = strong(code) or Reason.BROKEN_OFF
    return Failure(reason, code=code, message=f"The response is incomplete: {code}.")


def _of_filters(filters: Any) -> Failure | None:
    """Return the failure of a response that is complete but for what a filter took."""
    return _of_body({"content_filters": filters}) if any(judged(filters)) else None


def _of_event(kind: str) -> Failure | None:
    """Return the failure of an event that says no more than its type."""
    end = kind.removeprefix("response.")
    if end in ENDS:
        return Failure(Reason.BROKEN_OFF, code=end, message=f"The response is {end}.")
    return None


def _of_body(body: Any) -> Failure:
    evidence = Evidence()
    Reader(evidence).read(body)
    return judge(evidence)


def _of_exception(error: BaseException) -> Failure:
    """Return the failure of an exception, or of what it was raised from.

    An exception that only wraps another says less than that one.
    """
    for one in chain(error):
        if isinstance(attached := getattr(one, ATTACHED, None), Failure):
            return attached
        if (told := own.of_project(one)) is not None:
            return told
        if (code := exceptions.never_asked(one)) is not None:
            # Nothing was sent, whatever a client's library makes of it.
            text = carriers.message_of(one)
            name = type(error).__name__
            return Failure(Reason.INSTALLATION, code=code, message=text, error=name)
    judged = [_judged(one) for one in chain(error)]
    return next((failure for failure, sure in judged if sure), judged[0][0])


def _judged(error: BaseException) -> tuple[Failure, bool]:
    """Return the failure of an exception itself, and whether it says so itself."""
    name, text = type(error).__name__, carriers.message_of(error)
    if (found := exceptions.known(error)) is not None:
        reason, code = found
        words = exceptions.words_of(error)
        return (
            Failure(reason, code=code, message=text, error=name, words=words),
            True,
        )
    if carriers.lacks_key(error):
        code = "no_api_key"
        return Failure(Reason.INSTALLATION, code=code, message=text, error=name), True
    evidence = carriers.evidence_of(error)
    told = bool(evidence.words) or evidence.status is not None
    if told or carriers.is_of_provider(error):
        failure = judge(evidence)
        if failure.reason is not Reason.UNKNOWN:
            return failure, True
    elif spoken(evidence.text, Reason.BLOCKED):
        return Failure(Reason.BLOCKED, message=text, error=name), True
    return Failure(_guess(error), code=evidence.code, message=text, error=name), False


def _guess(error: BaseException) -> Reason:
    """Return what an exception most likely is that says nothing of itself."""
    if type(error).__name__ == "ModelBehaviorError":
        return Reason.NO_RESULT
    if type(error).__name__ == "UserError":
        return Reason.INSTALLATION
    if isinstance(error, OSError):
        return Reason.BROKEN_OFF
    return Reason.UNKNOWN if carriers.is_of_provider(error) else Reason.INSTALLATION


def chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception, then what it was raised from, and the members of groups."""
    waiting, seen = [error], set[int]()
    while waiting and len(seen) < MOST_CAUSES:
        one = waiting.pop(0)
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        if isinstance(one, BaseExceptionGroup):
            waiting += one.exceptions
        if one.__cause__ is not None:
            waiting.append(one.__cause__)
        elif one.__context__ is not None and not one.__suppress_context__:
            waiting.append(one.__context__)
