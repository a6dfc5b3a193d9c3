USE_TZ = False
TIME_ZONE = "America/New_York"
