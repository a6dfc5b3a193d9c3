"""The demo with slow images that take longer: a busy machine has to see them."""

from __future__ import annotations

import runpy
import sys

from chatkit_images.testing import model

if __name__ == "__main__":
    model.SLOW = 2.5
    sys.argv[1:1] = ["demo"]
    runpy.run_path("manage.py", run_name="__main__")
