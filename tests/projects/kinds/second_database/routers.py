SECOND = {"admin", "auth", "chatkit_images", "contenttypes", "sessions"}


class SecondRouter:
    """Chats, and the people who chat, are in the database ``second``."""

    def db_for_read(self, model, **hints):
        return "second" if model._meta.app_label in SECOND else None

    db_for_write = db_for_read

    def allow_migrate(self, db, app_label, **hints):
        return (db == "second") == (app_label in SECOND)
