"""The environment as a source of settings: `UWSGI_FRONTEND_LISTEN` and so on.

A variable is named after its option. An empty one counts as not set, as `${X:-}` in a compose file
leaves it. Lists are separated by commas or line breaks, those of --param and --check by line breaks
alone. Names that begin with our prefix and are nobody's are errors: a typing error must not become
a silent default.
"""

import re
from collections.abc import Mapping

from proxy.config.names import suggest_environment
from proxy.config.option import ENVIRONMENT_PREFIX, Option
from proxy.config.options import BY_ENVIRONMENT
from proxy.config.sources import Source

# Kubernetes and container links describe a service called "uwsgi-frontend" to every pod with
# variables that have our prefix; whoever names the service so must not be punished for it.
_SERVICE_LINK = re.compile(r"SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_\w+)?")
_SERVICE_URL = re.compile(r"(tcp|udp|sctp)://")


def read_env(environ: Mapping[str, str]) -> Source:
    """Return what the environment says about settings; other variables are not looked at."""
    source = Source()
    for name in sorted(environ):
        value = environ[name]
        if not name.startswith(ENVIRONMENT_PREFIX) or _is_service_link(name, value):
            continue
        option = BY_ENVIRONMENT.get(name)
        if option is None:
            hint = suggest_environment(name)
            source.complaints.append(f"unknown environment variable {name}: {hint}")
        elif texts := split(option, value):
            source.take(option, texts, f"{name}=", name)
    return source


def split(option: Option, value: str) -> list[str]:
    """Return the texts in a variable's value, none when it is empty."""
    parts = value.replace(option.separator, "\n").split("\n") if option.many else [value]
    # A value keeps its spaces unless it is a list, where they are laid out for the eye.
    return [part.strip() if option.many else part for part in parts if part.strip()]


def _is_service_link(name: str, value: str) -> bool:
    rest = name.removeprefix(ENVIRONMENT_PREFIX)
    if rest == "PORT":
        return _SERVICE_URL.match(value) is not None
    return _SERVICE_LINK.fullmatch(rest) is not None
