"""What the examples of deployment agree upon: variables, ports, paths, and times."""

import configparser
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from proxy.config.env import read_env
from proxy.config.sources import load
from proxy.settings import Settings
from tests.servers import REPOSITORY

EXAMPLES = REPOSITORY / "examples"

UWSGI_STOP_S = 5.0
"""What the application server gets of a grace period when the front end has ended."""


def read_all(file: Path) -> list[Any]:
    """Return the documents of a YAML file."""
    return list(yaml.safe_load_all(file.read_text()))


def settings_of(given: Mapping[str, str]) -> Settings:
    """Return what the front end makes of these variables, and of those that the image has."""
    environment = image_environment() | dict(given)
    assert all(isinstance(value, str) for value in environment.values())
    loaded = load([read_env(environment)])
    assert loaded.complaints == []
    return loaded.settings


def image_environment() -> dict[str, str]:
    """Return the variables of ours that the Dockerfile sets."""
    text = (REPOSITORY / "Dockerfile").read_text()
    return dict(re.findall(r"(UWSGI_FRONTEND_\w+)=(\S+)", text))


def image_user() -> tuple[int, int]:
    """Return the user and the group that the image runs as."""
    found = re.search(r"^USER (\d+):(\d+)$", (REPOSITORY / "Dockerfile").read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1]), int(found[2])


def uwsgi_settings() -> dict[str, str]:
    """Return what the example's uWSGI is told."""
    parser = configparser.ConfigParser()
    parser.read(EXAMPLES / "docker-compose/app/uwsgi.ini")
    return dict(parser["uwsgi"])


def check_upstream(settings: Settings) -> None:
    """The front end and uWSGI mean the same socket, and have the same limits."""
    uwsgi = uwsgi_settings()
    (backend,) = settings.upstream.backends
    assert backend.address.path == uwsgi["socket"]
    assert backend.max_conns == int(uwsgi["processes"]) * int(uwsgi.get("threads", "1"))
    assert settings.packet.backend_buffer_bytes == int(uwsgi["buffer-size"])
    assert uwsgi["chmod-socket"] == "660"


def needs_s(settings: Settings) -> float:
    """Return how long the front end may take to end."""
    return settings.server.drain_delay_s + settings.server.shutdown_timeout_s
