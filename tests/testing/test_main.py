"""``python -m chatkit_images.testing``; tests/docs begins a project with it."""

from __future__ import annotations

import subprocess
import sys

# Asks the model that the environment names, and exits in a way of its own.
ASK = """
import sys
from openai import OpenAI
(model,) = OpenAI().models.list()
sys.exit(f"{model.owned_by} {sys.argv[1:]}")
"""


def run(*command: str) -> subprocess.CompletedProcess[str]:
    """Run a command with the model in OpenAI's place."""
    start = (sys.executable, "-m", "chatkit_images.testing")
    return subprocess.run([*start, *command], capture_output=True, text=True)


def test_command_has_the_model_and_its_own_options_and_exit() -> None:
    done = run(sys.executable, "-c", ASK, "--delay", "9")
    assert (done.returncode, done.stderr) == (1, "chatkit-images ['--delay', '9']\n")


def test_command_that_is_not_there_is_named() -> None:
    done = run("no-such-thing")
    assert done.returncode == 127
    assert done.stderr == "'no-such-thing' cannot be run: No such file or directory.\n"
