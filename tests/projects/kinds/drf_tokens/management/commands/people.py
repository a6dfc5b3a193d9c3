"""``manage.py people``: who uses the project, and the headers that each sends."""

import json

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand
from rest_framework.authtoken.models import Token


class Command(BaseCommand):
    def handle(self, **options):
        users = get_user_model().objects
        headers = {"staff": {}}
        for name in ("ann", "bob"):
            user = users.create_user(f"{name}@shop.example")
            token = Token.objects.create(user=user)
            headers[name] = {"Authorization": f"Token {token}"}
        users.create_superuser("staff@shop.example", password="staff")
        self.stdout.write(json.dumps(headers))
