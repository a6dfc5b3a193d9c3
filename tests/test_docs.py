"""The documentation against the code: its snippets run.

``tests/docs`` has what is said in its text.
"""

from __future__ import annotations

import configparser
import importlib
import importlib.util
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from channels.routing import ProtocolTypeRouter
from daphne.cli import CommandLineInterface
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import AnonymousUser
from django.contrib.sessions.backends.signed_cookies import SessionStore
from django.core.handlers.asgi import ASGIHandler
from django.db import ConnectionHandler, connections
from django.dispatch import Signal
from django.http import HttpResponse
from django.test import RequestFactory, override_settings
from django.urls import clear_url_caches, resolve, reverse

from chatkit_images import checks, conf, signals
from chatkit_images.context import SESSION_KEY, is_visitor
from chatkit_images.testing import Image as ImageStep
from chatkit_images.testing import LoopbackAPI, Text
from tests.client import ChatClient, done_items
from tests.webhook import SECRET

from .docs import shop
from .docs.pages import PAGES, ROOT, Block, block, blocks

PROJECT_FILES = (
    "conftest.py",
    "tests/test_chat.py",
    "tests/test_dialects.py",
    "tests/test_store.py",
)
# Run by the tests below; every other Python block by test_page_runs_from_top_to_end.
OWN_TESTS = (
    "shop/settings.py",
    "shop/urls.py",
    "shop/chat.py",
    "shop/asgi.py",
    "shop/views.py",
    "shop/notes.py",
    # By tests/docs/test_moderation.py.
    "shop/checks.py",
    # By tests/docs/test_encryption.py, with the package that encrypts.
    "shop/ciphers.py",
    # By tests/docs/test_generating.py.
    "shop/failures.py",
    "shop/posters.py",
    "shop/management/commands/poster.py",
    # By tests/docs/test_exchange.py.
    "shop/exports.py",
    "shop/moving.py",
    # By tests/docs/test_from_the_guide.py.
    "shop/endpoint.py",
    "shop/tasks.py",
    # By tests/docs/test_recipes.py, with the packages that they are for.
    "shop/logs.py",
    "shop/sentry.py",
    "shop/metrics.py",
    # Its suite is run by tests/testing/test_storage_contract.py.
    "tests/test_storage.py",
    # By tests/processes/test_teams.py.
    "shop/models.py",
    "shop/teams.py",
    # By tests/projects, in a project with django-tenants.
    "shop/tenants.py",
    "shop/routers.py",
    # By tests/docs/test_webhooks.py.
    "shop/ends.py",
    "shop/follow_up.py",
    # By tests/test_tokens.py, with the packages that read tokens.
    "shop/context.py",
    # By tests/processes/test_hand_over.py, with the packages that they hand over to.
    "gallery/apps.py",
    "gallery/models.py",
    "gallery/receivers.py",
    "gallery/catch_up.py",
    # By tests/docs/test_image_sources.py.
    "shop/openai_images.py",
    "shop/edits.py",
    "shop/gemini.py",
    "shop/pipeline.py",
    "shop/local.py",
    "shop/images_mcp.py",
    "shop/mcp_images.py",
    *PROJECT_FILES,
)
by_file = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def each(*languages: str, name: str | None = None) -> Any:
    """Parametrize a test with blocks."""
    found = list(blocks(*languages, name=name))
    assert found, (languages, name)
    return pytest.mark.parametrize("part", found, ids=str)


# Snippets


def test_every_block_has_a_test() -> None:
    tested = {
        *("python", "sh", "js", "json", "html", "toml", "nginx", "ini", "dockerfile"),
        "",
    }
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
    if "RUN_LOG_URL" in part.text:
        pytest.importorskip("redis")
    monkeypatch.setenv("WEBHOOK_SECRET", SECRET)
    ciphers = {}
    if "FILE_CIPHER" in part.text:
        pytest.importorskip("cryptography", reason="The page's cipher needs it.")
        monkeypatch.setenv("FILE_KEY_2026", "00" * 32)
        code = next(blocks("python", name="shop/ciphers.py"))
        ciphers = {"ciphers": shop.module("shop.ciphers", code)}
    values = shop.settings_of(part, tmp_path)
    values.FILE_UPLOAD_TEMP_DIR = None
    server = shop.module("shop.chat", block("README.md", "Install", 2))
    monkeypatch.setattr("chatkit_images.checks.django_settings", values)
    monkeypatch.setattr("chatkit_images.checks.surroundings.django_settings", values)
    monkeypatch.setattr("chatkit_images.checks.databases.django_settings", values)
    monkeypatch.setattr("chatkit_images.checks.ciphers.django_settings", values)
    monkeypatch.setattr("chatkit_images.conf.storing.django_settings", values)
    monkeypatch.setattr("chatkit_images.conf.base.django_settings", values)
    monkeypatch.setattr("chatkit_images.checks.serving.django_settings", values)
    with shop.installed(chat=server, **ciphers):
        found = [message.msg for message in checks.check_settings(None)]
        if not hasattr(values, "BASE_DIR") or "SPOOL_DIR" not in part.text:
            # Some pages show a part of the settings, without directories.
            found = [each for each in found if "SPOOL_DIR" not in each]
        assert found == []
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


