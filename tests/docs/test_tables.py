"""Tables of the pages say what the code says."""

from __future__ import annotations

import json
import re
import tomllib
import uuid
from dataclasses import fields
from inspect import signature
from pathlib import Path
from typing import get_args

import pytest
from django.contrib.staticfiles import finders
from django.dispatch import Signal
from django.urls import Resolver404, resolve

import chatkit_images
from chatkit_images import checks, doctor, models, notes, signals
from chatkit_images.conf import limits
from chatkit_images.context import RequestContext
from chatkit_images.failures import Reason
from chatkit_images.server import DjangoChatKitServer
from chatkit_images.testing import DIALECTS, script
from chatkit_images.views import streams
from tests.test_layers import LAYERS

from . import pages
from .pages import ROOT

PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def rows(page: str, heading: str) -> list[list[str]]:
    """Return the cells of the first table below a heading, without its head."""
    return tables(page, heading)[0]


def tables(page: str, heading: str) -> list[list[list[str]]]:
    """Return the cells of the tables below a heading, without their heads."""
    text = pages.prose((ROOT / "docs" / page).read_text(encoding="utf-8"))
    section = re.split(r"^#+ ", text, flags=re.MULTILINE)
    (found,) = [part for part in section if part.startswith(f"{heading}\n")]
    parts = [part for part in found.split("\n\n") if part.startswith("|")]
    return [
        [
            [cell.strip() for cell in line.strip("|").split(" | ")]
            for line in part.strip().splitlines()[2:]
        ]
        for part in parts
    ]


def test_layers_are_those_of_the_code() -> None:
    found = {
        int(number): " ".join(re.findall(r"`(\w+)`", names))
        for number, names in rows("architecture.md", "Layers")[:6]
    }
    assert {key: set(value.split()) for key, value in found.items()} == {
        key: set(value.split()) for key, value in LAYERS.items()
    }


def test_words_of_the_glossary_occur_in_the_package() -> None:
    files = sorted((ROOT / "chatkit_images").rglob("*.py"))
    text = " ".join(file.read_text(encoding="utf-8") for file in files)
    words = " ".join(re.findall(r"[a-z]+(?:-[a-z]+)*", text.lower()))
    terms = [
        cells[0] for table in tables("architecture.md", "Glossary") for cells in table
    ]
    assert len(terms) == len(set(terms)) + 1, "claim is a noun and a verb"
    dead = [term for term in terms if not re.search(rf"\b{term}(?:s|es)?\b", words)]
    assert dead == []


def test_checks_are_those_of_the_code() -> None:
    listed = {cells[0].strip("`") for cells in rows("install.md", "Checks")}
    assert listed == pages.check_ids()


def test_states_and_reasons_are_those_of_the_code() -> None:
    table = rows("images.md", "What happens to an image")
    shown = {cells[0].strip("`"): cells[2] for cells in table}
    assert set(shown) == set(models.GeneratedImage.Status.values)
    for status in ("blocked", "failed", "cancelled", "interrupted"):
        row = models.GeneratedImage(status=status)
        assert f'"{notes.words(row)}"' in shown[status]
    row = models.GeneratedImage(status="failed", error_code="not_saved")
    assert f'"{notes.words(row)}"' in shown["failed"]


def test_reasons_are_those_of_the_code() -> None:
    table = rows("images.md", "Why an image or an answer has no result")
    assert [cells[0].strip("`") for cells in table] == list(Reason)
    for name, _, words, retry in table:
        reason = Reason(name.strip("`"))
        assert f'"{notes.WORDS[reason]}"' in words
        assert retry == ("yes" if reason.may_retry else "no")
        run = models.Run(status="failed", reason=reason)
        # Nothing that cannot help is recommended.
        assert ("again" in notes.words(run)) == (
            reason.may_retry and reason != "stopped"
        )


def test_choices_are_those_of_the_code() -> None:
    tables = {
        "IMAGE_URLS": rows("images.md", "Image URLs"),
        "MODEL_IMAGES": rows("images.md", "What the model gets on later turns"),
        "ON_DISCONNECT": rows("operations.md", "Runs"),
    }
    for key, table in tables.items():
        assert tuple(cells[0].strip('`"') for cells in table) == checks.CHOICES[key]


def test_steps_are_those_of_the_code() -> None:
    text = " ".join(cells[0] for cells in rows("testing.md", "Steps"))
    assert {step.__name__ for step in get_args(script.Step)} == set(
        re.findall(r"\b([A-Z]\w+)\(", text)
    )


def test_dialects_are_those_of_the_code() -> None:
    listed = {cells[0].strip("`"): cells[1] for cells in rows("testing.md", "Dialects")}
    assert listed == {dialect.name: dialect.about for dialect in DIALECTS.values()}


def test_signals_are_those_of_the_code() -> None:
    names = {name for name, value in vars(signals).items() if isinstance(value, Signal)}
    assert {cells[0].strip("`") for cells in rows("operations.md", "Signals")} == names


def test_paths_lead_to_views() -> None:
    for cells in rows("install.md", "URLs"):
        path = cells[0].strip("`").replace("<run_id>", str(uuid.uuid4()))
        path = re.sub(r"<\w+>", "x", path).replace("...", "x/")
        try:
            resolve(path)
        except Resolver404:
            pytest.fail(path)


