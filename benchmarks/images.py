"""Measure the time until a generated image is delivered, against three others."""

from __future__ import annotations

import argparse
import itertools
import json
import operator
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

HERE = Path(__file__).resolve().parent
VARIANTS = ("app", "app, SDK client", "recipe", "data URL", "floor")
LATENCIES = (0.0, 0.2)
# Seconds that the model takes for each preview and for the image.
PACES = (0.0, 2.5)
CONVERSATIONS = (1, 10, 40)
ALLOWED = 1.15
TABLES = ("delivery", "stalls", "growth")
DESCRIPTION = """\
Measure the time until a generated image is delivered, that is, until the event
thread.item.done of the image, in conversations that start at the same moment:

  app       this app: chatkit_images.runs.start() and the events of the run, which is
            all that its endpoint does after Django's own handling of the request;
            SQLite (WAL) in a file, images in a storage; the model is asked
            through ImageHttpxClient
  app, SDK client
            the same through the HTTP client of OpenAI's SDK, as all others
  recipe    ChatKit's guide: the SDK's stream_agent_response, a converter that decodes
            and uploads in place, a store in memory
  data URL  the same with the SDK's default converter
  floor     the Agents SDK alone, until the image call's output_item.done

All of them talk HTTP to a model server in another process, which replays prepared
bytes: three previews and a final of 2 MB each, as fast as the socket takes them or one
every 2.5 seconds. Every cell runs in a fresh process.
"""
EPILOG = """\
pace    seconds that the model takes for each preview and for the image
ratio   seconds of the last conversation, divided by the floor's of the same round
upload  one 2 MB write to the storage, in the same process before the start
limit   1.15 floor + one upload
ok      whether the app's last image came within the limit, and in how many rounds
stall   longest time that the event loop answered nothing
memory  peak of the process less what it had before the start, by conversation
CPU     processor time of the process, all threads, by conversation

The second table has the stalls that this app's code causes: its
stream_agent_response gets events that were parsed beforehand, one image a second in
each conversation.

The third table has the memory of a process that stores one 4K image of 25 MB, and its
three previews, after another.
"""


def main() -> None:
    """Measure and print."""
    options = arguments()
    rounds = 1 if options.quick else options.rounds
    with tempfile.TemporaryDirectory(prefix="chatkit-images-benchmark-") as folder:
        bench = Bench(Path(folder), rounds)
        print(f"Medians of {rounds} round(s).\n")
        if "delivery" in options.tables:
            with model_server() as url:
                print_table(*delivery(bench, url, options.quick))
        if "stalls" in options.tables:
            print_table(*stalls(bench, options.quick))
        if "growth" in options.tables:
            print_table(*growth(bench, options.quick))


def arguments() -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--rounds", type=int, default=3, help="runs of each cell (default: 3)"
    )
    parser.add_argument(
        "--quick", action="store_true", help="one round, fewer cells: six minutes"
    )
    parser.add_argument(
        "--tables",
        nargs="+",
        choices=TABLES,
        default=TABLES,
        help="what to measure (default: all)",
    )
    return parser.parse_args()


class Bench:
    """Runs cells, each in a fresh process with a fresh database and storage."""

    def __init__(self, folder: Path, rounds: int) -> None:
        self._folder = folder
        self._rounds = rounds
        # Migrated once and copied, which is quicker than migrating for each cell.
        template = self._new_folder()
        script = "import sys, pathlib, project; f = pathlib.Path(sys.argv[1]);"
        script += "project.configure(f); project.create_database()"
        run_python("-c", script, str(template))
        self._database = template / "db.sqlite3"

    def rounds(
        self, variants: Sequence[str], **cell: Any
    ) -> list[dict[str, dict[str, float]]]:
        """Return each round's figures by variant.

        The variants take turns, so that a noisy minute of the machine meets all, and
        figures of one round may be compared.
        """
        return [
            {name: self._measure(cell | {"variant": name}) for name in variants}
            for _ in range(self._rounds)
        ]

    def _measure(self, cell: dict[str, Any]) -> dict[str, float]:
        folder = self._new_folder()
        try:
            shutil.copy(self._database, folder / "db.sqlite3")
            argument = json.dumps(cell | {"folder": str(folder)})
            measured: dict[str, float] = json.loads(
                run_python(str(HERE / "cell.py"), argument).splitlines()[-1]
            )
            return measured
        finally:
            shutil.rmtree(folder)

    def _new_folder(self) -> Path:
        return Path(tempfile.mkdtemp(dir=self._folder))


