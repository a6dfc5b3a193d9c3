"""The documentation against the code: its snippets run, its names exist."""

from __future__ import annotations

import ast
import configparser
import importlib
import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any, get_args

import pytest
from django.apps import apps
from django.conf import global_settings
from django.contrib import admin
from django.contrib.auth.models import Permission
from django.core.handlers.asgi import ASGIHandler
from django.core.management import get_commands, load_command_class
from django.db import ConnectionHandler
from django.dispatch import Signal
from django.test import RequestFactory, override_settings
from django.urls import NoReverseMatch, Resolver404, clear_url_caches, resolve, reverse
from django.utils.module_loading import import_string

import chatkit_images
from chatkit_images import checks, models, signals
from chatkit_images.rows.endings import reason
from chatkit_images.testing import Image as ImageStep
from chatkit_images.testing import LoopbackAPI, Text, script
from tests.client import ChatClient, done_items

from .docs import pages, shop
from .docs.pages import PAGES, ROOT, Block, block, blocks
from .test_layers import LAYERS

PROJECT_FILES = ("conftest.py", "tests/test_chat.py", "tests/test_store.py")
# Run by the tests below; every other Python block by test_page_runs_from_top_to_end.
OWN_TESTS = (
    "shop/settings.py",
    "shop/urls.py",
    "shop/chat.py",
    "shop/asgi.py",
    "shop/views.py",
    *PROJECT_FILES,
)
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
# Words of code that are neither settings of Django nor of this app.
VARIABLES = {
    "ASGI_APPLICATION",
    "ATOMIC_REQUESTS",
    "CHATKIT_DOMAIN_KEY",
    "CHATKIT_IMAGES",
    "CONN_MAX_AGE",
    "OPENAI_API_KEY",
}
by_file = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def each(*languages: str, name: str | None = None) -> Any:
    """Parametrize a test with blocks."""
    found = list(blocks(*languages, name=name))
    assert found, (languages, name)
    return pytest.mark.parametrize("part", found, ids=str)


# Snippets


def test_every_block_has_a_test() -> None:
    tested = {"python", "sh", "js", "json", "html", "toml", "nginx", ""}
    assert {part.language for part in blocks()} == tested
    names = {part.name for part in blocks("python") if part.name}
    assert names == {*OWN_TESTS, "shop/admin.py", "shop/receivers.py"}


@each("python", name="shop/chat.py")
async def test_server_answers(
    part: Block, chat: ChatClient, model: LoopbackAPI
) -> None:
    model.respond_with(ImageStep(partials=0), Text("Here you are."))
    with shop.serving(part):
        events = await chat.say("a red fox")
    (image,) = done_items(events, "generated_image")
    assert (await chat.get(image["image"]["url"])).status_code == 200
    assert len(done_items(events, "assistant_message")) == 1


