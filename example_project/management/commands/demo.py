"""Start the example project with nothing else to prepare."""

from __future__ import annotations

import os
import re
import secrets
import socket
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import BaseCommand, CommandError, call_command
from django.core.management.base import CommandParser
from django.db import connections

from example_project.environment import flag
from example_project.network import hosts_of, is_loopback

ADDRPORT = re.compile(r"^(?:(?P<host>\[[0-9a-fA-F:.]+\]|[^:\[\]]+):)?(?P<port>\d+)$")


class Command(BaseCommand):
    help = "Migrates, creates a staff account and serves the example project."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "addrport",
            nargs="?",
            default="127.0.0.1:8000",
            help="Port number, or address:port. Default: 127.0.0.1:8000.",
        )

    def handle(self, *, addrport: str, verbosity: int, **options: Any) -> None:
        host, port = self.parse(addrport)
        self.require_free(host, port)
        self.prepare_for(host)
        self.keep_private(settings.DEMO_DIR)
        base_url = self.base_url(host, port)
        self.set_loopback_url(f"{base_url}/loopback/v1")
        call_command("migrate", interactive=False, verbosity=max(verbosity - 1, 0))
        account = self.staff_account()
        connections.close_all()
        self.introduce(base_url, account)
        self.serve(host, port)

    def parse(self, addrport: str) -> tuple[str, int]:
        """Split `address:port`; a bare port means the loopback interface."""
        match = ADDRPORT.match(addrport)
        if match is None or not 0 < int(match["port"]) < 65536:
            raise CommandError(f"{addrport!r} is not a port or an address:port pair.")
        return (match["host"] or "127.0.0.1").strip("[]"), int(match["port"])

    def require_free(self, host: str, port: int) -> None:
        """Refuse a taken address before anything is migrated or printed."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            # As the server does; without it a port just given up looks taken.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError as error:
                reason = error.strerror or error
                raise CommandError(
                    f"Cannot serve at {host}:{port}: {reason}."
                ) from None

    def prepare_for(self, host: str) -> None:
        """Let browsers of a network in, and show them nothing of the inside."""
        self.networked = not is_loopback(host)
        if not self.networked:
            return
        if flag("DEBUG", default=False):
            raise CommandError(
                f"DEBUG shows settings and code to everybody who reaches {host}. "
                "Unset it, or serve at 127.0.0.1."
            )
        settings.DEBUG = False
        if "ALLOWED_HOSTS" not in os.environ:
            settings.ALLOWED_HOSTS = [*settings.ALLOWED_HOSTS, *hosts_of(host)]

    def keep_private(self, directory: Path) -> None:
        """Let nobody else on this machine read the database, images and the key."""
        os.umask(0o077)
        directory.mkdir(exist_ok=True)
        directory.chmod(0o700)
        for path in directory.rglob("*"):
            path.chmod(0o700 if path.is_dir() else 0o600)

    def base_url(self, host: str, port: int) -> str:
        """Return the URL a browser on this machine reaches the server under."""
        if host in {"0.0.0.0", "::"}:
            host = "127.0.0.1" if host == "0.0.0.0" else "::1"
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    def set_loopback_url(self, url: str) -> None:
        """Point the demo's own model at the port it is about to be served from."""
        # The settings have been read, so the environment would come too late.
        if "CHATKIT_LOOPBACK_URL" not in os.environ:
            settings.LOOPBACK_URL = url

    def staff_account(self) -> tuple[str, str | None]:
        """Create the staff account, or give it the password of the environment.

        Returns the name, and the password where this call made it up.
        """
        User = get_user_model()
        username = os.environ.get("DJANGO_SUPERUSER_USERNAME") or "admin"
        given = os.environ.get("DJANGO_SUPERUSER_PASSWORD")
        user = User.objects.filter(**{User.USERNAME_FIELD: username}).first()
        if user is None:
            password = given or secrets.token_urlsafe(9)
            User.objects.create_superuser(username, password=password)
            return username, None if given else password
        if given and not user.check_password(given):
            user.set_password(given)
            user.save(update_fields=["password"])
        return username, None

    def introduce(self, base_url: str, account: tuple[str, str | None]) -> None:
        """Print where to go."""
        username, password = account
        model = (
            "loopback (no OPENAI_API_KEY: images are drawn here, nothing leaves)"
            if settings.LOOPBACK
            else settings.OPENAI_MODEL
        )
        secret = f", password {password} (shown this once)" if password else ""
        self.stdout.write(
            f"\n  Chat        {base_url}/\n"
            f"  ChatKit.js  {base_url}/chatkit.js/\n"
            f"  Admin       {base_url}/admin/  user {username}{secret}\n"
            f"  Model       {model}\n\n"
            f"{self.warning()}"
            "Quit with Ctrl-C.\n"
        )
        self.stdout.flush()

    def warning(self) -> str:
        """Say what serving a network means."""
        if not self.networked:
            return ""
        cost = (
            "drawn on this machine" if settings.LOOPBACK else "paid with your API key"
        )
        return (
            "  Everybody who reaches this address may chat, without a login; images\n"
            f"  are {cost}. DEBUG is off. It answers to these hosts only, others by\n"
            f"  ALLOWED_HOSTS: {', '.join(settings.ALLOWED_HOSTS)}\n\n"
        )

    def serve(self, host: str, port: int) -> None:
        """Serve the ASGI application under Daphne until interrupted."""
        # Daphne installs its reactor and the application loads the URLconf: neither
        # is wanted by `manage.py help`.
        from daphne.endpoints import build_endpoint_description_strings
        from daphne.server import Server

        from example_project.asgi import application

        Server(
            application=application,
            endpoints=build_endpoint_description_strings(host=host, port=port),
        ).run()
