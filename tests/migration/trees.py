"""Configurations as texts, read as a file would be."""

from pathlib import Path
from tempfile import TemporaryDirectory

from proxy.migration.translate import Translation, translate
from proxy.migration.tree import Directive, read

FILES = Path(__file__).parent / "files"


def tree(text: str) -> tuple[Directive, ...]:
    """Return what `read` makes of a text."""
    with TemporaryDirectory() as directory:
        path = Path(directory, "a.conf")
        path.write_text(text)
        return read(path)


def made(text: str) -> Translation:
    """Return what becomes of what stands in a location with a `uwsgi_pass`."""
    translation = translate(tree(text))
    assert translation is not None
    return translation


def site(location: str = "", server: str = "", http: str = "") -> Translation:
    """Translate a server with one location that passes to a socket."""
    inner = f"location / {{ uwsgi_pass unix:/a; {location} }}"
    return made(f"{http} server {{ {server} {inner} }}")
