"""``manage.py people``: who uses the project, and the headers that each sends."""

import datetime
import json

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand
from django.utils import timezone
from oauth2_provider.models import AccessToken, Application


class Command(BaseCommand):
    def handle(self, **options):
        users = get_user_model().objects
        phone = Application.objects.create(
            name="phone",
            client_type=Application.CLIENT_PUBLIC,
            authorization_grant_type=Application.GRANT_AUTHORIZATION_CODE,
            redirect_uris="https://phone.example/",
        )
        headers = {"staff": {}}
        for name in ("ann", "bob"):
            AccessToken.objects.create(
                user=users.create_user(f"{name}@shop.example"),
                application=phone,
                token=f"token-of-{name}",
                scope="chat",
                expires=timezone.now() + datetime.timedelta(hours=1),
            )
            headers[name] = {"Authorization": f"Bearer token-of-{name}"}
        users.create_superuser("staff@shop.example", password="staff")
        self.stdout.write(json.dumps(headers))
