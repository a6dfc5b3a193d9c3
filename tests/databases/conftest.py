from __future__ import annotations

# Pages with rows of every kind.
from tests.admin.conftest import (  # noqa: F401
    everything,
    login,
    make_attachment,
    make_image,
    make_item,
    make_thread,
    make_user,
    root,
)
