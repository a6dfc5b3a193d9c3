"""The benchmarks measure: each of their processes does its part once."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

# What a benchmark needs beside this app: the drivers, and the SDK's usual server.
pytest.importorskip("psycopg")
pytest.importorskip("starlette")

BENCHMARKS = Path(__file__).resolve().parent.parent.parent / "benchmarks"
IMAGES = """
import json, pathlib, sys, images
bench = images.Bench(pathlib.Path(sys.argv[1]), 1)
with images.model_server() as url:
    cell = {"pace": 0.0, "latency": 0.0, "conversations": 1, "url": url}
    (figures,) = bench.rounds(images.VARIANTS, **cell)
(stalls,) = bench.rounds(("app",), latency=0.0, conversations=1, size="tiny")
print(json.dumps([figures, stalls]))
"""
STREAMS = """
import json, pathlib, sys, stream_bench, stream_databases, stream_processes
databases = stream_databases.Databases(pathlib.Path(sys.argv[1]), "")
with stream_processes.run_model() as url:
    bench = stream_bench.Bench(databases, url, quick=True)
    with bench.server(sys.argv[2], "SQLite", model="image@0") as server:
        print(json.dumps(server.converse()))
"""


def run(script: str, *arguments: str) -> Any:
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        cwd=BENCHMARKS,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_the_benchmark_of_images_measures_all_variants(tmp_path: Path) -> None:
    figures, stalls = run(IMAGES, str(tmp_path))
    assert set(figures) == {"app", "app, SDK client", "recipe", "data URL", "floor"}
    for one in figures.values():
        assert one["last"] > 0 and one["busy"] > 0 and one["memory"] > 0
    assert stalls["app"]["stall"] > 0


@pytest.mark.parametrize("door", ["SDK", "view", "consumer"])
def test_the_benchmark_of_streams_measures_a_conversation(
    tmp_path: Path, door: str
) -> None:
    seen = run(STREAMS, str(tmp_path), door)
    assert seen["events"] > 2
    assert seen["images"] == 1
    assert seen["seconds"] > 0
