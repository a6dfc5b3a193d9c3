"""The demo with slow images that take longer: a busy machine has to see them.

All others are small and come soon, unless somebody looks at ``SCREENSHOTS`` of them.
``DELAY`` is that of other servers, ``DOOR=view`` serves the chat by Django's handler.
"""

from __future__ import annotations

import os
import runpy
import sys

from chatkit_images import testing
from chatkit_images.testing import model

if __name__ == "__main__":
    model.SLOW = 2.5
    if "SCREENSHOTS" not in os.environ:
        quick = {"delay": float(os.environ.get("DELAY", "0.15")), "max_side": 512}
        api = testing.LoopbackAPI
        testing.LoopbackAPI = lambda **options: api(**options | quick)  # type: ignore
    if os.environ.get("DOOR") == "view":
        from example_project import asgi

        asgi.application = asgi.mount("/chatkit/", asgi.pages, asgi.application)
    sys.argv[1:1] = ["demo"]
    runpy.run_path("manage.py", run_name="__main__")
