DATABASES = {
    alias: {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": os.environ[name],
    }
    for alias, name in [("default", "DATABASE"), ("replica", "REPLICA")]
}
DATABASE_ROUTERS = ["shop.routers.ReplicaRouter"]
# A session that was just begun is not in the replica yet.
SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
