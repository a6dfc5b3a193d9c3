"""A project whose users are its own, with keys that are no numbers."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.docs.pages import ROOT

MODELS = """
import uuid
from django.contrib.auth.models import AbstractUser, UserManager
from django.db import models

class Present(UserManager):
    def get_queryset(self):
        return super().get_queryset().filter(left=False)

class Person(AbstractUser):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    left = models.BooleanField(default=False)
    # A project may hide those who have left.
    objects = Present()

class Guest(Person):
    class Meta:
        proxy = True
"""
SCRIPT = """
import dataclasses, json
from django.conf import settings
settings.configure(
    SECRET_KEY="only-for-tests", USE_TZ=True, AUTH_USER_MODEL="people.Person",
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes",
                    "django.contrib.sessions", "people", "chatkit_images"],
    MIGRATION_MODULES={"people": None},
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
)
import django
django.setup()
from django.core.management import call_command
call_command("migrate", run_syncdb=True, verbosity=0)
from people.models import Guest, Person
from chatkit_images.context import RequestContext
from chatkit_images.models import Attachment, OwnerBlock, Run, Thread
from chatkit_images.runs import releases

ann, bob = (Person.objects.create_user(name) for name in ("ann", "bob"))
for person in (ann, bob):
    own = RequestContext.for_user(person)
    team = dataclasses.replace(own, owner="team:1")
    for context in (own, team):
        owned = {"owner": context.owner, "user": person}
        key = f"{context.owner}-{person.username}"
        thread = Thread.objects.create(pk=key, **owned)
        row = json.loads(json.dumps(context.to_row()))
        assert RequestContext.from_row(row) == context
        Run.objects.create(thread=thread, context=row, **owned)
        Attachment.objects.create(pk=key, name="a", **owned)
Person.objects.filter(pk=ann.pk).update(left=True)
ann.delete()
for model in (Thread, Run, Attachment):
    found = model.objects.order_by("created_at").values_list("owner", "user")
    assert list(found) == [
        ("team:1", None), (f"user:{bob.pk}", bob.pk), ("team:1", bob.pk)
    ], (model, list(found))
assert releases.interrupt(Run.objects.all()) == 3
OwnerBlock.objects.create(owner=f"user:{bob.pk}")
Guest.objects.all().delete()
assert not OwnerBlock.objects.exists()
assert set(Thread.objects.values_list("owner", "user")) == {("team:1", None)}
assert RequestContext.from_row(row).user is None
"""


def test_users_with_uuids_own_and_share_threads(tmp_path: Path) -> None:
    package = tmp_path / "people"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "models.py").write_text(MODELS)
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env={"PYTHONPATH": f"{tmp_path}:{ROOT}"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
