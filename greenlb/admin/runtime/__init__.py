"""The runtime socket and its commands, in HAProxy's words.

``lines`` cuts what a client says into commands, ``commands`` is the table of them, ``runtime`` finds one
in it and runs it, ``server`` listens.  A command is a function of a Session and its words; through the
session it
reaches the process it runs in (``operations``).
"""
