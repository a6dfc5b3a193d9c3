# PGHOST and PGPORT are those of pgbouncer, which pools by transaction.
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": os.environ["DATABASE"],
        "DISABLE_SERVER_SIDE_CURSORS": True,
    }
}
