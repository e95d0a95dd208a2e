"""The example for Docker Compose: what it says fits together, and uWSGI starts and ends by it."""

import os
import re
import signal
import subprocess
from pathlib import Path
from typing import Any

from proxy.config.units import parse_duration, parse_size
from tests.examples.deployment import (
    EXAMPLES,
    UWSGI_STOP_S,
    check_upstream,
    image_user,
    needs_s,
    read_all,
    settings_of,
)
from tests.servers import (
    DEADLINE_S,
    DEBIAN_UWSGI,
    has_debian_uwsgi,
    parse_reply,
    uwsgi_request,
    wait_until,
)

HERE = EXAMPLES / "docker-compose"
(COMPOSE,) = read_all(HERE / "compose.yaml")
APP, FRONTEND = COMPOSE["services"]["app"], COMPOSE["services"]["frontend"]


def mounted_at(service: dict[str, Any], volume: str) -> str:
    (place,) = [one.split(":")[1] for one in service["volumes"] if one.startswith(f"{volume}:")]
    return str(place)


def test_what_is_built_is_there() -> None:
    for service in (APP, FRONTEND):
        assert (HERE / service["build"] / "Dockerfile").is_file()


def test_the_variables_are_settings() -> None:
    settings = settings_of(FRONTEND["environment"])
    check_upstream(settings)
    assert settings.server.admin is not None
    ports = [text.rsplit(":", 1)[1] for text in FRONTEND["ports"]]
    assert ports == [str(settings.server.listen[0].port), str(settings.server.admin.port)]
    assert all(text.startswith("127.0.0.1:") for text in FRONTEND["ports"])
    (tmpfs,) = FRONTEND["tmpfs"]
    assert tmpfs.split(":")[0] == settings.buffers.spool_dir
    assert parse_size(re.split("[=,]", tmpfs)[1]) < parse_size(FRONTEND["mem_limit"])


def test_both_see_the_socket_in_one_volume() -> None:
    (volume,) = COMPOSE["volumes"]
    (backend,) = settings_of(FRONTEND["environment"]).upstream.backends
    places = {mounted_at(service, volume) for service in (APP, FRONTEND)}
    assert places == {os.path.dirname(backend.address.path)}


def test_the_group_may_connect() -> None:
    text = (HERE / "app/Dockerfile").read_text()
    user = re.search(r"^USER (\d+):(\d+)$", text, re.MULTILINE)
    assert user is not None
    uid, gid = image_user()
    assert int(user[1]) != uid
    assert int(user[2]) == gid
    assert f"chown {user[1]}:{user[2]} /run/uwsgi" in text


def test_there_is_time_to_stop_in_order() -> None:
    assert "app" in FRONTEND["depends_on"]
    settings = settings_of(FRONTEND["environment"])
    assert parse_duration(FRONTEND["stop_grace_period"]) >= needs_s(settings) + UWSGI_STOP_S
    assert parse_duration(APP["stop_grace_period"]) > settings.server.shutdown_timeout_s


def test_nobody_has_more_rights_than_needed() -> None:
    for service in (APP, FRONTEND):
        assert service["read_only"]
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert not {"privileged", "user", "cap_add"} & set(service)


def test_uwsgi_starts_and_ends_by_its_file(tmp_path: Path) -> None:
    """Its own file, but for the path of the socket, and for all workers but the one that answers.

    One that is still starting does not hear that it is to end.
    """
    place = tmp_path / "s"
    text = (HERE / "app/uwsgi.ini").read_text()
    text = text.replace("/run/uwsgi/app.sock", str(place)).replace("processes = 2", "processes = 1")
    (tmp_path / "uwsgi.ini").write_text(text)
    assert has_debian_uwsgi()
    log = tmp_path / "log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            [DEBIAN_UWSGI, "--plugins", "python3", "--ini", str(tmp_path / "uwsgi.ini")],
            cwd=HERE / "app",
            stdin=subprocess.DEVNULL,
            stderr=file,
            start_new_session=True,
        )
    try:
        wait_until(lambda: "(master-start)" in log.read_text(), "its hook")
        reply = parse_reply(uwsgi_request(f"unix:{place}", {"PATH_INFO": "/x"}))
        assert (reply.status, reply.body) == (200, b"hello from /x\n")
        assert place.stat().st_mode & 0o777 == 0o660
        process.send_signal(signal.SIGTERM)
        assert process.wait(DEADLINE_S) == 0
        assert not place.exists()
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(DEADLINE_S)
