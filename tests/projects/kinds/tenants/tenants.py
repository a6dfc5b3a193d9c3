from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from chatkit_images.context import RequestContext
from chatkit_images.exceptions import NotFoundError
from django.db import connection
from django_tenants.utils import (
    get_public_schema_name,
    get_tenant_domain_model,
    get_tenant_model,
    remove_www,
    schema_context,
)


@dataclass(frozen=True)
class TenantContext(RequestContext):
    @classmethod
    def get_tenant(cls, request=None):
        if request is None:
            return connection.schema_name
        if hasattr(request, "tenant"):  # The middleware has found it.
            return request.tenant.schema_name
        # No middleware runs before the routes for Channels.
        name = remove_www(request.get_host().partition(":")[0])
        domains = get_tenant_domain_model().objects.select_related("tenant")
        domain = domains.filter(domain=name).first()
        if domain is None:
            raise NotFoundError(f"No tenant has the domain {name}")
        return domain.tenant.schema_name

    @contextmanager
    def activate(self) -> Iterator[None]:
        schema = self.tenant or get_public_schema_name()
        with schema_context(schema), super().activate():
            yield


def contexts() -> Iterator[TenantContext]:
    tenants = get_tenant_model().objects.exclude(schema_name=get_public_schema_name())
    # It has the language of the site.
    nobody = TenantContext.for_owner("")
    for tenant in tenants:
        yield replace(nobody, tenant=tenant.schema_name)