def delivery(
    bench: Bench, url: str, quick: bool
) -> tuple[list[str], Iterator[list[str]]]:
    """Return header and rows of the table of deliveries."""
    header = ["pace", "storage", "conv.", "variant", "ratio", "last s", "median s"]
    header += ["upload s", "limit s", "ok", "stall ms", "MB/conv."]
    header += ["CPU ms/conv."]
    counts = (1, 10) if quick else CONVERSATIONS

    def rows() -> Iterator[list[str]]:
        for pace, latency, count in itertools.product(PACES, LATENCIES, counts):
            rounds = bench.rounds(
                VARIANTS, pace=pace, latency=latency, conversations=count, url=url
            )
            for name in VARIANTS:
                own = [one[name] for one in rounds]
                last, floor = (
                    [one[variant]["last"] for one in rounds]
                    for variant in (name, "floor")
                )
                limits = [
                    ALLOWED * least + one["upload"]
                    for least, one in zip(floor, own, strict=True)
                ]
                within = sum(map(operator.le, last, limits))
                verdict = "yes" if within * 2 > len(rounds) else "no"
                is_app = name == "app"
                yield [
                    f"{pace:.1f} s",
                    f"{latency * 1000:.0f} ms",
                    str(count),
                    name,
                    f"{median(map(operator.truediv, last, floor)):.2f}",
                    f"{median(last):.2f}",
                    f"{median(one['median'] for one in own):.2f}",
                    f"{median(one['upload'] for one in own):.3f}",
                    f"{median(limits):.2f}" if is_app else "",
                    f"{verdict} {within}/{len(rounds)}" if is_app else "",
                    f"{median(one['stall'] for one in own) * 1000:.0f}",
                    f"{median(one['memory'] for one in own):.1f}",
                    f"{median(one['busy'] for one in own) * 1000:.0f}",
                ]

    return header, rows()


def stalls(bench: Bench, quick: bool) -> tuple[list[str], Iterator[list[str]]]:
    """Return header and rows of the table of stalls."""
    header = ["storage", "conv.", "image", "app less floor ms", "app ms", "floor ms"]
    header += ["longest collection ms"]
    cells = [("2MB", count) for count in ((10,) if quick else CONVERSATIONS)]
    cells.append(("4K", 1))

    def rows() -> Iterator[list[str]]:
        for latency, (size, count) in itertools.product(LATENCIES, cells):
            rounds = bench.rounds(
                ("app", "floor"), latency=latency, conversations=count, size=size
            )
            app, floor = (
                [one[name]["stall"] * 1000 for one in rounds]
                for name in ("app", "floor")
            )
            collections = [one["app"]["collection"] * 1000 for one in rounds]
            yield [
                f"{latency * 1000:.0f} ms",
                str(count),
                size,
                f"{median(map(operator.sub, app, floor)):.1f}",
                f"{median(app):.1f}",
                f"{median(floor):.1f}",
                f"{median(collections):.1f}",
            ]

    return header, rows()


def growth(bench: Bench, quick: bool) -> tuple[list[str], Iterator[list[str]]]:
    """Return header and rows of the table of memory over many images."""
    header = ["storage", "image", "images", "last / half", "MB after 10"]
    header += ["most MB, 1st half", "2nd half"]

    def rows() -> Iterator[list[str]]:
        for latency in LATENCIES:
            rounds = bench.rounds(
                ("app",), latency=latency, size="4K", images=30 if quick else 60
            )
            warm, half, last, images = (
                median(one["app"][name] for one in rounds)
                for name in ("warm", "half", "last", "images")
            )
            yield [
                f"{latency * 1000:.0f} ms",
                "4K",
                f"{images:.0f}",
                f"{last / half:.2f}",
                f"{warm:.0f}",
                f"{half:.0f}",
                f"{last:.0f}",
            ]

    return header, rows()


def print_table(header: list[str], rows: Iterator[list[str]]) -> None:
    """Print a Markdown table, each row as soon as it is measured."""
    widths = [max(len(title), 8) for title in header]
    print_row(header, widths)
    print(f"|{'|'.join('-' * (width + 2) for width in widths)}|")
    for row in rows:
        print_row(row, widths)
    print()


def print_row(cells: list[str], widths: list[int]) -> None:
    """Print one row of a table."""
    padded = (cell.rjust(width) for cell, width in zip(cells, widths, strict=True))
    print(f"| {' | '.join(padded)} |", flush=True)


@contextmanager
def model_server() -> Iterator[str]:
    """Run the model server in a process and yield its base URL."""
    command = [sys.executable, str(HERE / "replay.py")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            url = process.stdout.readline().strip()
            if not url:
                raise SystemExit("The model server did not start.")
            yield url
        finally:
            process.terminate()


def run_python(*args: str) -> str:
    """Run Python in this folder and return what it prints.

    Raises:
        SystemExit: If it failed; what it wrote is shown.
    """
    done = subprocess.run(
        [sys.executable, *args], cwd=HERE, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"{done.stderr}\nA measurement failed: {args}")
    return done.stdout


if __name__ == "__main__":
    main()
