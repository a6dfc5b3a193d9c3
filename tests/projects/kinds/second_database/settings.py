# The project's own tables are elsewhere; "default" has none of those of this app.
DATABASES["second"] = {
    "ENGINE": "django.db.backends.postgresql",
    "NAME": os.environ["DATABASE"],
}
DATABASE_ROUTERS = ["shop.routers.SecondRouter"]