@each("python", name="shop/settings.py")
def test_settings_pass_the_checks(
    part: Block, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    if "botocore" in part.text or "S3Storage" in part.text:
        pytest.importorskip("storages.backends.s3")
    values = shop.settings_of(part, tmp_path)
    server = shop.module("shop.chat", block("README.md", "Install", 2))
    monkeypatch.setattr("chatkit_images.checks.django_settings", values)
    monkeypatch.setattr("chatkit_images.conf.django_settings", values)
    with shop.installed(chat=server):
        assert checks.check_settings(None) == []
        assert checks.check_databases(None) == []
    if values.INSTALLED_APPS[0] == "daphne":
        assert "chatkit_images" in values.INSTALLED_APPS
    for app in set(values.INSTALLED_APPS) - {"shop"}:
        apps.get_app_config(app.rpartition(".")[2])


@pytest.mark.django_db(databases=[])
def test_sqlite_options_are_taken(tmp_path: Path) -> None:
    values = shop.settings_of(block("install.md", "SQLite"), tmp_path)
    connection = ConnectionHandler(values.DATABASES)["default"]
    wrapped = connection.__class__(connection.settings_dict, "docs")
    database = wrapped.get_new_connection(wrapped.get_connection_params())
    try:
        assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert wrapped.transaction_mode == "IMMEDIATE"
    finally:
        database.close()


def test_postgresql_options_are_taken(tmp_path: Path) -> None:
    pytest.importorskip("psycopg_pool")
    values = shop.settings_of(block("install.md", "PostgreSQL"), tmp_path)
    connection = ConnectionHandler(values.DATABASES)["default"]
    pool = connection.pool
    try:
        assert (pool.min_size, pool.max_size) == (2, 20)
    finally:
        pool.close()


def test_s3_options_are_taken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    s3 = pytest.importorskip("storages.backends.s3")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    values = shop.settings_of(block("storage.md", "S3"), tmp_path)
    storage = s3.S3Storage(**values.STORAGES["chatkit_images"]["OPTIONS"])
    url = storage.url("chatkit_images/images/00/0.png")
    assert "/chat/chatkit_images/images/00/0.png?" in url
    assert "X-Amz-Algorithm=AWS4" in url
    config = storage.connection.meta.client.meta.config
    assert (config.connect_timeout, config.read_timeout) == (3, 10)
    assert config.retries["total_max_attempts"] == 2


@each("python", name="shop/urls.py")
def test_urls_have_the_endpoint(part: Block) -> None:
    from django.urls import include, path

    made = shop.module("shop.urls", part, urlpatterns=[], path=path, include=include)
    with shop.installed(urls=made), override_settings(ROOT_URLCONF="shop.urls"):
        clear_url_caches()
        assert reverse("chatkit_images:chat") == "/chatkit/"
    clear_url_caches()


@each("python", name="shop/asgi.py")
def test_asgi_has_an_application(part: Block, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "tests.settings")
    assert isinstance(shop.module("shop.asgi", part).application, ASGIHandler)


def test_view_renders_its_template() -> None:
    view = shop.module("shop.views", *blocks("python", name="shop/views.py"))
    (template,) = blocks("html")
    assert template.name == "shop/templates/shop/design.html"
    loader = (
        "django.template.loaders.locmem.Loader",
        {"shop/design.html": template.text},
    )
    engine = {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "OPTIONS": {"loaders": [loader]},
    }
    with override_settings(TEMPLATES=[engine]):
        response = view.design(RequestFactory().get("/"))
    assert b'data-endpoint="/chatkit/"' in response.content
    assert b'data-domain-key="domain_pk_localhost_dev"' in response.content
    assert "csrftoken" in response.cookies


@pytest.mark.django_db(transaction=True)
@by_file
def test_page_runs_from_top_to_end(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    registry = admin.site._registry
    for model, page_of_model in registry.items():
        monkeypatch.setitem(registry, model, page_of_model)
    for signal in vars(signals).values():
        if isinstance(signal, Signal):
            monkeypatch.setattr(signal, "receivers", [*signal.receivers])
            signal.sender_receivers_cache.clear()
    names: dict[str, Any] = {"__name__": f"docs.{page.stem}"}
    for part in blocks("python"):
        if part.page == page and part.name not in OWN_TESTS:
            exec(part.compile(), names)


def test_project_of_the_testing_page_passes(tmp_path: Path) -> None:
    for name in PROJECT_FILES:
        (part,) = blocks("python", name=name)
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(part.text)
    (config,) = blocks("toml")
    (tmp_path / config.name).write_text(config.text)
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "__init__.py").write_text("")
    (tmp_path / "shop" / "chat.py").write_text(block("install.md", "The server").text)
    (tmp_path / "shop" / "settings.py").write_text(
        "from project_settings import *\n"
        "CHATKIT_IMAGES['SERVER'] = 'shop.chat.DesignServer'\n"
        "ROOT_URLCONF = 'project_urls'\n"
    )
    shutil.copy(ROOT / "tests" / "settings.py", tmp_path / "project_settings.py")
    shutil.copy(ROOT / "tests" / "urls.py", tmp_path / "project_urls.py")
    environment = os.environ | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}
    # It would win over the project's own configuration.
    environment.pop("DJANGO_SETTINGS_MODULE", None)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert " skipped" not in done.stdout


