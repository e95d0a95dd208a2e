"""The pages: a session, a CSRF-protected form with messages, uploads, a stream, redirects."""

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator, Iterator

from django.contrib import messages
from django.core.files.uploadedfile import UploadedFile
from django.core.handlers.asgi import ASGIRequest
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseBadRequest,
    JsonResponse,
    StreamingHttpResponse,
)
from django.shortcuts import redirect, render
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

_LONGEST_NOTE = 200


def home(request: HttpRequest) -> HttpResponse:
    """Count visits in the session."""
    request.session["visits"] = request.session.get("visits", 0) + 1
    return render(request, "home.html", {"visits": request.session["visits"]})


def notes(request: HttpRequest) -> HttpResponse:
    """Take a note through a protected form, redirect, and show a message about it once."""
    if request.method == "POST":
        note = request.POST.get("note", "")[:_LONGEST_NOTE]
        request.session["notes"] = [*request.session.get("notes", []), note][-5:]
        messages.success(request, f"Saved: {note}")
        return redirect("notes")
    return render(request, "notes.html", {"notes": request.session.get("notes", [])})


def upload(request: HttpRequest) -> HttpResponse:
    """Take a file from a protected form and say what arrived."""
    if request.method != "POST":
        return render(request, "upload.html")
    file = request.FILES.get("file")
    if not isinstance(file, UploadedFile):
        return HttpResponseBadRequest("a file is missing\n", content_type="text/plain")
    digest = hashlib.sha256()
    for block in file.chunks():
        digest.update(block)
    return JsonResponse({"name": file.name, "bytes": file.size, "sha256": digest.hexdigest()})


@csrf_exempt
@require_http_methods(["PUT", "POST"])
def raw(request: HttpRequest) -> HttpResponse:
    """Take a body of any type, piece by piece."""
    digest, size = hashlib.sha256(), 0
    while block := request.read(1 << 16):
        digest.update(block)
        size += len(block)
    return JsonResponse({"bytes": size, "sha256": digest.hexdigest()})


def stream(request: HttpRequest) -> StreamingHttpResponse:
    """Send server-sent events as they happen, under WSGI and ASGI."""
    count = int(request.GET.get("count", "5"))
    pause = float(request.GET.get("pause", "0.5"))
    response = StreamingHttpResponse(
        _events_later(count, pause) if isinstance(request, ASGIRequest) else _events(count, pause),
        content_type="text/event-stream",
    )
    response["X-Accel-Buffering"] = "no"  # keeps the front end from collecting them
    response["Cache-Control"] = "no-store"
    return response


def _events(count: int, pause: float) -> Iterator[str]:
    for number in range(count):
        if number:
            time.sleep(pause)
        yield f"data: {number}\n\n"


async def _events_later(count: int, pause: float) -> AsyncIterator[str]:
    for number in range(count):
        if number:
            await asyncio.sleep(pause)
        yield f"data: {number}\n\n"


def as_json(request: HttpRequest) -> JsonResponse:
    """Return what Django made of the request."""
    return JsonResponse(
        {
            "method": request.method,
            "path": request.path,
            "query": dict(request.GET.lists()),
            "scheme": request.scheme,
            "host": request.get_host(),
            "remote_addr": request.META.get("REMOTE_ADDR"),
            "headers": dict(request.headers),
        }
    )


def path(_request: HttpRequest, rest: str) -> HttpResponse:
    """Return a part of the path as the application sees it: decoded once."""
    return HttpResponse(rest, content_type="text/plain; charset=utf-8")


def old(_request: HttpRequest) -> HttpResponse:
    """Redirect for good."""
    return redirect("home", permanent=True)


def error(_request: HttpRequest) -> HttpResponse:
    """Fail; Django answers with its 500 page."""
    raise RuntimeError("asked to")