def test_router_passes_the_checks(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    router = shop.module(
        "shop.routers", block("install.md", "Other databases than `default`")
    )
    empty = {"ENGINE": "django.db.backends.dummy"}
    own = connections.settings["default"]
    monkeypatch.setitem(connections.settings, "main", own)
    monkeypatch.setitem(connections.settings, "default", empty)
    settings.DATABASE_ROUTERS = [router.Main()]
    assert checks.check_databases(None) == []


@pytest.mark.row("O07")
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
    from django.urls import path

    views = shop.module("shop.views", next(blocks("python", name="shop/views.py")))
    with shop.installed(views=views):
        if "chatkit_images.urls" in part.text:
            # What startproject's own lines above it give.
            made = shop.module("shop.urls", part, urlpatterns=[], path=path)
        else:
            made = shop.module("shop.urls", block("install.md", "URLs"))
            exec(part.compile(), made.__dict__)
    with shop.installed(urls=made), override_settings(ROOT_URLCONF="shop.urls"):
        clear_url_caches()
        assert reverse("chatkit_images:chat") == "/chatkit/"
    clear_url_caches()


def test_the_project_with_tenants_is_that_of_the_page() -> None:
    """tests/projects chats in it, with the real django-tenants."""
    (part,) = blocks("python", name="shop/tenants.py")
    file = ROOT / "tests" / "projects" / "kinds" / "tenants" / "tenants.py"
    first, _, code = part.text.partition("\n")
    assert first == "# shop/tenants.py"
    assert code == file.read_text(encoding="utf-8")


@each("python", name="shop/asgi.py")
def test_asgi_has_an_application(part: Block, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "tests.settings")
    application = shop.module("shop.asgi", part).application
    assert isinstance(application, ASGIHandler | ProtocolTypeRouter)
    if isinstance(application, ProtocolTypeRouter):
        assert set(application.application_mapping) == {"http", "websocket"}


def test_view_renders_its_template() -> None:
    page, _ = blocks("python", name="shop/views.py")
    view = shop.module("shop.views", page)
    (template,) = blocks("html", name="shop/templates/shop/design.html")
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


def test_view_begins_the_session_of_a_visitor(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _, page = blocks("python", name="shop/views.py")
    view = shop.module("shop.views", page)
    monkeypatch.setattr(view, "render", lambda request, template: HttpResponse())
    request = RequestFactory().get("/")
    request.user, request.session = AnonymousUser(), SessionStore()
    view.design(request)
    assert is_visitor(request.session[SESSION_KEY])


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

    (part,) = (part for part in blocks("json") if part.page.name == "chatkit-js.md")
    message = "An answer is still being written in this chat."
    sent = error(409, "run_in_progress", message, allow_retry=True)
    assert part.text.encode().strip() == sent.content


def test_nginx_forwards_to_the_endpoint() -> None:
    for part in blocks("nginx"):
        if part.name:
            continue  # tests/servers/test_nginx.py runs it.
        assert part.text.count("{") == part.text.count("}")
        (prefix,) = re.findall(r"location (\S+)", part.text)
        assert resolve(prefix).view_name == "chatkit_images:chat"


def test_systemd_waits_for_the_drain() -> None:
    (part,) = blocks("ini")
    unit = configparser.ConfigParser(interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read_string(part.text)
    service = unit["Service"]
    assert int(service["TimeoutStopSec"]) > conf.settings.DRAIN_SECONDS
    assert service["ExecStart"].endswith(
        "daphne -b 127.0.0.1 -p %i shop.asgi:application"
    )


def test_container_runs_the_server_itself() -> None:
    (part,) = blocks("dockerfile")
    lines = [line.split(maxsplit=1) for line in part.text.splitlines()[1:]]
    words = dict(lines)
    assert list(words)[-1] == "CMD"
    program, *arguments = json.loads(words["CMD"])
    given = CommandLineInterface().parser.parse_args(arguments)
    assert (program, given.application) == ("daphne", "shop.asgi:application")


@each("python", name="shop/tasks.py")
def test_tasks_call_the_commands(part: Block, monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[str] = []
    monkeypatch.setattr("django.core.management.call_command", called.append)
    for name in ("celery", "django.tasks"):
        if f"from {name} " in part.text:
            # What the decorator adds is theirs; tests of the pages run it with them.
            plain = ModuleType(name)
            plain.__dict__.update(task=lambda task: task, shared_task=lambda task: task)
            monkeypatch.setitem(sys.modules, name, plain)
    made = shop.module("shop.tasks", part)
    made.sweep()
    made.verify()
    assert called == ["chatkit_images_sweep", "chatkit_images_verify"]


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
    for name in (*checks.known_keys(), *checks.tuning_keys()):
        assert f"### {name}\n" in made
