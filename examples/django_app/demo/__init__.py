"""A small Django project to try the front end with."""
