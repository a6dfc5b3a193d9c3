"""What commands print with ``-v 0``, and as JSON for each tenant."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command

from chatkit_images.context import RequestContext
from chatkit_images.models import GeneratedImage, LegalHold
from tests.exchange.person import furnish

pytestmark = pytest.mark.django_db
ACCOUNT = {"reason": "case 7\0", "by": "counsel\ud83d"}


def contexts() -> list[RequestContext]:
    return [RequestContext(user=None, owner="", tenant=key) for key in ("acme", "beta")]


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("retention", {}),
        ("sweep", {}),
        ("flush_spool", {}),
        ("verify", {}),
        ("recover", {}),
        ("doctor", {"check": ["stale-runs"]}),
        ("erase", {"user": "ann"}),
    ],
)
def test_what_is_well_is_not_told(
    name: str, options: dict[str, Any], ann: User, capsys: Any
) -> None:
    call_command(f"chatkit_images_{name}", **options)
    assert capsys.readouterr().out

    call_command(f"chatkit_images_{name}", **options, verbosity=0)

    assert capsys.readouterr() == ("", "")


def test_what_is_found_or_asked_for_is_told(ann: User, capsys: Any) -> None:
    context = furnish(ann)
    GeneratedImage.objects.exclude(file="").update(file="images/none.png", bytes=1)
    for name, told in (("verify", "missing "), ("doctor", "missing-files: ")):
        with pytest.raises(CommandError):
            call_command(f"chatkit_images_{name}", verbosity=0)
        said = capsys.readouterr()
        assert told in said.out + said.err and ": 0" not in said.out
    person = {"owner": context.owner, "verbosity": 0}
    call_command("chatkit_images_export", **person, dry_run=True, json=True)
    assert json.loads(capsys.readouterr().out)["threads"] == 2
    call_command("chatkit_images_hold", "place", **person, **ACCOUNT)
    assert capsys.readouterr().out == ""
    call_command("chatkit_images_hold", "list", verbosity=0)
    assert "counsel\ufffd" in capsys.readouterr().out


def test_json_names_the_tenant(settings: Any, capsys: Any) -> None:
    settings.CHATKIT_IMAGES = settings.CHATKIT_IMAGES | {
        "CONTEXTS": f"{__name__}.contexts"
    }
    LegalHold.objects.create(owner="user:1")

    for name, options in (("retention", []), ("hold", ["list"])):
        call_command(f"chatkit_images_{name}", *options, json=True)
        lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert [each["tenant"] for each in lines] == ["acme", "beta"]


@pytest.mark.parametrize("name", ["erase", "export", "import", "hold"])
@pytest.mark.parametrize("key", ["x" * 256, "a\0b", "\ud800"])
def test_a_key_that_no_row_can_have_is_refused(name: str, key: str) -> None:
    action = {"hold": ["release"], "import": ["none.zip"]}.get(name, [])
    for option in ("owner", "user"):
        with pytest.raises(CommandError, match="is .*text|There is no user"):
            call_command(f"chatkit_images_{name}", *action, **{option: key})
