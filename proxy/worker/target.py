"""Load `package.module:callable`, and say in one line why that failed.

Both workers load the application through this file, so that both give the same reasons. uWSGI runs
it by its path (`--wsgi-file`) inside its own interpreter: therefore it imports nothing of this
project. The path of the application and the file for the reason come in as uWSGI's own
placeholders (`--set frontend-app=...`), not as environment variables, which the application would
see.
"""

import contextlib
import difflib
import importlib
import importlib.machinery
import importlib.util
import sys
import traceback
from pathlib import Path
from types import ModuleType
from typing import Any

EXIT_NO_APP = 22
"""Exit code of a worker that could not load its application; uWSGI's own for `--need-app`."""

_USUAL_NAMES = ("application", "app", "wsgi_app", "create_app")
_IMPORT_MACHINERY = (__file__, "<frozen importlib", importlib.__file__)


class WorkerError(Exception):
    """The application or its server cannot be started. The text is one line for the operator.

    `traceback` is the application's own, where it has raised.
    """

    def __init__(self, message: str, traceback: str = "") -> None:
        super().__init__(message)
        self.traceback = traceback


def split(app: str) -> tuple[str, str]:
    """Return the module and the callable named by `package.module:callable`.

    Raises:
        WorkerError: `app` is not of that form, or names a file.
    """
    module, colon, name = app.partition(":")
    if not colon or not all(part.isidentifier() for part in f"{module}.{name}".split(".")):
        raise WorkerError(f"{app!r} is not of the form package.module:callable, such as app:app")
    if module.endswith(".py"):
        raise WorkerError(f"{app!r} names a file; the module is {module[:-3]!r}")
    return module, name


def check(app: str, python_path: str) -> None:
    """Find mistakes that need no import: the form of `app`, and a top-level module that is missing.

    Submodules are left to `load`: a package may make them up while it is imported.

    Raises:
        WorkerError: one of those mistakes.
    """
    top = split(app)[0].partition(".")[0]
    if importlib.machinery.PathFinder.find_spec(top, [python_path]) is not None:
        return
    try:
        found = importlib.util.find_spec(top) is not None
    except ValueError:  # loaded already, but without a spec: __main__
        found = True
    if not found:
        raise _missing(top, python_path)


def load(app: str, python_path: str) -> Any:
    """Import the module with `python_path` in front of `sys.path` and return the callable.

    An exception of the application itself is shown on standard error as its own traceback.

    Raises:
        WorkerError: the module is missing or fails to import, or the name in it is missing or
            cannot be called.
    """
    module_name, attribute = split(app)
    _extend_path(python_path)
    try:
        module = importlib.import_module(module_name)
    except (Exception, SystemExit) as error:
        missing = error.name if isinstance(error, ModuleNotFoundError) else None
        if missing and f"{module_name}.".startswith(f"{missing}."):
            raise _missing(missing, python_path) from None
        trace = _format_traceback(error)
        print(trace, end="", file=sys.stderr, flush=True)
        cause = ": ".join([type(error).__name__, *str(error).splitlines()[:1]])
        message = f"the module {module_name!r} fails to import: {cause}"
        raise WorkerError(message, trace) from None
    return _attribute(module, attribute)


def report(error: WorkerError, failure_file: str) -> None:
    """Leave the reason where the parent looks for it: one line, and the traceback."""
    Path(failure_file).write_text(f"{error}\n{error.traceback}", encoding="utf-8")


def report_loaded(failure_file: str) -> None:
    """Let the parent know that the application is there; see `is_loaded`."""
    with contextlib.suppress(OSError):  # the directory has gone: we are meant to end
        _loaded_file(failure_file).touch()


def is_loaded(failure_file: str) -> bool:
    """Whether the worker that would leave a reason there has got its application."""
    return _loaded_file(failure_file).exists()


def _loaded_file(failure_file: str) -> Path:
    return Path(failure_file).with_name("loaded")


def _missing(module: str, python_path: str) -> WorkerError:
    return WorkerError(
        f"no module named {module!r} in {python_path} or among the installed packages"
    )


def _extend_path(python_path: str) -> None:
    if python_path not in sys.path:
        sys.path.insert(0, python_path)
    if importlib.util.find_spec("proxy") is None:
        # A checkout that is run in place: its example application must be found all the same.
        sys.path.append(str(Path(__file__).resolve().parents[2]))


def _attribute(module: ModuleType, attribute: str) -> Any:
    found: Any = module
    for name in attribute.split("."):
        if not hasattr(found, name):
            raise WorkerError(
                f"{module.__name__!r} ({module.__file__}) has no {attribute!r}{_hint(found, name)}"
            )
        found = getattr(found, name)
    if not callable(found):
        raise WorkerError(
            f"'{module.__name__}:{attribute}' is not callable: it is of type {type(found).__name__}"
        )
    return found


def _hint(owner: Any, name: str) -> str:
    names = [known for known in dir(owner) if not known.startswith("_")]
    near = difflib.get_close_matches(name, names, n=1)
    near += [known for known in _USUAL_NAMES if known in names]
    return f"; is it {near[0]!r}?" if near else ""


def _format_traceback(error: BaseException) -> str:
    """Return the traceback from the first frame that belongs to the application."""
    frames = error.__traceback__
    while frames and frames.tb_frame.f_code.co_filename.startswith(_IMPORT_MACHINERY):
        frames = frames.tb_next
    return "".join(traceback.format_exception(type(error), error, frames))


def _load_inside_uwsgi() -> Any:
    import uwsgi

    app, python_path, failure_file = (
        uwsgi.opt[f"frontend-{name}"].decode() for name in ("app", "path", "failure")
    )
    try:
        application = load(app, python_path)
        report_loaded(failure_file)
        return application
    except WorkerError as error:
        report(error, failure_file)
        raise SystemExit(EXIT_NO_APP) from None


if __name__.startswith("uwsgi_file_"):
    application = _load_inside_uwsgi()
