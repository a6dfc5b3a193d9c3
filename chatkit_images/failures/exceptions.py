"""Exceptions of Python, Django, ChatKit, the Agents SDK and the app."""

from __future__ import annotations

import asyncio
import errno
import json
import socket
import ssl

from agents import exceptions as sdk
from chatkit.errors import BaseStreamError, CustomStreamError
from django.core.exceptions import ImproperlyConfigured, PermissionDenied
from pydantic import ValidationError

from .. import exceptions as app
from . import databases, storages
from .reasons import Reason

# A broken disk; the project's own files are in its way, or are not there.
DISK = {errno.EIO}
FILES = (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError)
MISTAKES = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    ImportError,
    LookupError,
    MemoryError,
    NameError,
    NotImplementedError,
    SyntaxError,
    TypeError,
    UnicodeError,
)
# Where the SDKs read what a provider sends. What fails there is no fault of the site.
READERS = ("openai.", "agents.models.", "agents.usage")
# How HTTP clients call a URL that is none.
BAD_URLS = {"UnsupportedProtocol", "InvalidURL", "LocationParseError"}
GUARDRAILS = (
    sdk.InputGuardrailTripwireTriggered,
    sdk.OutputGuardrailTripwireTriggered,
    sdk.ToolInputGuardrailTripwireTriggered,
    sdk.ToolOutputGuardrailTripwireTriggered,
)


def known(error: BaseException) -> tuple[Reason, str] | None:
    """Return the reason and the code of an exception whose class says it all."""
    match error:
        case asyncio.CancelledError() | GeneratorExit():
            return Reason.STOPPED, ""
        case KeyboardInterrupt() | SystemExit():
            return Reason.INTERRUPTED, ""
        case sdk.MaxTurnsExceeded():
            return Reason.NO_RESULT, "max_turns"
    if isinstance(error, GUARDRAILS):
        return Reason.BLOCKED, "guardrail"
    return _of_app(error) or databases.known(error) or _of_python(error)


def never_asked(error: BaseException) -> str | None:
    """Return the code of what keeps a client from asking a provider at all.

    Libraries tell of it as of a connection that broke off.
    """
    name = type(error).__name__
    if isinstance(error, ssl.SSLCertVerificationError):
        return "bad_certificate"
    if code := storages.unasked(error):
        return code
    if name == "LocalProtocolError" and "header value" in str(error):
        return "bad_api_key"
    return "bad_base_url" if name in BAD_URLS else None


def words_of(error: BaseException) -> str:
    """Return what the project tells the person; empty for all other exceptions."""
    if isinstance(error, app.FileRefused):
        return str(error)
    told = CustomStreamError | app.GenerationRefused | app.RequestRefused
    return error.message if isinstance(error, told) else ""


def _of_app(error: BaseException) -> tuple[Reason, str] | None:
    match error:
        case app.StorageUnavailable():
            lasts = Reason.INSTALLATION if error.lasting else Reason.NOT_SAVED
            return lasts, error.code
        case app.FileRefused():
            return Reason.REFUSED, error.code
        case app.ImageError():
            return Reason.NO_RESULT, error.code
        case app.FetchFailed():
            return _of_fetch(error), error.code
        case app.ClaimLost():
            return Reason.INTERRUPTED, "claim_lost"
        case app.NotFoundError():
            return Reason.GONE, "not_found"
        case app.PlaceholderUnknown():
            return Reason.INSTALLATION, "placeholder_unknown"
        case app.RequestRefused():
            return Reason.REFUSED, error.code
        case app.GenerationRefused():
            return Reason.REFUSED, "refused"
        case BaseStreamError():
            # The project tells the person why, and may know that a retry helps.
            may = getattr(error, "allow_retry", False)
            return (Reason.UNKNOWN if may else Reason.REFUSED), "custom"
        case PermissionDenied():
            return Reason.NOT_ALLOWED, "permission_denied"
        case ImproperlyConfigured():
            return Reason.INSTALLATION, "improperly_configured"
    return None


def _of_fetch(error: app.FetchFailed) -> Reason:
    """Return why an image could not be read from a URL; whoever told of it."""
    if isinstance(error, app.FetchRefused):
        return Reason.NO_RESULT
    if error.code in ("unreachable", "unknown_host"):
        return Reason.BROKEN_OFF
    if error.code == "timeout":
        return Reason.TIMEOUT
    overloaded = error.status is not None and error.status >= 500
    return Reason.OVERLOADED if overloaded else Reason.NO_RESULT


def _of_python(error: BaseException) -> tuple[Reason, str] | None:
    if isinstance(error, TimeoutError):
        return Reason.TIMEOUT, ""
    if isinstance(error, FILES):
        return Reason.INSTALLATION, "files"
    if type(error) is OSError and (code := storages.code_of(error)):
        return Reason.INSTALLATION, code
    if type(error) is OSError and error.errno in DISK:
        return Reason.NOT_SAVED, "disk"
    if isinstance(error, ConnectionError | EOFError | ssl.SSLError | socket.gaierror):
        return Reason.BROKEN_OFF, ""
    if isinstance(error, json.JSONDecodeError):
        # A stream that was cut, or a gateway that sends a page of HTML.
        return Reason.BROKEN_OFF, "invalid_json"
    mistake = isinstance(error, MISTAKES) and type(error).__module__ == "builtins"
    if (mistake or isinstance(error, ValidationError)) and _in_reader(error):
        return Reason.NO_RESULT, "unreadable"
    return (Reason.INSTALLATION, "") if mistake else None


def _in_reader(error: BaseException) -> bool:
    """Whether an exception was raised where the SDKs read a provider's answer."""
    frame, module = error.__traceback__, ""
    while frame is not None:
        name = str(frame.tb_frame.f_globals.get("__name__", ""))
        if not name.startswith("pydantic"):
            module = name
        frame = frame.tb_next
    return module.startswith(READERS)
