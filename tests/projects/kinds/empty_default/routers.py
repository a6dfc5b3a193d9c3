class MainRouter:
    """Everything is in the database ``main``."""

    def db_for_read(self, model, **hints):
        return "main"

    db_for_write = db_for_read
