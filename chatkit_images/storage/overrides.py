"""Whether a storage does what its class is known to do, and nothing of its own.

The app goes past the methods of such a storage, for writes that replace nothing. What a
project does in any of them, for example encrypt, must not be gone past.
"""

from __future__ import annotations

from typing import Any

from django.core.files.storage import Storage
from django.utils.functional import cached_property

# What of a class is not on the way of bytes: the URLs that it makes, for which the app
# asks it itself, and how it is made and compared.
BESIDE = ("url", "deconstruct", "get_default_settings")
# The only ones of Python's own that are on the way to any other.
ACCESS = ("__getattribute__", "__getattr__")


def does_as(storage: Storage, known: type[Storage]) -> bool:
    """Whether a storage has no method of its own in place of a known class's.

    Values that are no methods, such as the name of a bucket, may differ.
    """
    theirs, ours = _resolved(type(storage)), _resolved(known)
    if not isinstance(storage, known) or any(
        theirs[name] is not ours.get(name)
        for name in theirs
        # A method that the class does not have is called by nobody.
        if (name in ours or name in ACCESS)
        and (_is_method(theirs[name]) or _is_method(ours.get(name)))
    ):
        return False
    # A method may also be put into the object itself.
    return not any(_is_method(theirs.get(name)) for name in vars(storage))


def _is_method(value: Any) -> bool:
    if isinstance(value, cached_property):
        return False  # What it has found is put into the object.
    return callable(value) or hasattr(type(value), "__get__")


def _resolved(cls: type) -> dict[str, Any]:
    """Return what counts of a class and its bases, as the class has it."""
    found: dict[str, Any] = {}
    for each in reversed(cls.__mro__):
        found |= vars(each)
    return {
        name: value
        for name, value in found.items()
        if name in ACCESS or not (name.startswith("__") or name in BESIDE)
    }
