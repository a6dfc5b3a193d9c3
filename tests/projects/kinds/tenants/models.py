from django.db import models
from django_tenants.models import DomainMixin, TenantMixin


class Shop(TenantMixin):
    """A tenant: a schema of its own, with users and chats of its own."""

    name = models.CharField(max_length=100)
    auto_drop_schema = True


class Domain(DomainMixin):
    """Where a tenant is."""
