"""Measure the time until a generated image is delivered, against three others."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import images_tables
from images_bench import Bench, model_server
from tables import print_table

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
                print_table(*images_tables.delivery(bench, url, options.quick))
        if "stalls" in options.tables:
            print_table(*images_tables.stalls(bench, options.quick))
        if "growth" in options.tables:
            print_table(*images_tables.growth(bench, options.quick))


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


if __name__ == "__main__":
    main()
