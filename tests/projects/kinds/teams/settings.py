CHATKIT_IMAGES["CONTEXT"] = "shop.context.TeamContext"
