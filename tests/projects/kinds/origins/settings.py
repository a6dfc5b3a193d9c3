# The pages are at https://app.example, and Django answers elsewhere.
CSRF_TRUSTED_ORIGINS = ["https://app.example"]
CHATKIT_IMAGES["ORIGINS"] = ["https://app.example"]
