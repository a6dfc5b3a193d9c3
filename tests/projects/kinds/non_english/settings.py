LANGUAGE_CODE = "de"
TIME_ZONE = "Asia/Tokyo"
MIDDLEWARE.insert(
    MIDDLEWARE.index("django.middleware.common.CommonMiddleware"),
    "django.middleware.locale.LocaleMiddleware",
)
