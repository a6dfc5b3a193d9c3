"""Debug pages and error mails without the passwords in URLs of services."""

from __future__ import annotations

import re
from typing import Any

from django.views.debug import SafeExceptionReporterFilter

PASSWORD = re.compile(r"(://[^\s/@:]*:)[^\s/@]+@")


class URLReporterFilter(SafeExceptionReporterFilter):
    """Masks what Django's filter does not: ``redis://:secret@cache:6379/0``."""

    def cleanse_setting(self, key: Any, value: Any) -> Any:
        """Return a setting as a page may show it."""
        cleansed = super().cleanse_setting(key, value)
        return mask(cleansed) if isinstance(cleansed, str) else cleansed


def mask(text: str) -> str:
    """Return a text without the passwords in its URLs."""
    return PASSWORD.sub(r"\1***@", text)
