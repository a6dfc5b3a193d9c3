"""Run a command with the loopback model in OpenAI's place.

::

    python -m chatkit_images.testing python manage.py runserver

The command gets the model by its environment, so the project needs neither a key nor a
setting.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
from types import FrameType

from .api import LoopbackAPI
from .serving import serve


def main(arguments: list[str] | None = None) -> int:
    """Serve the model while a command runs, and return what the command exits with."""
    parser = argparse.ArgumentParser(
        prog="python -m chatkit_images.testing",
        description="Run a command with a model on loopback that draws images, in "
        "OpenAI's place. Needs no key, and nothing leaves this machine.",
    )
    parser.add_argument(
        "--delay",
        type=float,
        default=0.6,
        metavar="SECONDS",
        help="before each preview of an image; default: 0.6",
    )
    parser.add_argument("command", help="such as: python manage.py runserver")
    parser.add_argument("arguments", nargs=argparse.REMAINDER)
    given = parser.parse_args(arguments)
    command = [given.command, *given.arguments]
    try:
        with serve(LoopbackAPI(delay=given.delay)) as url:
            return run(command, variables(url))
    except ImportError as error:
        # The extra is not installed.
        print(error, file=sys.stderr)
        return 1


def variables(url: str) -> dict[str, str]:
    """Return what leads the clients of OpenAI and of Google to a model at a URL."""
    return {
        "OPENAI_BASE_URL": url,
        "OPENAI_API_KEY": "loopback",
        # Google's client adds the version of its API by itself.
        "GOOGLE_GEMINI_BASE_URL": url,
        "GEMINI_API_KEY": "loopback",
        # Traces go to OpenAI, whatever the base URL is.
        "OPENAI_AGENTS_DISABLE_TRACING": "1",
    }


def run(command: list[str], environment: dict[str, str]) -> int:
    """Run a command with more in its environment, and return what it exits with."""
    try:
        child = subprocess.Popen(command, env=os.environ | environment)
    except OSError as error:
        print(f"{command[0]!r} cannot be run: {error.strerror}.", file=sys.stderr)
        return 127

    def pass_on(number: int, frame: FrameType | None) -> None:
        # A terminal sends Ctrl-C to both; the command says when it is through.
        if number != signal.SIGINT:
            child.send_signal(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, pass_on)
    code = child.wait()
    # As shells say that a signal ended it.
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main())
