"""The guard of files: a copy of the database never deletes the files of another one.

A marker in each storage says which database its files belong to: by the id of its
``Installation``, and by a digest of where the database is, as a copy has the same id.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import logging
from itertools import islice
from typing import Any

from django.conf import settings as django_settings
from django.db import DatabaseError, connections, transaction
from django.utils import timezone

from .. import models, storage
from ..conf import settings
from ..queries import file_names
from ..transactions import alias as database_alias

logger = logging.getLogger(__name__)
# Files that are looked at before a storage without a marker is claimed.
SAMPLE = 1000
# So many unknown files are no sign that the files are another database's.
UNKNOWN_AT_ONCE = 100
LOCAL = {"", "localhost", "127.0.0.1", "::1"}
PORTS = {"postgresql": "5432", "mysql": "3306", "oracle": "1521"}


class NotOurFiles(Exception):
    """The files of a storage are another database's, or nobody can tell whose."""


def guard(alias: str | None = None, *, force: bool = False) -> None:
    """Make sure that the files of a storage belong to this database.

    Call it once for each storage at the beginning of a job that deletes or moves many
    files. A storage without a marker is claimed, if this database knows most of its
    files. Not for the event loop.

    Args:
        alias: The alias of the storage. Default: the one to which new files go.
        force: Claim a storage without a marker, whoever knows its files.

    Raises:
        NotOurFiles: If they do not, or if the storage does not say. Nothing may be
            deleted then. Its ``__cause__`` is the storage's own exception.
    """
    alias = alias or storage.current_alias()
    if is_ours(alias):
        return
    if not force:
        _look_at_files(alias)
    _ask(alias, "written", storage.marker.create, _marker(), alias)
    if not is_ours(alias):
        raise NotOurFiles(f"The storage {alias!r} does not keep its marker.")


def guard_all() -> None:
    """Do as ``guard`` does for each storage that rows name, and for new files.

    Raises:
        NotOurFiles: If the files of one do not belong to this database.
    """
    for alias in storages_in_use():
        guard(alias)


def storages_in_use() -> list[str]:
    """Return the aliases of the storages in ``STORAGES`` that rows name."""
    known = set(django_settings.STORAGES)
    return [alias for alias in file_names.aliases() if alias in known]


def is_ours(alias: str) -> bool:
    """Whether a storage has this database's marker; ``False`` if it has none.

    Raises:
        NotOurFiles: If it has another one, or cannot be asked.
    """
    data = _ask(alias, "read", storage.marker.read, alias)
    if data is None:
        return False
    name = storage.marker.name()
    try:
        found = json.loads(data)
        owner = {key: found[key] for key in ("installation", "place")}
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise NotOurFiles(
            f"{name} in the storage {alias!r} is no marker. If the files there belong "
            "to this database, run the command with --claim."
        ) from error
    if owner != _owner():
        copied = owner["installation"] == _owner()["installation"]
        why = " of which this one is a copy, or which was elsewhere" if copied else ""
        raise NotOurFiles(
            f"The files in the storage {alias!r} belong to another database{why} "
            f"({name}). If they belong to this one now, run the command with --claim."
        )
    return True


def claim(alias: str | None = None) -> None:
    """Say that the files of a storage belong to this database from now on.

    Raises:
        NotOurFiles: If the storage does not take the marker.
    """
    alias = alias or storage.current_alias()
    _ask(alias, "written", storage.marker.replace, _marker(), alias)
    logger.warning("The files of the storage %r are this database's now", alias)
    if not is_ours(alias):
        raise NotOurFiles(f"The storage {alias!r} does not keep its marker.")


def _look_at_files(alias: str) -> None:
    try:
        names = storage.patiently(list, islice(storage.listed_names(alias), SAMPLE))
    except NotImplementedError:
        return  # Then nothing is ever deleted there that no row has named.
    except Exception as error:
        raise NotOurFiles(
            f"The storage {alias!r} has no marker, and cannot be listed: {error!r}"
        ) from error
    if not names:
        _look_for_files(alias)
    unknown = set(names) - file_names.known(names)
    keys = [storage.key_of(name) for name in unknown]
    rows = models.GeneratedImage.objects.order_by().filter(key__in=keys)
    strange = len(unknown) - rows.count()
    if strange > max(UNKNOWN_AT_ONCE, len(names) / 2):
        raise NotOurFiles(
            f"The storage {alias!r} has no marker, and {strange} of {len(names)} of "
            "its files are unknown to this database. If they belong to it, run the "
            "command with --claim."
        )


def _look_for_files(alias: str) -> None:
    """Refuse a storage that has none of the files of rows: a disk that is not there.

    Directories are empty until their disk is mounted, and a bucket of a wrong name is.

    Raises:
        NotOurFiles: If rows name files there.
    """
    before = timezone.now() - datetime.timedelta(seconds=settings.SWEEP_GRACE_SECONDS)
    if file_names.are_old_in(alias, before):
        raise NotOurFiles(
            f"The storage {alias!r} has no marker and no files, but rows name files "
            "there: it may be another one, or a disk that is not mounted. If all of "
            "them are lost, run the command with --claim."
        )


def _ask(alias: str, verb: str, func: Any, *args: Any) -> Any:
    try:
        return storage.patiently(func, *args)
    except Exception as error:
        raise NotOurFiles(
            f"{storage.marker.name()} in the storage {alias!r} cannot be {verb}: "
            f"{error!r}"
        ) from error


def _marker() -> bytes:
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    return json.dumps(_owner() | {"claimed_at": now}, indent=1).encode()


def _owner() -> dict[str, str]:
    """Return what tells this database from others."""
    place = json.dumps(_place()).encode()
    return {
        "installation": str(models.Installation.here().pk),
        "place": hashlib.sha256(place).hexdigest(),
    }


def _place() -> list[str]:
    """Return where this database is: the project's name of it, or host and name."""
    if settings.INSTALLATION is not None:
        return [settings.INSTALLATION]
    connection = connections[database_alias()]
    values, vendor = connection.settings_dict, connection.vendor
    host = str(values.get("HOST") or "").strip().lower().rstrip(".")
    if host in LOCAL or host.startswith("/"):
        host = ""
    port = str(values.get("PORT") or PORTS.get(vendor, ""))
    options = values.get("OPTIONS", {})
    name = str(values.get("NAME") or options.get("service", ""))
    return [vendor, host, port, name, _identifier()]


def _identifier() -> str:
    """Return PostgreSQL's own id, which its replicas have, and a restored dump has not.

    In containers the host of each database is often called the same.
    """
    connection = connections[database_alias()]
    if connection.vendor != "postgresql":
        return ""
    try:
        with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
            cursor.execute("SELECT system_identifier FROM pg_control_system()")
            return str(cursor.fetchone()[0])
    except DatabaseError:
        # Not allowed to this role, or a server that only speaks the protocol.
        return ""
