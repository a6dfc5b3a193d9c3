"""``manage.py people``: two tenants, and the headers that each of their users sends."""

import json

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand
from django_tenants.utils import tenant_context

from shop.models import Domain, Shop


class Command(BaseCommand):
    def handle(self, **options):
        headers = {}
        for name, people in [("red", ["ann", "staff"]), ("blue", ["bob"])]:
            shop = Shop.objects.create(schema_name=name, name=name)
            Domain.objects.create(domain=f"{name}.example", tenant=shop)
            with tenant_context(shop):
                for person in people:
                    # Ann and Bob have the same primary key, each in a schema.
                    get_user_model().objects.create_superuser(
                        f"{person}@shop.example", password=person
                    )
                    headers[person] = {"Host": f"{name}.example"}
        self.stdout.write(json.dumps(headers))
