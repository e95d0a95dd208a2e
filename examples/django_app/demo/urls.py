"""Where the pages are."""

from django.urls import path

from demo import views

urlpatterns = [
    path("", views.home, name="home"),
    path("notes/", views.notes, name="notes"),
    path("upload/", views.upload, name="upload"),
    path("raw/", views.raw, name="raw"),
    path("stream/", views.stream, name="stream"),
    path("json/", views.as_json, name="json"),
    path("path/<path:rest>", views.path, name="path"),
    path("old/", views.old, name="old"),
    path("error/", views.error, name="error"),
]
