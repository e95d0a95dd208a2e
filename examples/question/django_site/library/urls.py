"""Where the page is."""

from django.urls import path

from library import views

urlpatterns = [path("", views.shelf, name="shelf")]
