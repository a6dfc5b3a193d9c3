"""``manage.py people``: who uses the project, and the headers that each sends."""

import json

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand

from shop.models import Membership, Team

TEAMS = {"red": ["ann", "cleo"], "blue": ["bob"]}


class Command(BaseCommand):
    def handle(self, **options):
        users = get_user_model().objects
        headers = {"staff": {}}
        for name, members in TEAMS.items():
            team = Team.objects.create(name=name)
            for member in members:
                user = users.create_user(f"{member}@shop.example", password=member)
                Membership.objects.create(user=user, team=team)
                headers[member] = {}
        users.create_superuser("staff@shop.example", password="staff")
        self.stdout.write(json.dumps(headers))
