"""Run a WSGI application behind a private uwsgi socket, for `--app`.

Owns the application server as a child process: which one it is (real uWSGI when it is installed,
else the built-in threaded worker), how it starts, and that it never outlives the proxy. It knows
nothing of HTTP and takes no part in a request: the proxy speaks to it as to any other backend.
"""

from proxy.worker.supervise import Worker, start
from proxy.worker.target import WorkerError

__all__ = ["Worker", "WorkerError", "start"]
