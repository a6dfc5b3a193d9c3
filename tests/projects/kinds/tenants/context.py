from contextlib import contextmanager
from dataclasses import dataclass

from django.db import connection
from django_tenants.utils import schema_context

from chatkit_images.context import RequestContext

from .models import Domain, Shop


@dataclass(frozen=True)
class TenantContext(RequestContext):
    """The host of a request names the schema that all work for it is done in."""

    @classmethod
    def from_request(cls, request):
        with schema_context(cls.get_tenant(request)):
            return super().from_request(request)

    @classmethod
    def get_tenant(cls, request=None):
        if request is None:
            return connection.schema_name
        host = request.get_host().partition(":")[0]
        domain = Domain.objects.select_related("tenant").get(domain=host)
        return domain.tenant.schema_name

    @contextmanager
    def activate(self):
        with schema_context(self.tenant), super().activate():
            yield


def every_tenant():
    for shop in Shop.objects.exclude(schema_name="public"):
        yield TenantContext(user=None, owner="", tenant=shop.schema_name)
