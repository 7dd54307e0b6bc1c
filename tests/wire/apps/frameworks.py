"""Small applications of three frameworks that say what they believe about a request, and take a form."""

from __future__ import annotations

import json

import bottle
import django
import flask
from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpResponse, JsonResponse, StreamingHttpResponse
from django.urls import path

# -- Flask -----------------------------------------------------------------------------------------

flask_app = flask.Flask("told")


@flask_app.route("/told")
def flask_told():
    r = flask.request
    return flask.jsonify(url=r.url, scheme=r.scheme, client=r.remote_addr, secure=r.is_secure, host=r.host)


@flask_app.route("/form", methods=["POST"])
def flask_form():
    return flask.jsonify(flask.request.form.to_dict())


@flask_app.route("/body", methods=["POST"])
def flask_body():
    return flask.request.get_data()


@flask_app.route("/stream")
def flask_stream():
    return flask.Response((f"{n}," for n in range(3)), mimetype="text/plain")


# -- Bottle ----------------------------------------------------------------------------------------

bottle_app = bottle.Bottle()


@bottle_app.route("/told")
def bottle_told():
    r = bottle.request
    return {"url": r.url, "scheme": r.urlparts.scheme, "client": r.remote_addr, "host": r.urlparts.netloc}


@bottle_app.route("/form", method="POST")
def bottle_form():
    return dict(bottle.request.forms)


@bottle_app.route("/stream")
def bottle_stream():
    bottle.response.content_type = "text/plain"
    for n in range(3):
        yield f"{n},"


# -- Django ----------------------------------------------------------------------------------------


def django_told(request):
    return JsonResponse(
        {
            "url": request.build_absolute_uri(),
            "scheme": request.scheme,
            "client": request.META["REMOTE_ADDR"],
            "secure": request.is_secure(),
            "host": request.get_host(),
            "port": request.get_port(),
        }
    )


def django_form(request):
    return JsonResponse(request.POST.dict())


def django_stream(request):
    return StreamingHttpResponse((f"{n}," for n in range(3)), content_type="text/plain")


def django_body(request):
    return HttpResponse(request.body)


settings.configure(
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    SECRET_KEY="of a test",
    SECURE_PROXY_SSL_HEADER=("HTTP_X_FORWARDED_PROTO", "https"),
    USE_X_FORWARDED_HOST=False,
    USE_X_FORWARDED_PORT=True,
)
urlpatterns = [
    path("told", django_told),
    path("form", django_form),
    path("stream", django_stream),
    path("body", django_body),
]
django.setup()
django_app = WSGIHandler()

# -- behind a proxy --------------------------------------------------------------------------------

from werkzeug.middleware.proxy_fix import ProxyFix  # noqa: E402

fixed_app = ProxyFix(flask_app.wsgi_app, x_for=1, x_proto=1, x_host=1, x_port=1)


def combined(environ, start_response):
    """/flask/... is Flask's behind ProxyFix, /django/... is Django's, /bottle/... is Bottle's."""
    head, _, path = environ["PATH_INFO"].lstrip("/").partition("/")
    environ["PATH_INFO"] = "/" + path
    if head == "raw":
        start_response("200 OK", [("Content-Type", "application/json")])
        return [json.dumps({k: v for k, v in environ.items() if isinstance(v, str)}).encode()]
    return {"flask": fixed_app, "django": django_app, "bottle": bottle_app}[head](environ, start_response)
