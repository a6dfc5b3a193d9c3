"""``manage.py people``: who uses the project, and the headers that each sends."""

import json

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand


class Command(BaseCommand):
    def handle(self, **options):
        users = get_user_model().objects
        for name in ("ann", "bob"):
            users.create_user(f"{name}@shop.example", password=name)
        users.create_superuser("staff@shop.example", password="staff")
        self.stdout.write(json.dumps({"ann": {}, "bob": {}, "staff": {}}))
