from contextlib import contextmanager
from dataclasses import dataclass

from django.db import connection
from django_tenants.utils import get_public_schema_name, schema_context

from chatkit_images.context import RequestContext
from chatkit_images.exceptions import NotFoundError

from .models import Domain, Shop


@dataclass(frozen=True)
class TenantContext(RequestContext):
    """The host of a request names the schema that all work for it is done in."""

    @classmethod
    def get_tenant(cls, request=None):
        if request is None:
            return connection.schema_name
        # No middleware runs before the routes for Channels.
        host = request.get_host().partition(":")[0]
        domain = Domain.objects.select_related("tenant").filter(domain=host).first()
        if domain is None:
            raise NotFoundError(f"No shop is at {host}")
        return domain.tenant.schema_name

    @contextmanager
    def activate(self):
        schema = self.tenant or get_public_schema_name()
        with schema_context(schema), super().activate():
            yield


def every_tenant():
    for shop in Shop.objects.exclude(schema_name=get_public_schema_name()):
        yield TenantContext(user=None, owner="", tenant=shop.schema_name)
