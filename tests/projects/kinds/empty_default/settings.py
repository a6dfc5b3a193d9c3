DATABASES = {
    "default": {},
    "main": {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": os.environ["DATABASE"],
    },
}
DATABASE_ROUTERS = ["shop.routers.MainRouter"]
