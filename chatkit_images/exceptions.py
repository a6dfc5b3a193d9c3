"""Errors that callers of this package may catch."""

from __future__ import annotations

from chatkit.store import NotFoundError
from django.core.exceptions import PermissionDenied

__all__ = [
    "AuthenticationRequired",
    "ClaimLost",
    "FetchFailed",
    "FetchRefused",
    "FileRefused",
    "GenerationRefused",
    "GenerationStopped",
    "ImageError",
    "NotFoundError",
    "PlaceholderUnknown",
    "ProviderAway",
    "RequestRefused",
    "StorageUnavailable",
    "UnexpectedResult",
]


class AuthenticationRequired(PermissionDenied):
    """Nobody who may chat sends the request, or its token is not valid.

    The client reads that it has to log in, and never the exception's own message.
    """


class ClaimLost(Exception):
    """The run may not write any more: it was taken over, and its thread is free."""


class FetchFailed(Exception):
    """An image could not be read from a URL.

    Args:
        code: A short stable word for programs, such as ``"timeout"``.
        message: For logs and staff. It names the host, and never the whole URL, in
            which there may be a signature.
        status: The HTTP status of the answer, if there was one.
    """

    def __init__(self, code: str, message: str, *, status: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.status = status


class FetchRefused(FetchFailed):
    """A URL is not read for what it is, or for where it leads to.

    Nobody outside was asked for it, or no further than the redirect that is refused.
    """


class GenerationRefused(Exception):
    """Nothing is generated in this turn; its message is the answer.

    Args:
        message: What the person may read.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class GenerationStopped(Exception):
    """The run of ``generating_image()`` was ended while its block went on.

    Args:
        reason: Why, as the row of the run says it: ``"stopped"`` by the person,
            ``"stopped_by_staff"``, ``"interrupted"`` by the end of the server, or what
            has kept its images from being saved.
        message: What the person reads about it.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


class ImageError(ValueError):
    """Bytes that are not an image this project accepts.

    ``code`` is a short stable word for staff and logs, the message says more.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class FileRefused(ImageError):
    """A file that somebody has named cannot be what it was named for.

    Its message is for the person, whom no second try helps.
    """


class PlaceholderUnknown(ValueError):
    """The model's input has a placeholder for an image of another run."""


class ProviderAway(Exception):
    """A provider is away for everybody, so it is not asked.

    Args:
        message: For logs and staff.
        retry_after: Seconds after which it is asked again.
    """

    def __init__(self, message: str, *, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class StorageUnavailable(OSError):
    """Neither the storage nor the spool took the bytes.

    Args:
        message: For logs and staff.
        lasting: Whether neither will, until somebody mends it.
    """

    code = "not_saved"

    def __init__(self, message: str, *, lasting: bool = False) -> None:
        super().__init__(message)
        self.lasting = lasting


class RequestRefused(Exception):
    """A valid request is refused before anything is written.

    Args:
        code: A short stable word for programs, e.g. ``"thread_locked"``.
        message: What the person may read.
        status: The HTTP status of the answer.
        allow_retry: Whether the same request may succeed later.
        retry_after: Seconds after which it may, if that is known: ``Retry-After``.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        status: int = 409,
        allow_retry: bool = False,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status
        self.allow_retry = allow_retry
        self.retry_after = retry_after


class UnexpectedResult(TypeError):
    """A project's ``process`` has returned the wrong kind of result for a request.

    Args:
        server: Whose ``process`` it is.
        op: The type of the request.
        expected: The class of ChatKit's result for such a request.
        result: What was returned.
    """

    def __init__(self, server: object, op: str, expected: type, result: object) -> None:
        super().__init__(
            f"{type(server).__name__}.process() must return a {expected.__name__} "
            f"for {op!r}, got {type(result).__name__}."
        )
