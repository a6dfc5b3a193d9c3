"""What the model's input of a long thread takes, beside ChatKit's SDK.

Each row is one thread in a process of its own: 60 turns, of which two of three make an
image and each third brings an image of the person's, then some warm turns with words
only. `x` are milliseconds from the history until the model has the request, by those of
this app. `MB sent`, `MB read`, `files` (read from the storage), `encoded` (images that
became base64) and `statements` are of a turn, on average, `warm` those of a warm turn.
`ms new` is of a turn that brings an image of the person's, who takes `--pause` seconds
to write the message once the image is uploaded.
`equal` is how many items of the input before stand at the beginning of a turn's, by all
items of the input before: what a provider may read from its cache. It is of turns 2 to
60, `equal late` of turns 40 to 59.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import mean
from typing import Any

from tables import print_table

HERE = Path(__file__).resolve().parent
HEADER = [
    "Variant", "x", "x warm", "equal", "equal late", "MB sent", "MB read", "warm",
    "files", "warm", "encoded", "warm", "statements", "warm", "ms", "ms new", "ms warm",
]  # fmt: skip
Turns = list[dict[str, Any]]
# Every third turn has no image, and a file of the person's.
EVERY = 3


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--turns", type=int, default=60)
    parser.add_argument("--warm", type=int, default=11, help="turns with words only")
    parser.add_argument("--pause", type=float, default=2.0)
    parser.add_argument("--size", choices=["tiny", "2MB"], default="2MB")
    parser.add_argument(
        "--before", metavar="REVISION", help="measure an earlier revision of git, too"
    )
    options = parser.parse_args()
    cell = {name: vars(options)[name] for name in ("turns", "warm", "pause", "size")}
    print_table(HEADER, rows(cell, options.before))


def rows(cell: dict[str, Any], before: str | None) -> Iterator[list[str]]:
    """Yield the row of each variant."""
    app = measured(cell | {"variant": "app"}, HERE.parent)
    yield row("app", app, app, cell["turns"])
    if before:
        with revision(before) as folder:
            earlier = measured(cell | {"variant": "app"}, folder)
        yield row(f"app, {before}", earlier, app, cell["turns"])
    sdk = measured(cell | {"variant": "SDK"}, HERE.parent)
    yield row("SDK", sdk, app, cell["turns"])


def measured(cell: dict[str, Any], code: Path) -> Turns:
    """Return what a thread's turns have taken, with the app's code of a folder.

    Raises:
        SystemExit: If it failed; what it wrote is shown.
    """
    with tempfile.TemporaryDirectory(prefix="chatkit-images-benchmark-") as folder:
        done = subprocess.run(
            [
                sys.executable,
                "model_input_cell.py",
                json.dumps(cell | {"folder": folder}),
            ],
            cwd=HERE,
            env=os.environ | {"PYTHONPATH": str(code)},
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode:
        raise SystemExit(f"{done.stderr}\nA measurement failed: {cell}")
    found: Turns = json.loads(done.stdout.splitlines()[-1])
    return found


@contextmanager
def revision(name: str) -> Iterator[Path]:
    """Check out a revision for a while."""
    git = ["git", "-C", str(HERE.parent), "worktree"]
    with tempfile.TemporaryDirectory(prefix="chatkit-images-revision-") as folder:
        code = Path(folder) / "code"
        subprocess.run(
            [*git, "add", "-q", "--detach", str(code), name], check=True, text=True
        )
        try:
            yield code
        finally:
            subprocess.run([*git, "remove", "--force", str(code)], check=True)


def row(name: str, turns: Turns, app: Turns, count: int) -> list[str]:
    """Return the cells of a row."""
    # The first turn of a process imports and compiles, and the first of words only has
    # the image of the turn before.
    long, warm = turns[1:count], turns[count + 1 :]
    long_app, warm_app = app[1:count], app[count + 1 :]
    new = turns[EVERY - 1 : count : EVERY]
    shares = equal(turns[:count])

    def both(of: str, unit: float = 1.0) -> list[str]:
        return [f"{average(some, of) / unit:,.1f}" for some in (long, warm)]

    long_ms, warm_ms = both("milliseconds")
    return [
        name,
        f"{average(long, 'milliseconds') / average(long_app, 'milliseconds'):.2f}",
        f"{average(warm, 'milliseconds') / average(warm_app, 'milliseconds'):.2f}",
        f"{mean(shares):.1%}",
        f"{mean(late(shares)):.1%}",
        f"{average(long, 'sent') / 1e6:.1f}",
        *both("read", 1e6),
        *both("files"),
        *both("encoded"),
        *both("statements"),
        long_ms,
        f"{average(new, 'milliseconds'):,.1f}",
        warm_ms,
    ]


def average(turns: Turns, of: str) -> float:
    """Return the mean of a figure."""
    return mean(turn[of] if of in turn else turn["work"][of] for turn in turns)


def equal(turns: Turns) -> list[float]:
    """Return the shares of equal leading items, from the second turn on."""
    return [
        turn["equal"] / before["items"]
        for before, turn in zip(turns, turns[1:], strict=False)
    ]


def late(shares: list[float]) -> list[float]:
    """Return the shares of turns 40 to 59 of 60, or of as late ones of fewer."""
    count = len(shares) + 1
    return shares[count * 2 // 3 - 2 : -1] or shares


if __name__ == "__main__":
    main()
