"""Commands, links and names in the pages exist."""

from __future__ import annotations

import configparser
import importlib
import importlib.util
import re
import runpy
import shlex
import tomllib
from pathlib import Path

import pytest
from django.apps import apps
from django.conf import global_settings
from django.contrib.auth.models import Permission
from django.core.management import get_commands, load_command_class
from django.urls import NoReverseMatch, reverse
from django.utils.module_loading import import_string

from chatkit_images import checks
from chatkit_images.conf.limits import DEFAULTS, GROUPS, SITE
from chatkit_images.conf.retention import CLASSES
from chatkit_images.models import Thread

from . import pages
from .pages import PAGES, ROOT, Block, blocks

PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
# Words of code that are neither settings of Django nor of this app.
VARIABLES = {
    "ASGI_APPLICATION",
    "ATOMIC_REQUESTS",
    "CHATKIT_DOMAIN_KEY",
    "CMD",
    "CHATKIT_IMAGES",
    "CONN_MAX_AGE",
    "CORS_ALLOWED_ORIGINS",
    "CORS_ALLOW_ALL_ORIGINS",
    "DIALECTS",
    "EXAMPLE_SERVER",
    "EXPORTS_DIR",
    "GEMINI_API_KEY",
    "GOOGLE_GEMINI_BASE_URL",
    "FAULTS_SEED",
    "MYSQL_HOST",
    "MYSQL_PWD",
    "MYSQL_TCP_PORT",
    "MYSQL_USER",
    "DJANGO_SUPERUSER_PASSWORD",
    "OPENAI_AGENTS_DISABLE_TRACING",
    "OPENAI_AGENTS_DONT_LOG_MODEL_DATA",
    "OPENAI_API_KEY",
    "OPENAI_BASE_URL",
    "PGHOST",
    "PYTHONWARNINGS",
    "REDIS_URL",
    "SOAK_SECONDS",
    "TCP_NODELAY",
    "TENANT_APPS",
    "TEST_ROUTERS",
    "TEST_USE_TZ",
}
LINK = re.compile(r"\]\(([^)\s]+)\)")
# Packages that are neither the app nor what it needs.
OTHERS = {
    *("celery", "django-cors-headers", "django-filer", "django-oauth-toolkit"),
    *("django>=6", "google-genai", "mcp", "prometheus-client", "sentry-sdk"),
    *("django-tenants", "djangorestframework", "pyjwt", "wagtail"),
}
# What ChatKit's guide has its reader write. "From ChatKit's guide to here" answers it.
OF_THE_GUIDE = {
    "BlobAttachmentStore",
    "MyChatKitServer",
    "MyChatKitStore",
    "MyPostgresStore",
    "MyRequestContext",
    "MyResponseStreamConverter",
    "MyThreadItemConverter",
    "_maybe_update_thread_title",
    "create_signed_url",
    "download_blob",
    "get_translations",
    "issue_multipart_upload_url",
    "upload_blob",
}
by_file = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


# Commands


def check_command(line: str) -> None:
    """Fail if a command line of the pages cannot be right."""
    words = shlex.split(line.replace(".venv/bin/", ""))
    if words[:3] == ["python3", "-m", "venv"]:
        assert words[3:] == [".venv"]
    elif words == ["pip", "install", "tox"]:
        assert line.startswith(".venv/bin/"), "The system's pip may refuse."
    elif words[:2] == ["pip", "install"] and words[2] in OTHERS:
        assert len(words) == 3
    elif words[:2] == ["pip", "install"]:
        name, extras = re.fullmatch(r"([\w-]+)(?:\[([\w,]+)\])?", words[2]).groups()  # type: ignore[union-attr]
        assert name == PYPROJECT["project"]["name"]
        assert set((extras or "s3").split(",")) <= set(
            PYPROJECT["project"]["optional-dependencies"]
        )
    elif words == ["tox", "run"]:
        assert (ROOT / "tox.ini").is_file()
    elif words[:3] == ["tox", "run", "-e"]:
        tox = configparser.ConfigParser()
        tox.read(ROOT / "tox.ini")
        for name in words[3].split(","):
            assert f"testenv:{name}" in tox
    elif words[:3] == ["tox", "run", "-m"]:
        tox_ini = (ROOT / "tox.ini").read_text(encoding="utf-8")
        assert f"\nlabels = {words[3]}\n" in tox_ini
    elif words[:3] == ["python", "-m", "chatkit_images.testing"]:
        check_command(shlex.join(words[3:]))
    elif words[0] == "django-admin":
        assert words[1:] == ["startproject", "shop", "."]
    elif words[:2] == ["python", "manage.py"]:
        command = load_command_class(get_commands()[words[2]], words[2])
        given = words[3 : words.index(">")] if ">" in words else words[3:]
        command.create_parser("manage.py", words[2]).parse_args(given)
    elif words[0] == "mariadb":
        # By tests/pages, too.
        assert words[1] == "-e" and len(words) == 3
    elif words[0] == "export":
        # By tests/pages, which has a page's exports in its environment.
        assert re.fullmatch(r"export [A-Z_0-9]+=.+", line)
    elif words[0] in ("ln", "mkdir", "rm"):
        # By test_features.
        assert {"chatkit_images", "locale"} & set(words)
    elif words[0] == "daphne":
        from daphne.cli import CommandLineInterface

        CommandLineInterface().parser.parse_args(words[1:])
    elif words[0] == "python":
        assert (ROOT / words[1]).is_file()
    else:
        raise AssertionError(f"Not a command of these pages: {line}")


