"""The doctor: it finds all drift and nothing else, mends it, and finds none again."""

from __future__ import annotations

import json
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from chatkit_images import doctor
from chatkit_images.models import LegalHold, Run

from .examining import check_all, examined, second_storage
from .planting import Planter

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def another_storage(settings: Any, tmp_path: Any) -> None:
    second_storage(settings, tmp_path)


@pytest.mark.parametrize("seed", range(2))
def test_all_drift_and_nothing_else_is_found_and_mended(seed: int) -> None:
    check_all(Planter(seed))


def command(*args: str) -> tuple[int, str, str]:
    out, err = StringIO(), StringIO()
    try:
        call_command("chatkit_images_doctor", *args, stdout=out, stderr=err)
    except CommandError as error:
        return error.returncode, out.getvalue(), err.getvalue() + str(error)
    return 0, out.getvalue(), err.getvalue()


def test_the_command_counts_and_mends_and_says_so_by_its_code() -> None:
    planter = Planter(1)
    run = planter.stale_runs()
    files = [planter.undeleted_files() for _ in range(7)]

    code, out, err = command("--check", "stale-runs", "undeleted-files")
    assert code == 1
    assert err == "There is drift: 8 in all."
    lines = out.splitlines()
    assert lines[0] == "stale-runs: 1"
    assert lines[1].startswith(f"  Run {run.pk}: no sign of life since ")
    assert lines[2] == "undeleted-files: 7"
    assert lines[3].startswith(f"  DeletedFile {files[0].pk}: ")
    assert lines[8] == "  and 2 more"
    assert Run.objects.running().exists()

    code, out, err = command("--fix", "stale-runs", "undeleted-files")
    assert (code, err) == (0, "")
    assert [line for line in out.splitlines() if line[0] != " "] == [
        "stale-runs: 1, 1 mended",
        "undeleted-files: 7, 7 mended",
    ]
    assert command("--check", "stale-runs", "undeleted-files")[0] == 0


def test_the_command_prints_json() -> None:
    planted = Planter(2).plant(["counters"], most=1)
    code, out, _ = command("--check", "counters", "--json")
    data = json.loads(out)
    (what,) = planted["counters"]
    (example,) = data["classes"]["counters"].pop("examples")
    assert code == data.pop("exit_code") == 1
    assert (example["what"], example["bytes"]) == (what, 0)
    assert data == {
        "version": 1,
        "deep": False,
        "classes": {"counters": {"found": 1, "bytes": 0, "fixed": 0, "left": 1}},
        "errors": [],
    }


def test_what_is_held_is_found_and_stays() -> None:
    planter = Planter(3)
    row = planter.unsent_attachments()
    LegalHold.objects.create(owner=row.owner)
    report = doctor.fix(["unsent-attachments"])
    assert report.counts["unsent-attachments"].left == 1
    row.refresh_from_db()
    LegalHold.objects.all().delete()
    assert doctor.fix(["unsent-attachments"]).exit_code == 0


def test_it_goes_on_where_it_was_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chatkit_images.doctor.drift.PAGE", 2)
    planter = Planter(4)
    rows = sorted(planter.undeleted_files().pk for _ in range(5))
    seen: list[str] = []
    places: list[str] = []

    def stop(finding: doctor.Finding, done: bool) -> None:
        seen.append(finding.what)
        if len(seen) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        doctor.examine(["undeleted-files"], found=stop, stopped=places.append)
    assert places == [f"undeleted-files:DeletedFile:{rows[1]}"]

    report, found = examined(checks=["undeleted-files"], start=places[0])
    assert found == {"undeleted-files": {f"DeletedFile {pk}" for pk in rows[2:]}}


def test_unknown_names_are_refused() -> None:
    with pytest.raises(ValueError, match="no class of drift 'mice'"):
        doctor.examine(["mice"])
    with pytest.raises(ValueError, match="Nothing begins at 'mice:1'"):
        doctor.examine(["counters"], start="mice:1")
    with pytest.raises(CommandError, match="invalid choice: 'mice'"):
        call_command("chatkit_images_doctor", "--check", "mice")
