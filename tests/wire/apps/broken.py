"""An application that cannot be imported."""

import there_is_no_such_module  # noqa: F401


def application(environ, start_response):
    raise AssertionError
