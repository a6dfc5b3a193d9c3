"""Measure streams: how fast they are, how many there may be, what each one takes."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path

import stream_speed
import stream_weight
from stream_bench import Bench
from stream_databases import Databases
from stream_processes import run_model
from tables import print_table

TABLES: dict[str, Callable[[Bench], stream_speed.Table]] = {
    "speed": stream_speed.speed,
    "generations": stream_speed.generations,
    "idle": stream_weight.idle,
    "unread": stream_weight.unread,
    "heartbeats": stream_weight.heartbeats,
}
DESCRIPTION = """\
Measure streams at the client, over sockets. Model, server and clients are processes of
their own, and every row has fresh ones.

  view      this app by its URLconf
  consumer  this app by its Channels routes
  SDK       the ChatKit SDK's server with a store in memory, in Starlette, which asks
            nobody who they are
  SDK view  the same in a view of Django, for who is logged in
  bare      an ASGI application that holds streams open and does nothing

The server is uvicorn where the table does not say otherwise.
"""
EPILOG = """\
speed        ratio: events a second, divided by the SDK's of the same round; first
             ratio: the SDK's time to the first event, divided by the row's; at the
             door: the same, but a view is compared with the SDK's in a view; CPU
             ratio: the SDK's processor time by event, divided by the row's
generations  conversations with an image that start together, on a PostgreSQL that
             gives the server 20 connections
idle         what a silent stream takes: readers of one run, then a run for each
unread       memory that 20 MB of events take whose client does not read
heartbeats   how much later than after a second a silent stream's comment comes
"""


def main() -> None:
    """Measure and print."""
    options = arguments()
    with tempfile.TemporaryDirectory(prefix="chatkit-images-benchmark-") as folder:
        databases = Databases(Path(folder), options.postgres)
        try:
            with run_model() as url:
                bench = Bench(databases, url, options.quick)
                for name in options.only:
                    print_table(*TABLES[name](bench))
        finally:
            databases.close()


def arguments() -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--quick", action="store_true", help="fewer rounds and streams")
    parser.add_argument(
        "--only",
        nargs="+",
        choices=TABLES,
        default=list(TABLES),
        help="what to measure (default: all)",
    )
    parser.add_argument(
        "--postgres",
        default="host=127.0.0.1 user=postgres dbname=postgres",
        help="a superuser's connection; the databases are made and dropped",
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
