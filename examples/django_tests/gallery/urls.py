"""All pages of the gallery."""

import os
import time

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path


def home(request: HttpRequest) -> HttpResponse:
    """Count visits."""
    visits = request.session["visits"] = request.session.get("visits", 0) + 1
    return HttpResponse(f"visit {visits}", content_type="text/plain")


def picture(request: HttpRequest) -> JsonResponse:
    """Take a picture, and say how large it was."""
    file = request.FILES["picture"]
    return JsonResponse({"name": file.name, "bytes": file.size})


def me(request: HttpRequest) -> JsonResponse:
    """Say who asks, as far as the server tells."""
    names = ("REMOTE_ADDR", "SERVER_NAME", "REQUEST_URI", "PATH_INFO")
    return JsonResponse({name: request.META.get(name) for name in names})


def thumbnails(request: HttpRequest) -> HttpResponse:
    """Take as long as somebody wants."""
    time.sleep(float(request.GET["seconds"]))
    return HttpResponse("done", content_type="text/plain")


def crash(_request: HttpRequest) -> HttpResponse:
    """End the worker process, as a bug in a library of C would."""
    os._exit(1)


def error(_request: HttpRequest) -> HttpResponse:
    """Fail; Django answers with its own page."""
    raise RuntimeError("asked to")


urlpatterns = [
    path("", home),
    path("picture/", picture),
    path("me/", me),
    path("thumbnails/", thumbnails),
    path("crash/", crash),
    path("error/", error),
]
