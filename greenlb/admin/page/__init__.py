"""The statistics page: a WSGI application for the people who run the farm.

``app`` answers requests, ``feed`` has the figures, ``view`` arranges them, ``actions`` is what can be done to
servers from it.  All that it shows and does goes through the runtime's commands.
"""
