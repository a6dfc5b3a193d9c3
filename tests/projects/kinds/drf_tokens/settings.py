INSTALLED_APPS += ["rest_framework", "rest_framework.authtoken"]
CHATKIT_IMAGES["CONTEXT"] = "shop.context.TokenContext"
