"""MoinMoin 2 as a WSGI application; it finds wikiconfig.py in the directory that it runs in."""

from moin.app import create_app

application = create_app()