@pytest.mark.parametrize("part", list(blocks("sh")), ids=str)
def test_commands_exist(part: Block) -> None:
    for line in part.text.splitlines():
        for command in line.split(" && "):
            check_command(command)


def test_scheduled_commands_exist() -> None:
    lines = [line for part in blocks("") for line in part.text.splitlines()]
    jobs = [line.partition(" && ")[2] for line in lines if " && " in line]
    assert len(jobs) >= 3
    for job in jobs:
        check_command(job.replace("venv/bin/", ""))


@by_file
def test_commands_in_the_text_exist(page: Path) -> None:
    for span in pages.spans(page):
        if span.startswith(("python ", 'pip install "', "tox ")):
            check_command(span)


def test_workflows_run_environments_that_there_are() -> None:
    tox = configparser.ConfigParser()
    tox.read(ROOT / "tox.ini")
    listed = tox["tox"]["env_list"]
    for file in (ROOT / ".github" / "workflows").glob("*.yml"):
        found = re.findall(r"(?:env: \"?|tox run -e )([\w,-]+)", file.read_text())
        assert found
        for name in ",".join(found).split(","):
            python, _, django = name.partition("-")
            factors = python.removeprefix("py") in listed and django in listed
            assert f"testenv:{name}" in tox or factors, name


def test_readme_has_the_two_commands() -> None:
    lines = [part.text.strip() for part in blocks("sh") if part.page == PAGES[0]]
    for name in ("demo", "test"):
        assert (
            "python3 -m venv .venv && .venv/bin/pip install tox"
            f" && .venv/bin/tox run -e {name}" in lines
        )


# Links and names


@by_file
def test_links_lead_somewhere(page: Path) -> None:
    text = pages.prose(page.read_text(encoding="utf-8"))
    for target in LINK.findall(text):
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
        # The changelog's own page is the site's.
        if page.name not in {"index.md", "changelog.md"}:
            assert f"{page.name})" in text, page.name


@pytest.mark.parametrize("repository", [None, "https://code.example/shop/app"])
def test_links_of_the_readme_lead_somewhere_on_a_package_index(
    repository: str | None,
) -> None:
    readme = runpy.run_path(str(ROOT / "setup.py"))["readme"]
    text = PAGES[0].read_text(encoding="utf-8")
    made = readme(text, repository, "1.0")
    links = [link for link in LINK.findall(made) if not link.startswith("#")]
    assert all(link.startswith(("https://", "http://")) for link in links)
    if repository is None:
        assert "Limits (`docs/limits.md`)" in made
        assert "](docs/" not in made
    else:
        assert f"({repository}/blob/v1.0/docs/images.md#single-pieces)" in made
        assert f"]({repository}/raw/v1.0/docs/images/chat.png)" in made
        assert len(links) == len(LINK.findall(text))


def exists(path: str) -> bool:
    """Whether a dotted path, check id, permission or route of the app is there."""
    if re.fullmatch(r"chatkit_images\.[EW]\d+", path):
        return path in pages.check_ids()
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
            functions = re.findall(r"^ *(?:async )?def (\w+)", file.read_text(), re.M)
            assert name in functions, name


@by_file
def test_settings_in_the_text_exist(page: Path) -> None:
    known = {
        *checks.known_keys(),
        *checks.tuning_keys(),
        *dir(global_settings),
        *VARIABLES,
        *DEFAULTS,
        *GROUPS,
        *SITE,
        *CLASSES,
    }
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
        if file.stem != "test_docs" and file.parent.name != "docs"
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
    # The codes of refusals.
    known |= {name.lower() for name in DEFAULTS}
    known |= {f"thread_{status}" for status in Thread.Status}
    known |= {"migrate_schemas", "override_settings"}
    # Of Wagtail and of django-filer.
    known |= {"WAGTAILIMAGES_EXTENSIONS", "easy_thumbnails", "get_usage", "is_public"}
    # Of nginx.
    known |= {"proxy_cache_use_stale", "proxy_cache_valid"}
    # Of pgbouncer, and of the server of MariaDB.
    known |= {"max_prepared_statements", "mysql_tzinfo_to_sql"}
    known |= OF_THE_GUIDE
    missing = {
        f"{page.name}: {word}"
        for page in PAGES
        for span in pages.spans(page)
        for word in re.findall(r"\w+", span)
        if re.search(r"[a-z]_[a-z]|[a-z][A-Z]", word) and word not in known
    }
    assert missing == set()


@by_file
def test_pages_name_no_machine(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert not re.search(r"(?<![\w.])/(?:home|root|tmp|work|Users)/", text)
