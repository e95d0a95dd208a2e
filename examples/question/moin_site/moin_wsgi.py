"""MoinMoin 2 as a WSGI application; it finds wikiconfig.py in the directory that it runs in.

The first page of a process takes about a second. So that no visitor has to wait for it, each uWSGI
worker asks itself for one as soon as it has been forked; before that, workers would share what is
open.
"""

from moin.app import create_app

application = create_app()


def warm() -> None:
    """Serve a page to nobody."""
    application.test_client().get("/Home")


try:
    import uwsgi
except ImportError:  # some other server
    pass
else:
    uwsgi.post_fork_hook = warm
