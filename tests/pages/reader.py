"""Follow a page in a new project, with nothing but what its pip lines have installed.

It is run by the reader's interpreter, in the project's directory. Its input is JSON:
the blocks (`line`, `name`, `text`), and the project's further apps.
"""

from __future__ import annotations

import importlib
import io
import json
import os
import sys
import traceback
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

SETTINGS = Path("shop", "settings.py")


def follow(block: dict[str, Any]) -> None:
    """Do what a reader does with a block: append, write, import or run it."""
    # Before Django is set up: the blocks say what its settings are.
    name, text = block["name"], block["text"]
    if name == "shop/settings.py":
        with SETTINGS.open("a") as settings:
            settings.write(f"\n{text}")
    if name == "shop/urls.py":
        with Path(name).open("a") as urls:
            urls.write(f"\n{text}")
    elif name and name != "shop/settings.py":
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_text(text)
    import django

    django.setup()
    from django.core.management import call_command

    if not name:
        Path("db.sqlite3").unlink(missing_ok=True)
        # Of models that the page has written.
        call_command("makemigrations", "shop", verbosity=0)
        call_command("migrate", verbosity=0)
        exec(compile(text, "page", "exec"), {"__name__": "page"})
    elif name.startswith("shop/"):
        importlib.import_module(name.removesuffix(".py").replace("/", "."))
    call_command("check")


def in_a_process(block: dict[str, Any]) -> str:
    """Return what went wrong with a block, empty if nothing did."""
    before = SETTINGS.read_text()
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        said = io.StringIO()
        try:
            with redirect_stdout(said), redirect_stderr(said):
                follow(block)
            wrong = ""
        except BaseException:
            wrong = said.getvalue() + traceback.format_exc()
        os.write(write, wrong.encode()[-8000:])
        os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        wrong = pipe.read().decode(errors="replace")
    os.waitpid(pid, 0)
    if block["name"] == "shop/settings.py":
        # A page has alternatives: the next one begins with what was there.
        SETTINGS.write_text(before)
    return wrong


def main() -> None:
    """Follow the blocks one after the other, and print what went wrong as JSON."""
    given = json.load(sys.stdin)
    shell = ""
    for block in given["blocks"]:
        if not block["name"]:
            # In one shell: what a block has named is there for the next.
            shell = block["text"] = f"{shell}\n{block['text']}"
    with SETTINGS.open("a") as settings:
        settings.write(f"\nINSTALLED_APPS += {given['apps']}\n")
    os.environ["DJANGO_SETTINGS_MODULE"] = "shop.settings"
    sys.path.insert(0, os.getcwd())
    # What takes long to import; none of it reads a setting.
    for name in ("django.core.management", "agents", "chatkit.server"):
        importlib.import_module(name)
    print(
        json.dumps(
            {
                block["line"]: wrong
                for block in given["blocks"]
                if (wrong := in_a_process(block))
            }
        )
    )


if __name__ == "__main__":
    main()
