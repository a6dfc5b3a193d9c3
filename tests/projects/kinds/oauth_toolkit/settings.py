INSTALLED_APPS += ["oauth2_provider"]
OAUTH2_PROVIDER = {"SCOPES": {"chat": "Chat and images"}}
CHATKIT_IMAGES["CONTEXT"] = "shop.context.BearerContext"
