"""The demo with slow images that take longer: a busy machine has to see them.

``DOOR=view`` serves the chat by Django's handler, ``REPEATS`` draws in no time.
"""

from __future__ import annotations

import os
import runpy
import sys

from chatkit_images import testing
from chatkit_images.testing import model

if __name__ == "__main__":
    model.SLOW = 2.5
    if "REPEATS" in os.environ:
        api = testing.LoopbackAPI
        testing.LoopbackAPI = lambda **options: api(**options | {"delay": 0.15})  # type: ignore
    if os.environ.get("DOOR") == "view":
        from example_project import asgi

        asgi.application = asgi.mount("/chatkit/", asgi.pages, asgi.application)
    sys.argv[1:1] = ["demo"]
    runpy.run_path("manage.py", run_name="__main__")
