"""One page: a list from the database, through a template."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from library.models import Book


def shelf(request: HttpRequest) -> HttpResponse:
    """Show the newest books with their authors, and count visits in the session."""
    visits = request.session["visits"] = request.session.get("visits", 0) + 1
    books = Book.objects.select_related("author").order_by("-year")[:20]
    return render(request, "shelf.html", {"books": books, "visits": visits})
