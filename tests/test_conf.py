"""Settings and their checks."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
from django.core.checks import run_checks
from django.core.exceptions import ImproperlyConfigured
from django.core.files.storage import Storage

from chatkit_images import conf
from chatkit_images.checks import (
    check_databases,
    check_deployment,
    check_settings,
    known_keys,
    tuning_keys,
)
from chatkit_images.checks.webhooks import MAKE
from chatkit_images.context import RequestContext
from chatkit_images.server import get_server
from tests.chat import TestServer
from tests.webhook import SECRET


def problems(settings: Any, value: Any) -> list[tuple[str | None, str, str | None]]:
    if isinstance(value, dict):
        value = {"SPOOL_DIR": "/srv/spool"} | value
    settings.CHATKIT_IMAGES = value
    return [(found.id, found.msg, found.hint) for found in check_settings(None)]


def test_every_setting_has_a_default_and_says_what_it_is(settings: Any) -> None:
    del settings.CHATKIT_IMAGES
    for name in (*known_keys(), *tuning_keys()):
        getattr(conf.settings, name)
        text = getattr(conf.Settings, name).__doc__
        assert text, name
        assert "Default:" in text or "Required" in text, name


# From 6.1 on Django's check of JSON fields asks the database.
@pytest.mark.django_db
def test_the_settings_of_the_tests_are_fine() -> None:
    assert run_checks() == []


SERVER = {"SERVER": "tests.chat.TestServer"}


class Tenants:
    """What a project shares between its classes."""

    @classmethod
    def get_tenant(cls, request: Any = None) -> str:
        return "acme"


class Mixed(Tenants, RequestContext):
    """Has tenants by what it is mixed with."""


class Undecorated(RequestContext):
    KIND: ClassVar[str] = "shop"
    plan: str = "free"


@dataclass(frozen=True, kw_only=True)
class Demanding(RequestContext):
    plan: str


class Asynchronous(RequestContext):
    async def may_delete(self, row: Any) -> bool:  # type: ignore[override]
        return False


class OnlyMethods(RequestContext):
    """It has no fields of its own, and so needs no decorator."""

    KIND: ClassVar[str] = "shop"


@dataclass(frozen=True)
class Complete(OnlyMethods):
    plan: str = "free"


def no_tenants() -> list[RequestContext]:
    return []


@pytest.mark.parametrize(
    "value",
    [
        {"CONTEXT": "tests.test_conf.OnlyMethods"},
        {"CONTEXT": "tests.test_conf.Complete"},
        {
            "CONTEXT": "tests.test_conf.Tokened",
            "CONTEXTS": "tests.test_conf.no_tenants",
        },
        {"CONTEXT": None, "CONTEXTS": None, "TRUSTED_PROXIES": None},
        {"TRUSTED_PROXIES": []},
        {"WEBHOOK_URL": "https://shop.example:8443/a?b", "WEBHOOK_SECRET": [SECRET]},
        {"WEBHOOK_URL": "http://localhost/ends/", "WEBHOOK_SECRET": SECRET},
        {"WEBHOOK_URL": None, "WEBHOOK_SECRET": ()},
        {"TRUSTED_PROXIES": ("10.0.0.1", "10.0.0.0/8", "2001:db8::/32", "unix")},
    ],
)
def test_settings_of_people_that_are_fine(settings: Any, value: Any) -> None:
    assert problems(settings, SERVER | value) == []


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (
            ["SERVER"],
            (
                "chatkit_images.E001",
                "CHATKIT_IMAGES must be a dict, got list.",
                'Write CHATKIT_IMAGES = {"SERVER": ...}.',
            ),
        ),
        (
            SERVER | {"TUNING": 8},
            (
                "chatkit_images.E001",
                "CHATKIT_IMAGES['TUNING'] must be a dict, got int.",
                "Write CHATKIT_IMAGES['TUNING'] = {\"DATABASE_THREADS\": ...}.",
            ),
        ),
        (
            SERVER | {"IMAGE_URL": "signed"},
            (
                "chatkit_images.E002",
                "CHATKIT_IMAGES has no setting 'IMAGE_URL'.",
                "Did you mean 'IMAGE_URLS'?",
            ),
        ),
        (
            SERVER | {"DATABASE_THREAD": 8},
            (
                "chatkit_images.E002",
                "CHATKIT_IMAGES has no setting 'DATABASE_THREAD'.",
                "Did you mean 'DATABASE_THREADS', which stands under TUNING?",
            ),
        ),
        (
            SERVER | {"TUNING": {"DATABASE_THREAD": 8}},
            (
                "chatkit_images.E002",
                "CHATKIT_IMAGES['TUNING'] has no setting 'DATABASE_THREAD'.",
                "Did you mean 'DATABASE_THREADS'?",
            ),
        ),
        (
            SERVER | {"TUNING": {"BASE_URL": "https://shop.example"}},
            (
                "chatkit_images.E002",
                "CHATKIT_IMAGES['TUNING'] has no setting 'BASE_URL'.",
                "BASE_URL stands in CHATKIT_IMAGES itself.",
            ),
        ),
        (
            SERVER | {"TUNING": {"zzz": 1}},
            (
                "chatkit_images.E002",
                "CHATKIT_IMAGES['TUNING'] has no setting 'zzz'.",
                "Remove it.",
            ),
        ),
        (
            SERVER | {"WEBHOOK_URL": "shop.example/ends/", "WEBHOOK_SECRET": SECRET},
            (
                "chatkit_images.E036",
                "CHATKIT_IMAGES['WEBHOOK_URL'] must be an absolute URL, got "
                "'shop.example/ends/'.",
                'Write scheme and host, such as "https://shop.example/chatkit-ends/".',
            ),
        ),
        (
            SERVER | {"WEBHOOK_URL": 5, "WEBHOOK_SECRET": SECRET},
            (
                "chatkit_images.E036",
                "CHATKIT_IMAGES['WEBHOOK_URL'] must be an absolute URL, got 5.",
                'Write scheme and host, such as "https://shop.example/chatkit-ends/".',
            ),
        ),
        (
            SERVER | {"WEBHOOK_URL": "http://shop.example/", "WEBHOOK_SECRET": SECRET},
            (
                "chatkit_images.W032",
                "CHATKIT_IMAGES['WEBHOOK_URL'] sends who has chatted to 'shop.example' "
                "in plain text.",
                "Use https, or silence this in a network that nobody else reads.",
            ),
        ),
        (
            SERVER | {"WEBHOOK_URL": "https://shop.example/ends/"},
            (
                "chatkit_images.E037",
                "CHATKIT_IMAGES['WEBHOOK_SECRET'] is not set, and WEBHOOK_URL needs "
                "it.",
                MAKE,
            ),
        ),
        (
            SERVER | {"WEBHOOK_SECRET": [SECRET, "whsec_short"]},
            (
                "chatkit_images.E037",
                "CHATKIT_IMAGES['WEBHOOK_SECRET'] is not valid: A secret of a webhook "
                "has base64 after whsec_.",
                MAKE,
            ),
        ),
        (
            SERVER | {"WEBHOOK_SECRET": 5},
            (
                "chatkit_images.E037",
                "CHATKIT_IMAGES['WEBHOOK_SECRET'] must be a text or a list, got int.",
                MAKE,
            ),
        ),
        (
            SERVER | {"CONTEXT": "tests.gone.Context"},
            (
                "chatkit_images.E018",
                "CHATKIT_IMAGES['CONTEXT'] cannot be imported: 'tests.gone.Context': "
                "No module named 'tests.gone'.",
                "Write the dotted path of a subclass of RequestContext.",
            ),
        ),
        (
            SERVER | {"CONTEXT": "tests.chat.TestServer"},
            (
                "chatkit_images.E018",
                "CHATKIT_IMAGES['CONTEXT'] must name a subclass of RequestContext, got "
                "'tests.chat.TestServer'.",
                "Write the dotted path of a subclass of RequestContext.",
            ),
        ),
        (
            SERVER | {"CONTEXT": "tests.test_conf.Undecorated"},
            (
                "chatkit_images.E018",
                "CHATKIT_IMAGES['CONTEXT'] is 'tests.test_conf.Undecorated', of which "
                "Undecorated has fields, and is no dataclass.",
                "Write @dataclass(frozen=True) above it.",
            ),
        ),
        (
            SERVER | {"CONTEXT": "tests.test_conf.Demanding"},
            (
                "chatkit_images.E018",
                "CHATKIT_IMAGES['CONTEXT'] is 'tests.test_conf.Demanding', whose field "
                "'plan' has no default.",
                "Write plan: ... = None, and give it its value in from_request().",
            ),
        ),
        (
            SERVER | {"CONTEXT": "tests.test_conf.Asynchronous"},
            (
                "chatkit_images.E018",
                "CHATKIT_IMAGES['CONTEXT'] is 'tests.test_conf.Asynchronous', whose "
                "may_delete() is asynchronous.",
                "Write it with def: it is called in a thread, and may ask the "
                "database.",
            ),
        ),
        (
            SERVER | {"CONTEXT": "tests.shared_default.Context"},
            (
                "chatkit_images.E018",
                "CHATKIT_IMAGES['CONTEXT'] cannot be imported: "
                "'tests.shared_default.Context': mutable default <class 'list'> for "
                "field tags is not allowed: use default_factory.",
                "Write @dataclass(frozen=True) above it, and give each field a "
                "default: a list by field(default_factory=list).",
            ),
        ),
        (
            SERVER | {"CONTEXTS": "tests.test_conf.SERVER"},
            (
                "chatkit_images.E019",
                "CHATKIT_IMAGES['CONTEXTS'] must be the dotted path of a function, got "
                "'tests.test_conf.SERVER'.",
                "Write the dotted path of a function that yields a context for each "
                "tenant.",
            ),
        ),
        (
            SERVER | {"CONTEXT": "tests.test_conf.Mixed"},
            (
                "chatkit_images.W007",
                "CHATKIT_IMAGES['CONTEXT'] has tenants, and no CONTEXTS yields them: "
                "commands, and what ends dead runs, work for none of them.",
                "Write the dotted path of a function that yields a context for each "
                "tenant.",
            ),
        ),
        (
            SERVER | {"CONTEXT": "tests.tenancy.TenantContext"},
            (
                "chatkit_images.W007",
                "CHATKIT_IMAGES['CONTEXT'] has tenants, and no CONTEXTS yields them: "
                "commands, and what ends dead runs, work for none of them.",
                "Write the dotted path of a function that yields a context for each "
                "tenant.",
            ),
        ),
        (
            SERVER | {"CONTEXTS": 5},
            (
                "chatkit_images.E019",
                "CHATKIT_IMAGES['CONTEXTS'] must be the dotted path of a function, got "
                "5.",
                "Write the dotted path of a function that yields a context for each "
                "tenant.",
            ),
        ),
        (
            SERVER | {"TRUSTED_PROXIES": "10.0.0.1"},
            (
                "chatkit_images.E020",
                "CHATKIT_IMAGES['TRUSTED_PROXIES'] must be a list of networks, got "
                "'10.0.0.1'.",
                'Write addresses and networks, such as ["10.0.0.0/8", "unix"].',
            ),
        ),
        (
            SERVER | {"TRUSTED_PROXIES": ["10.0.0.0/8", "proxy.example"]},
            (
                "chatkit_images.E020",
                "CHATKIT_IMAGES['TRUSTED_PROXIES'] must be a list of networks, one of "
                "them is 'proxy.example'.",
                'Write addresses and networks, such as ["10.0.0.0/8", "unix"].',
            ),
        ),
        (
            SERVER | {"TRUSTED_PROXIES": [10]},
            (
                "chatkit_images.E020",
                "CHATKIT_IMAGES['TRUSTED_PROXIES'] must be a list of networks, one of "
                "them is 10.",
                'Write addresses and networks, such as ["10.0.0.0/8", "unix"].',
            ),
        ),
        (
            SERVER | {"MODEL_IMAGES": "url"},
            (
                "chatkit_images.E003",
                "CHATKIT_IMAGES['MODEL_IMAGES'] must be one of data_url, signed_url, "
                "got 'url'.",
                'Write "data_url" for the default.',
            ),
        ),
        (
            SERVER | {"MODEL_IMAGES": "call_id"},
            (
                "chatkit_images.E003",
                "CHATKIT_IMAGES['MODEL_IMAGES'] must be one of data_url, signed_url, "
                "got 'call_id'.",
                'Write "data_url", which sends the bytes: a provider may refuse the id '
                "of an earlier image call.",
            ),
        ),
        (
            SERVER | {"URL_MAX_AGE": 0},
            (
                "chatkit_images.E004",
                "CHATKIT_IMAGES['URL_MAX_AGE'] must be a number above 0, got 0.",
                "Remove the key to get the default.",
            ),
        ),
        (
            SERVER | {"TUNING": {"STORAGE_TIMEOUT": 0}},
            (
                "chatkit_images.E004",
                "CHATKIT_IMAGES['TUNING']['STORAGE_TIMEOUT'] must be a number above 0, "
                "got 0.",
                "Remove the key to get the default.",
            ),
        ),
        (
            SERVER | {"TUNING": {"STORAGE_BACKOFF_SECONDS": -1}},
            (
                "chatkit_images.E004",
                "CHATKIT_IMAGES['TUNING']['STORAGE_BACKOFF_SECONDS'] must be 0 or a "
                "number above, got -1.",
                "Remove the key to get the default.",
            ),
        ),
        (
            SERVER | {"MODEL_IMAGE_COUNT": "4"},
            (
                "chatkit_images.E004",
                "CHATKIT_IMAGES['MODEL_IMAGE_COUNT'] must be 0 or a number above, "
                "got '4'.",
                "Remove the key to get the default.",
            ),
        ),
        (
            SERVER | {"MODEL_SIDE": 100},
            (
                "chatkit_images.W022",
                "CHATKIT_IMAGES['MODEL_SIDE'] is 100: a model sees little of so small "
                "an image.",
                "Set MODEL_SIDE to 256 to 2000, or remove it for 2000.",
            ),
        ),
        (
            SERVER | {"MODEL_SIDE": 4096},
            (
                "chatkit_images.W022",
                "CHATKIT_IMAGES['MODEL_SIDE'] is 4096: some providers refuse several "
                "images with more than 2000 pixels.",
                "Set MODEL_SIDE to 256 to 2000, or remove it for 2000.",
            ),
        ),
        (
            SERVER | {"RUN_LOG_URL": "localhost"},
            (
                "chatkit_images.E009",
                "CHATKIT_IMAGES['RUN_LOG_URL'] must be the URL of a Redis, got "
                "'localhost'.",
                'Write "redis://127.0.0.1:6379/0".',
            ),
        ),
        (
            {},
            (
                "chatkit_images.W002",
                "CHATKIT_IMAGES['SERVER'] is not set, so the chat endpoint cannot "
                "answer.",
                'Write CHATKIT_IMAGES = {"SERVER": "shop.chat.DesignServer"}.',
            ),
        ),
        (
            {"SERVER": "pathlib.Path"},
            (
                "chatkit_images.E005",
                "CHATKIT_IMAGES['SERVER'] must be the dotted path of a ChatKitServer, "
                "got 'pathlib.Path'.",
                "Write the dotted path of a subclass of DjangoChatKitServer.",
            ),
        ),
        (
            SERVER | {"STORAGE": "nowhere"},
            (
                "chatkit_images.E006",
                "CHATKIT_IMAGES['STORAGE'] is 'nowhere', which is not in STORAGES.",
                "Add 'nowhere' to STORAGES.",
            ),
        ),
        (
            SERVER | {"BASE_URL": "shop.example"},
            (
                "chatkit_images.E007",
                "CHATKIT_IMAGES['BASE_URL'] must be an absolute URL, got "
                "'shop.example'.",
                'Write scheme and host, such as "https://shop.example".',
            ),
        ),
    ],
)
def test_a_bad_value_is_named_with_its_fix(
    settings: Any, value: Any, expected: tuple[str, str, str]
) -> None:
    assert problems(settings, value) == [expected]


@pytest.mark.parametrize(
    ("url", "is_one"),
    [
        ("https://shop.example", True),
        ("http://localhost:8000/", True),
        # A proxy may take a path away.
        ("https://[2606:4700::1111]:8443/app", True),
        ("https://", False),
        ("https:///app", False),
        ("https://shop.example?x=1", False),
        ("https://shop.example/#top", False),
        ("https://shop.example ", False),
    ],
)
def test_a_base_url_is_one_that_paths_can_follow(
    settings: Any, url: str, is_one: bool
) -> None:
    found = problems(settings, SERVER | {"BASE_URL": url})
    assert [each[0] for each in found] == ([] if is_one else ["chatkit_images.E007"])


def test_every_number_is_checked_where_it_stands(settings: Any) -> None:
    """No setting of a number is left out of the checks."""
    numbers = {
        name
        for name in (*known_keys(), *tuning_keys())
        if type(getattr(conf.settings, name)) in (int, float)
    }
    tuning = dict.fromkeys(tuning_keys(), "many")
    value = SERVER | dict.fromkeys(numbers - set(tuning), "many") | {"TUNING": tuning}
    found = problems(settings, value)
    assert {identifier for identifier, _, _ in found} == {"chatkit_images.E004"}
    assert len(found) == len(numbers)
    assert set(tuning) <= numbers


def test_the_hint_for_a_value_that_is_gone_is_of_its_setting(settings: Any) -> None:
    ((_, _, hint),) = problems(settings, SERVER | {"IMAGE_URLS": "call_id"})
    assert hint == 'Write "signed" for the default.'
    ((_, _, hint),) = problems(settings, SERVER | {"MODEL_IMAGES": "call_id"})
    assert hint is not None
    assert hint.startswith('Write "data_url"')


def test_a_server_without_checks_names_a_tuning_that_is_no_dict(settings: Any) -> None:
    settings.CHATKIT_IMAGES = SERVER | {"TUNING": None}
    with pytest.raises(ImproperlyConfigured, match=r"\['TUNING'\] must be a dict"):
        _ = conf.settings.URL_WINDOW


def test_what_stands_under_tuning_is_used(settings: Any) -> None:
    settings.CHATKIT_IMAGES = {"TUNING": {"DATABASE_THREADS": 8}}
    assert conf.settings.DATABASE_THREADS == 8


def test_where_it_stood_before_is_read_and_warned_of(settings: Any) -> None:
    ((found, message, hint),) = problems(settings, SERVER | {"DATABASE_THREADS": 8})
    assert found == "chatkit_images.W004"
    assert message == "CHATKIT_IMAGES['DATABASE_THREADS'] stands under TUNING now."
    assert hint is not None
    assert hint.startswith('Write CHATKIT_IMAGES = {"TUNING": {"DATABASE_THREADS": ')
    assert conf.settings.DATABASE_THREADS == 8
    settings.CHATKIT_IMAGES |= {"TUNING": {"DATABASE_THREADS": 2}}
    assert conf.settings.DATABASE_THREADS == 2


def test_a_bad_value_where_it_stood_before_is_named(settings: Any) -> None:
    found = problems(settings, SERVER | {"DATABASE_THREADS": 0})
    assert {identifier for identifier, _, _ in found} == {
        "chatkit_images.E004",
        "chatkit_images.W004",
    }


def test_a_storage_that_cannot_be_made_is_named(settings: Any) -> None:
    settings.STORAGES = settings.STORAGES | {"broken": {"BACKEND": "shop.Nowhere"}}
    ((found_id, message, hint),) = problems(settings, SERVER | {"STORAGE": "broken"})
    assert found_id == "chatkit_images.E008"
    assert message.startswith("The storage STORAGES['broken'] cannot be made: ")
    assert "shop.Nowhere" in message
    assert hint == "Correct its BACKEND and OPTIONS."


def test_a_server_that_cannot_be_imported_is_named(settings: Any) -> None:
    ((found_id, message, _),) = problems(settings, {"SERVER": "shop.chat.Nothing"})
    assert found_id == "chatkit_images.E005"
    assert "cannot be imported: 'shop.chat.Nothing'" in message
    with pytest.raises(ImproperlyConfigured, match=r"'shop\.chat\.Nothing'"):
        get_server()


@pytest.mark.parametrize(
    ("value", "message"),
    [({}, "is not set"), ({"SERVER": "pathlib.Path"}, "got 'pathlib.Path'")],
)
def test_without_a_server_there_is_none(
    settings: Any, value: dict[str, str], message: str
) -> None:
    settings.CHATKIT_IMAGES = value
    with pytest.raises(ImproperlyConfigured, match=message):
        get_server()


def test_there_is_one_server_a_process(settings: Any) -> None:
    assert isinstance(get_server(), TestServer)
    assert get_server() is get_server()


@pytest.mark.row("O07")
def test_kept_connections_are_warned_of(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(settings.DATABASES["default"], "CONN_MAX_AGE", 60)
    (found,) = check_databases(None)
    assert found.id == "chatkit_images.W001"
    assert "CONN_MAX_AGE" in found.msg


def test_the_alias_chatkit_images_is_preferred(settings: Any) -> None:
    assert conf.settings.STORAGE == "default"
    settings.STORAGES = settings.STORAGES | {
        "chatkit_images": settings.STORAGES["default"]
    }
    assert conf.settings.STORAGE == "chatkit_images"


def test_a_shared_log_needs_its_package(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    value = SERVER | {"RUN_LOG_URL": "redis://127.0.0.1:6379/0"}
    monkeypatch.setattr(
        "chatkit_images.checks.surroundings.find_spec", lambda name: None
    )
    assert problems(settings, value) == [
        (
            "chatkit_images.E010",
            "CHATKIT_IMAGES['RUN_LOG_URL'] needs the package redis.",
            'Install "chatkit-images[redis]".',
        )
    ]
    monkeypatch.setattr(
        "chatkit_images.checks.surroundings.find_spec", lambda name: "there"
    )
    assert problems(settings, value) == []


@pytest.mark.parametrize(
    "more, warned",
    [
        ({}, False),
        ({"ALLOW_ANONYMOUS": True}, True),
        ({"ALLOW_ANONYMOUS": True, "TRUSTED_PROXIES": []}, False),
    ],
)
def test_visitors_without_addresses_are_warned_of_at_a_deploy(
    settings: Any, more: dict[str, Any], warned: bool
) -> None:
    settings.CHATKIT_IMAGES |= more
    found = [message.id for message in check_deployment(None)]
    assert ("chatkit_images.W008" in found) is warned


BY_STORAGE = {"IMAGE_URLS": "storage"}
DISK = {"BACKEND": "django.core.files.storage.FileSystemStorage"}
MEMORY = {"BACKEND": "django.core.files.storage.InMemoryStorage"}
NAMELESS = {"BACKEND": "tests.test_conf.Nameless"}
PLAIN_SQLITE = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "x"}}
AUTH = "django.contrib.auth.middleware.AuthenticationMiddleware"
SESSIONS = "django.contrib.sessions.middleware.SessionMiddleware"


class Nameless(Storage):
    """A storage without ``url()``."""


class Tokened(RequestContext):
    """Knows who sends a request without a middleware."""

    @classmethod
    def get_user(cls, request: Any) -> Any:
        return None


@pytest.mark.parametrize(
    ("more", "values", "found"),
    [
        ({"MEDIA_ROOT": ""}, {}, ["W009"]),
        ({"MEDIA_ROOT": "media"}, {}, ["W009"]),
        ({}, {"SPOOL_DIR": "spool"}, ["W009"]),
        ({}, {"SPOOL_DIR": None}, ["W009"]),
        ({"MEDIA_ROOT": "", "STORAGES": {"default": MEMORY}}, {}, []),
        ({"ASGI_APPLICATION": None}, {}, ["W010"]),
        ({"MEDIA_URL": ""}, {"IMAGE_URLS": "storage"}, ["W013"]),
        ({"MEDIA_URL": ""}, {}, []),
        # Another server may serve it, as it does in production.
        ({"MEDIA_URL": "/media/"}, {"IMAGE_URLS": "storage"}, ["W033"]),
        ({"MEDIA_URL": "/media/"}, {**BY_STORAGE, "MOVE_HIDDEN": True}, []),
        ({"MEDIA_URL": "/nobody/", "DEBUG": True}, {"IMAGE_URLS": "storage"}, ["W013"]),
        ({"STORAGES": {"default": MEMORY}}, {"IMAGE_URLS": "storage"}, ["W013"]),
        ({"STORAGES": {"default": NAMELESS}}, {"IMAGE_URLS": "storage"}, ["W013"]),
        ({"ROOT_URLCONF": "tests.empty_urls"}, {}, ["W015"]),
        ({"MIDDLEWARE": [SESSIONS]}, {}, ["E022"]),
        ({"MIDDLEWARE": [AUTH]}, {}, ["E022"]),
        ({"MIDDLEWARE": []}, {"CONTEXT": "tests.test_conf.Tokened"}, []),
        ({"INSTALLED_APPS": ["chatkit_images"]}, {}, ["E022"]),
    ],
)
def test_what_goes_wrong_later_is_told(
    settings: Any, more: dict[str, Any], values: dict[str, Any], found: list[str]
) -> None:
    for name, value in more.items():
        # Apps stay as they are loaded.
        if name == "INSTALLED_APPS":
            settings._wrapped.INSTALLED_APPS = value
        else:
            setattr(settings, name, value)
    ids = [f"chatkit_images.{short}" for short in found]
    assert [each[0] for each in problems(settings, SERVER | values)] == ids


@pytest.mark.parametrize("app", ["django.core", "whitenoise.runserver_nostatic"])
def test_a_runserver_without_asgi_is_told_while_it_starts(
    app: str, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    where = "chatkit_images.checks.serving"
    installed = [each for each in settings.INSTALLED_APPS if each != "daphne"]
    settings.INSTALLED_APPS = installed
    monkeypatch.setattr(f"{where}.get_commands", lambda: {"runserver": app})
    assert problems(settings, SERVER) == []
    monkeypatch.setattr(f"{where}.sys.argv", ["manage.py", "runserver"])
    assert [each[0] for each in problems(settings, SERVER)] == ["chatkit_images.W010"]


def test_a_deploy_is_advised(monkeypatch: pytest.MonkeyPatch) -> None:
    def ids() -> list[str]:
        return [str(message.id)[-4:] for message in check_deployment(None)]

    monkeypatch.setenv("OPENAI_API_KEY", "sk-1")
    monkeypatch.delenv("WEB_CONCURRENCY", raising=False)
    values = SimpleNamespace(DATABASES=PLAIN_SQLITE)
    for module in ("databases", "serving"):
        monkeypatch.setattr(f"chatkit_images.checks.{module}.django_settings", values)
    assert ids() == ["W011"]
    monkeypatch.setenv("WEB_CONCURRENCY", "2")
    assert ids() == ["W011", "W014"]
    monkeypatch.delenv("OPENAI_API_KEY")
    assert ids() == ["W011", "W014", "W016"]


@pytest.mark.parametrize(
    "limits, problem",
    [
        ([], "CHATKIT_IMAGES['LIMITS'] must be a dict, got []."),
        ({"RUNS": 1}, "CHATKIT_IMAGES['LIMITS'] There is no limit 'RUNS'; there are "),
        ({"VISITORS": {"RUNS_AT_ONCE": "2"}}, "RUNS_AT_ONCE must be a whole number"),
        ({"SITE": {"IMAGES_PER_DAY": -1}}, "IMAGES_PER_DAY must be 0 or above, got -1"),
        ({"ADDRESS": {"THREAD_ITEMS": 1}}, "There is no limit 'THREAD_ITEMS'"),
        ({"VISITORS": None, "RUNS_AT_ONCE": None}, ""),
        (None, ""),
    ],
)
def test_limits_that_are_none_are_named(
    settings: Any, limits: Any, problem: str
) -> None:
    settings.CHATKIT_IMAGES |= {"LIMITS": limits}
    found = [m for m in check_settings(None) if m.id == "chatkit_images.E021"]
    assert len(found) == bool(problem)
    assert all(problem in message.msg for message in found)
