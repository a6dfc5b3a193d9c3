DATABASES = {
    "default": {
        "ENGINE": "django_tenants.postgresql_backend",
        "NAME": os.environ["DATABASE"],
    }
}
DATABASE_ROUTERS = ["django_tenants.routers.TenantSyncRouter"]
SHARED_APPS = ["daphne", "django_tenants", "shop", "django.contrib.staticfiles"]
TENANT_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "chatkit_images",
]
INSTALLED_APPS = SHARED_APPS + TENANT_APPS
TENANT_MODEL, TENANT_DOMAIN_MODEL = "shop.Shop", "shop.Domain"
MIDDLEWARE.insert(0, "django_tenants.middleware.main.TenantMainMiddleware")
CHATKIT_IMAGES["CONTEXT"] = "shop.tenants.TenantContext"
CHATKIT_IMAGES["CONTEXTS"] = "shop.tenants.contexts"
