"""Says whether this is the compiled build: see setup.py, which makes it, and decision 0020."""

from importlib.machinery import EXTENSION_SUFFIXES
from importlib.util import find_spec


def is_compiled(module: str = "proxy.exchange") -> bool:
    """Whether a module, one of the road by default, is compiled; it need not be loaded for that."""
    spec = find_spec(module)
    return spec is not None and (spec.origin or "").endswith(tuple(EXTENSION_SUFFIXES))