@each("js")
def test_javascript_parses(part: Block, tmp_path: Path) -> None:
    for path in re.findall(r'"(/chatkit/[^"]*)"', part.text):
        resolve(path)
    if node := shutil.which("node"):
        file = tmp_path / "part.mjs"
        file.write_text(part.text)
        done = subprocess.run([node, "--check", file], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr


def test_error_is_the_one_that_is_sent() -> None:
    from chatkit_images.views.errors import error

    (part,) = blocks("json")
    message = "An answer is still being written in this chat."
    sent = error(409, "run_in_progress", message, allow_retry=True)
    assert part.text.encode().strip() == sent.content


def test_nginx_forwards_to_the_endpoint() -> None:
    (part,) = blocks("nginx")
    assert part.text.count("{") == part.text.count("}")
    (prefix,) = re.findall(r"location (\S+)", part.text)
    assert resolve(prefix).view_name == "chatkit_images:chat"


# Commands


def check_command(line: str) -> None:
    """Fail if a command line of the pages cannot be right."""
    words = shlex.split(line)
    if words[:3] == ["python3", "-m", "pip"]:
        assert words[3:] == ["install", "tox"]
    elif words[:2] == ["pip", "install"]:
        name, extras = re.fullmatch(r"([\w-]+)\[([\w,]+)\]", words[2]).groups()  # type: ignore[union-attr]
        assert name == PYPROJECT["project"]["name"]
        assert set(extras.split(",")) <= set(
            PYPROJECT["project"]["optional-dependencies"]
        )
    elif words[:3] == ["tox", "run", "-e"]:
        tox = configparser.ConfigParser()
        tox.read(ROOT / "tox.ini")
        assert f"testenv:{words[3]}" in tox
    elif words[:2] == ["python", "manage.py"]:
        command = load_command_class(get_commands()[words[2]], words[2])
        command.create_parser("manage.py", words[2]).parse_args(words[3:])
    elif words[0] == "daphne":
        from daphne.cli import CommandLineInterface

        CommandLineInterface().parser.parse_args(words[1:])
    elif words[0] == "python":
        assert (ROOT / words[1]).is_file()
    else:
        raise AssertionError(f"Not a command of these pages: {line}")


@each("sh")
def test_commands_exist(part: Block) -> None:
    for line in part.text.splitlines():
        for command in line.split(" && "):
            check_command(command)


@by_file
def test_commands_in_the_text_exist(page: Path) -> None:
    for span in pages.spans(page):
        if span.startswith(("python ", 'pip install "', "tox ")):
            check_command(span)


def test_readme_has_the_two_commands() -> None:
    lines = [part.text.strip() for part in blocks("sh") if part.page == PAGES[0]]
    for name in ("demo", "test"):
        assert f"python3 -m pip install tox && tox run -e {name}" in lines


# Links and names


@by_file
def test_links_lead_somewhere(page: Path) -> None:
    text = pages.prose(page.read_text(encoding="utf-8"))
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if target.startswith(("https://", "http://")):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.is_file(), target
        if anchor:
            assert anchor in pages.anchors(file), target


@pytest.mark.parametrize("start", ["README.md", "docs/index.md"])
def test_every_page_is_linked(start: str) -> None:
    text = (ROOT / start).read_text(encoding="utf-8")
    for page in (ROOT / "docs").glob("*.md"):
        if page.name != "index.md":
            assert f"{page.name})" in text, page.name


def exists(path: str) -> bool:
    """Whether a dotted path, check id, permission or route of the app is there."""
    if re.fullmatch(r"chatkit_images\.[EW]\d+", path):
        return f'"{path}"' in Path(checks.__file__).read_text()
    label, _, codename = path.partition(".")
    if Permission.objects.filter(content_type__app_label=label, codename=codename):
        return True
    try:
        importlib.import_module(path)
    except ImportError:
        try:
            import_string(path)
        except ImportError:
            return False
    return True


@pytest.mark.django_db
@by_file
def test_dotted_paths_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    text = re.sub(r"chatkit_images/[\w<>/ .]+", "", text)
    for path in sorted(set(re.findall(r"\bchatkit_images(?:\.\w+)+", text))):
        assert exists(path), path
    for name in re.findall(r"chatkit_images:[\w-]+", text):
        try:
            reverse(name)
        except NoReverseMatch as error:
            assert "no arguments" in str(error), name


@by_file
def test_files_and_tests_exist(page: Path) -> None:
    text = pages.prose(page.read_text(encoding="utf-8"))
    for path, name in re.findall(
        r"\b((?:docs|tests|example_project|chatkit_images)/[\w/]+\.\w+)(?:::(\w+))?",
        text,
    ):
        file = ROOT / path
        assert file.is_file(), path
        if name:
            functions = {
                node.name
                for node in ast.walk(ast.parse(file.read_text()))
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            }
            assert name in functions, name


@by_file
def test_settings_in_the_text_exist(page: Path) -> None:
    known = {*checks.known_keys(), *dir(global_settings), *VARIABLES}
    for span in pages.spans(page):
        for name in re.findall(r"\b[A-Z]{3,}(?:_[A-Z]+)*\b", span):
            if "_" in name or name in span.split('"'):
                assert name in known, span


def words_of_the_code() -> set[str]:
    """Return the words of the code, of the SDK's and of the pages' blocks."""
    folders = [ROOT / "chatkit_images", ROOT / "example_project", ROOT / "tests"]
    for name in ("chatkit", "agents"):
        spec = importlib.util.find_spec(name)
        assert spec is not None
        folders += map(Path, spec.submodule_search_locations or [])
    files = [ROOT / "pyproject.toml", ROOT / "tox.ini"]
    for folder in folders:
        files += [
            each for ending in ("py", "js") for each in folder.rglob(f"*.{ending}")
        ]
    texts = [
        file.read_text(encoding="utf-8")
        for file in files
        if file.name != "test_docs.py"
    ]
    texts += [part.text for part in blocks()]
    texts += [file.stem for file in files]
    return set(re.findall(r"\w+", "\n".join(texts)))


def test_identifiers_in_the_text_exist() -> None:
    codenames = {
        f"{action}_{model._meta.model_name}"
        for model in apps.get_app_config("chatkit_images").get_models()
        for action in model._meta.default_permissions
    }
    known = words_of_the_code() | set(dir(global_settings)) | codenames
    missing = {
        f"{page.name}: {word}"
        for page in PAGES
        for span in pages.spans(page)
        for word in re.findall(r"\w+", span)
        if re.search(r"[a-z]_[a-z]|[a-z][A-Z]", word) and word not in known
    }
    assert missing == set()


# Tables


def rows(page: str, heading: str) -> list[list[str]]:
    """Return the cells of the table below a heading, without its head."""
    text = pages.prose((ROOT / "docs" / page).read_text(encoding="utf-8"))
    section = re.split(r"^#+ ", text, flags=re.MULTILINE)
    (found,) = [part for part in section if part.startswith(f"{heading}\n")]
    table = found[found.index("\n|") :].strip().partition("\n\n")[0].splitlines()
    return [
        [cell.strip() for cell in line.strip("|").split(" | ")] for line in table[2:]
    ]


def test_settings_page_is_made_from_the_code() -> None:
    spec = importlib.util.spec_from_file_location(
        "make_settings", ROOT / "docs" / "make_settings.py"
    )
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    made = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    assert made == script.make(), "Run: python docs/make_settings.py"
    for name in checks.known_keys():
        assert f"### {name}\n" in made


def test_layers_are_those_of_the_code() -> None:
    found = {
        int(number): " ".join(re.findall(r"`(\w+)`", names))
        for number, names in rows("architecture.md", "Layers")[:6]
    }
    assert {key: set(value.split()) for key, value in found.items()} == {
        key: set(value.split()) for key, value in LAYERS.items()
    }


def test_checks_are_those_of_the_code() -> None:
    ids = set(re.findall(r'id="(.+?)"', Path(checks.__file__).read_text()))
    assert {cells[0].strip("`") for cells in rows("install.md", "Checks")} == ids


def test_states_and_reasons_are_those_of_the_code() -> None:
    table = rows("images.md", "What happens to an image")
    shown = {cells[0].strip("`"): cells[2] for cells in table}
    assert set(shown) == set(models.GeneratedImage.Status.values)
    for status in ("blocked", "failed", "cancelled", "interrupted"):
        assert f'"{reason(status)}"' in shown[status]
    assert f'"{reason("failed", "not_saved")}"' in shown["failed"]


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


def test_signals_are_those_of_the_code() -> None:
    names = {name for name, value in vars(signals).items() if isinstance(value, Signal)}
    assert {cells[0].strip("`") for cells in rows("operations.md", "Signals")} == names


def test_paths_lead_to_views() -> None:
    for cells in rows("install.md", "URLs"):
        path = re.sub(r"<\w+>", "x", cells[0].strip("`")).replace("...", "x/")
        try:
            resolve(path)
        except Resolver404:
            pytest.fail(path)


def test_extras_are_those_of_the_package() -> None:
    extras = {cells[0].strip("`") for cells in rows("install.md", "Packages")}
    assert extras == set(PYPROJECT["project"]["optional-dependencies"])


def test_changelog_begins_with_the_version() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    (first, *_) = re.findall(r"^## (\S+)", text, re.MULTILINE)
    assert first == chatkit_images.__version__ == PYPROJECT["project"]["version"]


@by_file
def test_pages_name_no_machine(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert not re.search(r"(?<![\w.])/(?:home|root|tmp|work|Users)/", text)
