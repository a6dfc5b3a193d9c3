from contextlib import contextmanager
from dataclasses import dataclass

from django.http import Http404
from django_tenants.utils import get_tenant_model, schema_context

from chatkit_images.context import RequestContext

from .models import Domain


@dataclass(frozen=True)
class TenantContext(RequestContext):
    """The host of a request says whose schema all work is done in."""

    @classmethod
    def from_request(cls, request):
        host = request.get_host().partition(":")[0]
        domain = Domain.objects.select_related("tenant").filter(domain=host).first()
        if domain is None:
            raise Http404
        with schema_context(domain.tenant.schema_name):
            return super().from_request(request)

    @contextmanager
    def activate(self):
        with schema_context(self.tenant), super().activate():
            yield


def every_tenant():
    for tenant in get_tenant_model().objects.exclude(schema_name="public"):
        yield TenantContext(user=None, owner="", tenant=tenant.schema_name)
