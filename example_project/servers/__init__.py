"""Servers in the ways of ChatKit's official samples; EXAMPLE_SERVER chooses one.

``portraits`` has state, widgets with actions and effects, ``museum`` what the page
says: a header, mentions, a client's tool, and choices in the composer.
"""
