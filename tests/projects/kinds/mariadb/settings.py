TIME_ZONE = "Europe/Berlin"
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.mysql",
        "HOST": os.environ["MYSQL_HOST"],
        "PORT": os.environ["MYSQL_TCP_PORT"],
        "USER": os.environ["MYSQL_USER"],
        "PASSWORD": os.environ["MYSQL_PWD"],
        "NAME": os.environ["DATABASE"],
        "OPTIONS": {"charset": "utf8mb4"},
    }
}