def test_routes_of_streams_lead_to_views() -> None:
    for cells in tables("resume.md", "Headers and routes")[1]:
        method, path = cells[0].strip("`").split(" ")
        path = path.replace("<run>", str(uuid.uuid4())).replace("<thread>", "x")
        assert hasattr(resolve(path).func.view_class, method.lower()), path  # type: ignore[attr-defined]


def test_headers_of_streams_are_those_of_the_code() -> None:
    names = [cells[0] for cells in tables("resume.md", "Headers and routes")[0]]
    assert names == [f"`{streams.RESUME}: 1`", *names[1:]]
    assert names[2] == f"`{streams.RUN}`"


def test_options_of_the_module_are_those_of_its_code() -> None:
    script = finders.find("chatkit_images/chatkit-fetch.js")
    options = re.findall(r"\[options\.(\w+)\]", Path(script).read_text())
    shown = [cells[0].strip("`") for cells in rows("resume.md", "Options")]
    assert shown == options


def test_extras_are_those_of_the_package() -> None:
    extras = {cells[0].strip("`") for cells in rows("install.md", "Packages")}
    assert extras == set(PYPROJECT["project"]["optional-dependencies"])


def test_supported_versions_are_those_of_the_classifiers() -> None:
    supported: dict[str, list[str]] = {"Python": [], "Django": []}
    for classifier in PYPROJECT["project"]["classifiers"]:
        if match := re.search(
            r"(?:Language :: (Python)|:: (Django)) :: ([\d.]+)$", classifier
        ):
            supported[match[1] or match[2]].append(match[3])
    (*others, newest), pythons = supported["Django"], supported["Python"]
    words = (
        f"Python {pythons[0]} to {pythons[-1]}",
        f"Django {', '.join(others)} or {newest}",
    )
    for page in ("README.md", "CHANGELOG.md"):
        text = " ".join((ROOT / page).read_text(encoding="utf-8").split())
        assert [said for said in words if said not in text] == [], page


def test_classes_of_drift_are_those_of_the_code() -> None:
    found = [name.strip("`") for name, *_ in rows("doctor.md", "Classes")]
    assert found == [each.name for each in doctor.CLASSES]


def test_json_of_the_doctor_has_the_keys_of_its_page() -> None:
    found = [name.strip("`") for name, *_ in rows("doctor.md", "JSON")]
    (part,) = (part for part in pages.blocks("json") if part.page.name == "doctor.md")
    count = doctor.Count(1, examples=[doctor.Finding("mice", "Mouse 1", storages=())])
    trouble = doctor.Trouble("mice", "Mouse 2", OSError())
    said = doctor.Report(False, {"mice": count}, [trouble]).to_json()
    shown = json.loads(part.text)
    assert list(said) == list(shown) == found
    (mice,), (shown_class,) = said["classes"].values(), shown["classes"].values()
    assert list(mice) == list(shown_class)
    assert list(mice["examples"][0]) == list(shown_class["examples"][0])
    assert list(said["errors"][0]) == ["class", "what", "error"]


def test_changelog_begins_with_the_version() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    (first, *_) = re.findall(r"^## (\S+)", text, re.MULTILINE)
    assert first == chatkit_images.__version__ == PYPROJECT["project"]["version"]


def test_fields_and_methods_of_contexts_are_those_of_the_code() -> None:
    listed = " ".join(cells[0] for cells in rows("context.md", "Fields"))
    names = {field.name for field in fields(RequestContext)}
    assert set(re.findall(r"`(\w+)`", listed)) == names
    methods = {
        name
        for name, value in vars(RequestContext).items()
        if not name.startswith("_") and (callable(value) or type(value) is classmethod)
    }
    assert set(checks.contexts.METHODS) == methods
    table = rows("context.md", "Methods")
    assert {cells[0].strip("`").partition("(")[0] for cells in table} == methods
    for cells in table:
        name, _, given = cells[0].strip("`)").partition("(")
        taken = signature(getattr(RequestContext, name)).parameters
        assert [each for each in given.split(", ") if each not in taken] in ([], [""])


def test_hooks_are_those_of_the_code() -> None:
    table = rows("server.md", "The server and its hooks")
    listed = set(re.findall(r"`(\w+)\(\)`", " ".join(cells[0] for cells in table)))
    hooks = {name for name in dir(DjangoChatKitServer) if name.startswith("get_")}
    assert hooks - listed == set()
    converter = ("generated_image_text", "absences_to_input")
    assert {name for name in listed if not hasattr(DjangoChatKitServer, name)} == {
        *converter
    }


def test_limits_are_those_of_the_code() -> None:
    def number(cell: str) -> int | None:
        digits, _, unit = cell.replace(",", "").partition(" ")
        if cell == "no limit":
            return None
        return int(digits) * {"": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}[unit]

    for heading, column, known in (
        ("What is limited", 2, limits.DEFAULTS),
        ("What is limited", 3, limits.VISITORS),
        ("An address", 1, limits.ADDRESS),
    ):
        table = rows("limits.md", heading)
        told = {cells[0].strip("`"): number(cells[column]) for cells in table}
        assert told == known
    codes = {
        cells[0].strip("`"): cells[4] for cells in rows("limits.md", "What is limited")
    }
    assert all(f"`{name.lower()}`" in cell for name, cell in codes.items())
