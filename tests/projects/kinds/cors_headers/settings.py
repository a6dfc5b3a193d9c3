from corsheaders.defaults import default_headers

# The pages are at https://app.example, and Django answers elsewhere.
INSTALLED_APPS += ["corsheaders"]
MIDDLEWARE.insert(0, "corsheaders.middleware.CorsMiddleware")
CORS_ALLOWED_ORIGINS = CSRF_TRUSTED_ORIGINS = ["https://app.example"]
CORS_ALLOW_CREDENTIALS = True
CORS_ALLOW_HEADERS = [
    *default_headers,
    "chatkit-resume",
    "idempotency-key",
    "last-event-id",
]
CORS_EXPOSE_HEADERS = ["chatkit-run"]
