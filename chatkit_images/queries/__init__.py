"""Queries that turn ChatKit's types into rows and back: sync, each one transaction."""
