"""Names of files in an archive: those of people, as every system takes them."""

from __future__ import annotations

import mimetypes
import re
from pathlib import PurePosixPath

from .. import imaging, models
from ..cleaning import clean_name

# Signs that no file system refuses.
ODD = re.compile(r"[^\w.() -]")
# Endings of what a browser or a system runs when it is opened from a disk.
RUN = frozenset(
    (
        *(".html", ".htm", ".shtml", ".xhtml", ".xht", ".svg", ".svgz", ".xml", ".xsl"),
        *(".mht", ".mhtml", ".hta", ".js", ".mjs", ".jse", ".vbs", ".vbe", ".wsf"),
        *(".bat", ".cmd", ".ps1", ".com", ".exe", ".scr", ".pif", ".msi", ".jar"),
        *(".reg", ".lnk", ".url", ".desktop", ".command", ".sh"),
    )
)


def of(row: models.Attachment) -> str:
    """Return the name of a file of a person's, without the path.

    People open it by a click. So an image ends as one, and nothing as what is run,
    unless it is that.
    """
    name = clean_name(ODD.sub("_", row.name)).rstrip(". ") or "file"
    said, _encoding = mimetypes.guess_type(name, strict=False)
    if said == row.mime_type:
        return name
    if row.mime_type in imaging.EXTENSIONS:
        return f"{name}.{imaging.EXTENSIONS[row.mime_type]}"
    if PurePosixPath(name).suffix.lower() in RUN:
        return name + (mimetypes.guess_extension(row.mime_type) or ".bin")
    return name
