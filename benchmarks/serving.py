"""How fast files are served, beside what else could serve them, all behind nginx."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import serving_clients
import serving_processes
from tables import print_table

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

SIZES = {"200KB": 200_000, "5MB": 5_000_000}
HEADER = ["server", "file", "way", "peer", "ratio", "app/s", "peer/s", "wanted"]
MEMORY = ["server", "slow readers", "app MB each", "FileResponse MB each", "wanted"]
OFFLOAD = {"OFFLOAD": {"default": "/_images/"}}
CACHE = {"PROXY_CACHE_SECONDS": 600}
WAYS = {"plain": {}, "offloaded": OFFLOAD, "cache": CACHE}


def main() -> None:
    """Print a table of rates and one of memory."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=2, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=5, help="of which the median is")
    parser.add_argument("--readers", type=int, default=50, help="that are slow")
    arguments = parser.parse_args()
    if serving_processes.NGINX is None:
        raise SystemExit("nginx is not installed.")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paths = serving_processes.prepare(folder, SIZES)
        how = (folder, paths, arguments.seconds, arguments.rounds)
        print_table(HEADER, rates(*how))
        print_table(MEMORY, memory(folder, paths["5MB"], arguments.readers))


def rates(
    folder: Path, paths: dict[str, str], seconds: float, rounds: int
) -> Iterator[list[str]]:
    """Yield a row for each way in which a file is served."""
    for server in serving_processes.SERVERS:
        for way, settings in {
            "plain": {},
            "offloaded": OFFLOAD,
            "cache": CACHE,
        }.items():
            with serving_processes.site(server, folder, **settings) as (_, _, port):
                for size, asks, peer, other, wanted in cells(way):
                    headers = headers_of(asks, port, paths[size])
                    pair = []
                    for _ in range(rounds):
                        # One after the other, so that both meet the same machine.
                        ours = serving_clients.rate(port, paths[size], seconds, headers)
                        theirs = serving_clients.rate(
                            port, other, seconds, headers if asks == "range" else ""
                        )
                        pair.append((ours, theirs))
                    ratio = median(ours / theirs for ours, theirs in pair)
                    figures = [
                        f"{median(each):.0f}" for each in zip(*pair, strict=True)
                    ]
                    label = way if asks == "whole" else f"{way}, {asks}"
                    yield [server, size, label, peer, f"{ratio:.2f}", *figures, wanted]


def cells(way: str) -> list[tuple[str, str, str, str, str]]:
    """Return size, what is asked, the peer, its path and what is wanted, of a way."""
    if way == "plain":
        name = "FileResponse"
        whole = [(size, "whole", name, f"/file/{size}", "> 1") for size in SIZES]
        empty = ("5MB", "304", "empty view", "/empty/", "")
        return [*whole, ("5MB", "range", name, "/file/5MB", ""), empty]
    if way == "offloaded":
        return [
            ("200KB", "whole", "empty view", "/empty/", "0.7"),
            ("200KB", "whole", "nginx alone", "/alone/200KB", ""),
            ("5MB", "whole", "nginx alone", "/alone/5MB", "0.8"),
            ("5MB", "range", "empty view", "/empty/", ""),
            ("5MB", "304", "empty view", "/empty/", ""),
        ]
    name = "nginx's cache"
    return [(size, "whole", name, f"/through-cache/{size}", "0.8") for size in SIZES]


def headers_of(asks: str, port: int, path: str) -> str:
    """Return the headers of a request for a part, or for what the client has."""
    if asks == "range":
        return "Range: bytes=1000000-1099999\r\n"
    if asks == "304":
        with serving_clients.Connection(port) as connection:
            return f"If-None-Match: {connection.ask(path)['etag']}\r\n"
    return ""


def memory(folder: Path, path: str, readers: int) -> Iterator[list[str]]:
    """Yield a row for each server: what readers take of it that read nothing."""
    for server in serving_processes.SERVERS:
        found = []
        for asked in (path, "/file/5MB"):
            with serving_processes.site(server, folder) as (process, port, _):
                each = serving_clients.memory_of_slow_readers(
                    process, port, asked, readers
                )
                found.append(f"{each:.2f}")
        yield [server, str(readers), *found, "< 0.5"]


if __name__ == "__main__":
    main()
