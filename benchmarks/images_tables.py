"""What is measured of images, as the headers and rows of three tables."""

from __future__ import annotations

import itertools
import operator
from collections.abc import Iterator
from statistics import median

from images_bench import Bench

VARIANTS = ("app", "app, SDK client", "recipe", "data URL", "floor")
LATENCIES = (0.0, 0.2)
# Seconds that the model takes for each preview and for the image.
PACES = (0.0, 2.5)
CONVERSATIONS = (1, 10, 40)
ALLOWED = 1.15


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
