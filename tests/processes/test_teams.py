"""The example of teams, in a project of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from chatkit_images.testing import LoopbackAPI, Text
from tests.docs.pages import ROOT, block, blocks

SETTINGS = """
from tests.settings import *
INSTALLED_APPS = [*INSTALLED_APPS, "shop"]
MIGRATION_MODULES = {"shop": None}
SQLITE = "django.db.backends.sqlite3"
DATABASES = {"default": {"ENGINE": SQLITE, "NAME": "shop.sqlite3"}}
DATABASE_ROUTERS = []
MEDIA_ROOT = "media"
"""
SCRIPT = """
import asyncio, json
import django
django.setup()
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import AsyncClient
from chatkit_images.models import Feedback, Run, Thread
from shop.models import Membership, Team

def client_of(user):
    client = AsyncClient()
    client.force_login(user)
    return client

async def ask(client, op, **params):
    headers = params.pop("headers", {})
    body = json.dumps({"type": op, "params": params})
    answer = await client.post(
        "/chatkit/", body, content_type="application/json", headers=headers
    )
    if answer.streaming:
        return answer.status_code, b"".join([c async for c in answer.streaming_content])
    return answer.status_code, answer.json()

async def main(ann, bob, cleo):
    content = [{"type": "input_text", "text": "Hello"}]
    message = {"content": content, "attachments": [], "inference_options": {}}
    status, stream = await ask(ann, "threads.create", input=message)
    assert status == 200 and b'"error"' not in stream, stream
    thread = await Thread.objects.aget()
    assert thread.owner == f"team:{(await Team.objects.aget()).pk}"
    item = await thread.items.aget(type="assistant_message")
    like = {"thread_id": thread.pk, "item_ids": [item.item_id], "kind": "positive"}
    for client in (ann, bob):
        status, page = await ask(client, "threads.list")
        assert [each["id"] for each in page["data"]] == [thread.pk]
        assert (await ask(client, "items.feedback", **like))[0] == 200
    assert await Feedback.objects.for_owner(thread.owner).acount() == 2
    assert (await ask(bob, "threads.delete", thread_id=thread.pk))[0] == 403
    header = {"headers": {"x-team": "others"}}
    assert (await ask(bob, "threads.list", **header))[0] == 401
    await User.objects.filter(username="ann").adelete()
    assert [each async for each in Run.objects.values_list("user")] == [(None,)]
    assert (await ask(bob, "threads.get_by_id", thread_id=thread.pk))[0] == 200
    assert (await ask(cleo, "threads.delete", thread_id=thread.pk)) == (200, {})
    assert not await Feedback.objects.aexists()

call_command("migrate", run_syncdb=True, verbosity=0)
call_command("check")
team = Team.objects.create(name="design")
users = [User.objects.create_user(name) for name in ("ann", "bob", "cleo")]
for user in users:
    Membership.objects.create(team=team, user=user, leads=user.username == "cleo")
asyncio.run(main(*map(client_of, users)))
"""


def test_a_team_shares_its_threads(
    tmp_path: Path, loopback: tuple[LoopbackAPI, str]
) -> None:
    api, url = loopback
    api.reset()
    api.respond_with(Text("Hello."))
    package = tmp_path / "shop"
    package.mkdir()
    (package / "__init__.py").touch()
    for name in ("models", "teams"):
        (part,) = blocks("python", name=f"shop/{name}.py")
        (package / f"{name}.py").write_text(part.text)
    server = block("install.md", "The server")
    (package / "chat.py").write_text(server.text)
    chosen = block("teams.md", "An example", 2)
    (package / "settings.py").write_text(SETTINGS + chosen.text)
    environment = {
        "DJANGO_SETTINGS_MODULE": "shop.settings",
        "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}",
        "OPENAI_API_KEY": "loopback",
        "OPENAI_BASE_URL": url,
        "OPENAI_AGENTS_DISABLE_TRACING": "1",
    }
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
