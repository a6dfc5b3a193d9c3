"""The benchmarks measure: each of their processes does its part once."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.servers import nginx

# What a benchmark needs beside this app: the drivers, and the SDK's usual server.
pytest.importorskip("psycopg")
pytest.importorskip("starlette")

BENCHMARKS = Path(__file__).resolve().parent.parent.parent / "benchmarks"
IMAGES = """
import json, pathlib, sys, images_bench, images_tables
bench = images_bench.Bench(pathlib.Path(sys.argv[1]), 1)
with images_bench.model_server() as url:
    cell = {"pace": 0.0, "latency": 0.0, "conversations": 1, "url": url}
    cell["image"] = "500KB"
    (figures,) = bench.rounds(images_tables.VARIANTS, **cell)
cell = {"latency": 0.0, "conversations": 1, "size": "tiny", "pause": 0.05}
(stalls,) = bench.rounds(("app",), **cell)
print(json.dumps([figures, stalls]))
"""
DOORS = ["SDK", "view", "consumer"]
STREAMS = f"""
import json, pathlib, sys, stream_bench, stream_databases, stream_processes
databases = stream_databases.Databases(pathlib.Path(sys.argv[1]), "")
seen = {{}}
with stream_processes.run_model() as url:
    bench = stream_bench.Bench(databases, url, quick=True)
    for door in {DOORS}:
        with bench.server(door, "SQLite", model="image@0") as server:
            seen[door] = server.converse()
"""
NEIGHBOURS = """
import neighbours, neighbours_bench, neighbours_files
row = neighbours_bench.Row("a9", ["a9"], 1, "consumer", "uvicorn", "SQLite")
settings = neighbours_bench.Settings(seconds=1)
neighbours_files.PHOTO = (64, 48)
with stream_processes.spawn("neighbours_model.py", "tiny") as model:
    url, photo = stream_processes.line_of(model), neighbours_files.photo()
    sides = neighbours_bench.Neighbours(databases, url, photo, settings).measure(row)
seen["neighbours"] = [vars(side) for side in sides]
seen["row"] = dict(zip(neighbours.HEADER, neighbours.cells(row, *sides), strict=True))
print(json.dumps(seen))
"""


MODEL_INPUT = """
import json, model_input
rows = model_input.rows({"turns": 4, "warm": 2, "pause": 0, "size": "tiny"}, None)
print(json.dumps([model_input.HEADER, *rows]))
"""


UPKEEP = """
import json, pathlib, sys, project, upkeep, upkeep_rows
with upkeep.storages(sys.argv[1], False) as stored:
    project.configure(pathlib.Path(sys.argv[1]), STORAGES=stored)
    project.create_database()
    upkeep_rows.clear()
    upkeep.list_by_formula()
    upkeep.MOVED = 50
    made = upkeep_rows.Made.of(100)
    made.fill()
    costs = {name: job(made)._asdict() for name, job in upkeep.JOBS.items()}
