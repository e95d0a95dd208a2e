"""What is too little to be shared out over several workers (`proxy.share`)."""

from collections.abc import Callable, Iterator

from proxy.config.check_backend import parse_line
from proxy.settings import BackendSettings, Settings


def complaints(settings: Settings) -> Iterator[str]:
    """Yield one line for each limit of which some worker would have nothing."""
    workers = settings.server.workers
    if workers == 1:
        return
    app = settings.worker
    if app.app and app.processes * app.threads < workers:
        yield (
            f"--workers {workers}: more than --processes {app.processes} x --threads {app.threads} "
            "of --app; each worker needs one for itself"
        )
    queue = settings.upstream.queue.max_waiting
    if 0 < queue < workers:
        yield f"--queue-size {queue}: less than one place for each of --workers {workers}"
    for backend in settings.upstream.backends:
        for why in _too_small(backend, workers):
            yield f"--upstream {backend.name}: {why}"


def line_parser(workers: int) -> Callable[[str], BackendSettings]:
    """Return what reads a line of --backends-file, and raises ValueError if it cannot be used."""

    def parse(text: str) -> BackendSettings:
        backend = parse_line(text)
        if wrong := list(_too_small(backend, workers)):
            raise ValueError("; ".join(wrong))
        return backend

    return parse if workers > 1 else parse_line


def _too_small(backend: BackendSettings, workers: int) -> Iterator[str]:
    for name, value in (("max_conns", backend.max_conns), ("keepalive", backend.keepalive)):
        if 0 < value < workers:
            yield (
                f"{name}={value} is less than one for each of --workers {workers}; "
                f"take fewer workers, or leave {name} out"
            )