print(json.dumps(costs))
"""


ADMIN = """
import json, pathlib, sys, admin
admin.configure(pathlib.Path(sys.argv[1]), False)
admin.project.create_database()
print(json.dumps([*admin.measure([100, 300], 1)]))
"""


SERVING = """
import json, pathlib, sys, serving, serving_processes
folder = pathlib.Path(sys.argv[1])
# A range of the second is asked for, behind the first million.
sizes = dict(zip(serving.SIZES, (20_000, 1_200_000)))
paths = serving_processes.prepare(folder, sizes)
serving_processes.SERVERS = {"uvicorn": serving_processes.SERVERS["uvicorn"]}
rows = [*serving.rates(folder, paths, 0.1, 1)]
(memory,) = serving.memory(folder, paths["5MB"], 2)
print(json.dumps([rows, memory]))
"""


MADE = """
import pathlib, sys, project
project.configure(pathlib.Path(sys.argv[1]))
project.create_database()
"""


@pytest.fixture(scope="module", autouse=True)
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Let each benchmark begin with a copy of one database."""
    folder = tmp_path_factory.mktemp("made")
    subprocess.run(
        [sys.executable, "-c", MADE, str(folder)], cwd=BENCHMARKS, check=True
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BENCHMARK_DATABASE", str(folder / "db.sqlite3"))
        yield


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Any:
    # All servers have copies of one database: to make one takes longer than the rest.
    return run(STREAMS + NEIGHBOURS, str(tmp_path_factory.mktemp("databases")))


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


def test_each_benchmark_tells_what_it_does_and_starts_nothing() -> None:
    readme = (BENCHMARKS / "README.md").read_text(encoding="utf-8")
    names = sorted(set(re.findall(r"python benchmarks/(\w+\.py)", readme)))
    assert "servers.py" in names
    for name in names:
        done = subprocess.run(
            [sys.executable, name, "--help"],
            cwd=BENCHMARKS,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith(f"usage: {name} [-h]")


def test_the_benchmark_of_images_measures_all_variants(tmp_path: Path) -> None:
    figures, stalls = run(IMAGES, str(tmp_path))
    assert set(figures) == {"app", "app, SDK client", "recipe", "data URL", "floor"}
    for one in figures.values():
        assert one["last"] > 0 and one["busy"] > 0 and one["memory"] > 0
    assert stalls["app"]["stall"] > 0


def test_the_benchmark_of_deletes_reads_and_deletes_what_it_says() -> None:
    done = subprocess.run(
        [sys.executable, "deletes.py", "--threads", "300", "--items", "10", "100"],
        cwd=BENCHMARKS,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    rows = [line.split("|")[1:-1] for line in done.stdout.splitlines() if "|" in line]
    cells = [[cell.strip() for cell in row] for row in rows]
    assert [row[0] for row in cells[2:7]] == ["0 %", "10 %", "50 %", "90 %", "98 %"]
    assert int(cells[5][1]) < 1.5 * int(cells[2][1])
    few, many = cells[9:11]
    # SQLite takes some more for the positions of what is deleted.
    assert int(many[1]) <= int(few[1]) + 1
    assert cells[-1][0] == "300"
    assert cells[-1][1] == str(300 + 300 + 75)


def test_the_benchmark_of_the_models_input_measures_app_and_sdk() -> None:
    header, app, sdk = run(MODEL_INPUT)
    assert (app[0], sdk[0]) == ("app", "SDK")
    # No window is full, so all that was sent is sent again.
    equal = header.index("equal")
    assert app[equal] == sdk[equal] == "100.0%"
    encoded = header.index("encoded")
    assert app[encoded : encoded + 2] == ["1.0", "0.0"]
    assert float(sdk[encoded + 1]) > 0


def test_the_benchmark_of_upkeep_measures_each_job(tmp_path: Path) -> None:
    costs = run(UPKEEP, str(tmp_path))
    assert set(costs) == {
        *("sweep-dry", "sweep", "sweep-again"),
        *("verify", "flush", "doctor"),
    }
    assert (costs["sweep"]["files"], costs["sweep"]["found"]) == (201, 3)
    assert costs["sweep-again"]["found"] == 0
    assert costs["verify"]["files"] == 100 and costs["verify"]["found"] == 0
    assert costs["flush"]["found"] > 0 and costs["doctor"]["found"] == 0
    assert all(cost["statements"] > 0 for cost in costs.values())


def test_the_benchmark_of_the_admin_finds_as_many_statements(tmp_path: Path) -> None:
    rows = run(ADMIN, str(tmp_path))
    few = {row[1]: row[2] for row in rows if row[0] == "100"}
    many = {row[1]: row[2] for row in rows if row[0] == "300"}
    # A page that is not full needs no number of rows: this person has so few of 100.
    few["gallery, one person's"] = many["gallery, one person's"]
    assert len(few) > 8 and few == many


@pytest.mark.parametrize("door", DOORS)
def test_the_benchmark_of_streams_measures_a_conversation(seen: Any, door: str) -> None:
    assert seen[door]["events"] > 2
    assert seen[door]["images"] == 1
    assert seen[door]["seconds"] > 0


def test_the_benchmark_of_neighbours_measures_a_person_beside_an_attack(
    seen: Any,
) -> None:
    app, empty = seen["neighbours"]
    for side in (app, empty):
        assert set(side["times"]) == {"first", "final", "image", "listing", "upload"}
        assert all(min(times) > 0 for times in side["times"].values())
        assert side["failed"] == {} and side["spooled"] == {}
        assert side["memory"] > 0
    assert app["statuses"]["404"] > 0
    assert empty["statuses"]["200"] > 0 and "404" not in empty["statuses"]
    assert "memory" not in seen["row"]["verdict"]


@pytest.mark.skipif(nginx.COMMAND is None, reason="nginx is not there")
def test_the_benchmark_of_files_compares_every_way(tmp_path: Path) -> None:
    rows, memory = run(SERVING, str(tmp_path))
    ways = {row[2] for row in rows}
    assert ways >= {"plain", "offloaded", "cache", "plain, range", "offloaded, 304"}
    assert all(float(row[4]) > 0 for row in rows)
    assert memory[:2] == ["uvicorn", "2"]
