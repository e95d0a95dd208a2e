"""What is told about a running server: who holds its connections and its memory."""

from types import SimpleNamespace
from typing import cast

from proxy import __version__
from proxy.compiled import is_compiled
from proxy.connection import Phase
from proxy.descriptors import DescriptorWatch
from proxy.settings import BufferSettings, ClientSettings
from proxy.tally import Histogram, Spools
from proxy.telemetry.server_metrics import STATES, Desk, Door, ServerMetrics
from proxy.testing.harness import Harness
from tests.telemetry.board import Board
from tests.wire import ENDLESS, GET, OK, harness, request


def board(
    wire: Harness, lag: Histogram | None = None, watch: DescriptorWatch | None = None
) -> Board:
    door = cast(Door, SimpleNamespace(accepted=7, connections=wire.connections))
    desk = SimpleNamespace(
        lag=lag or Histogram(), descriptors=watch or DescriptorWatch(), parser="h11"
    )
    shown = ServerMetrics(lambda: [door], wire.spools, cast(Desk, desk), loop="uvloop")
    return Board(list(shown.collect()))


def test_connections_by_what_they_do() -> None:
    wire = harness(ClientSettings(lingering_time_s=5.0))
    wire.client()  # new
    wire.client().send(GET[:10])  # reading
    wire.client().send(GET[:10])
    idle = wire.client()
    idle.send(GET)
    wire.backend.channel.reply(OK)
    wire.client().send(GET)  # active
    refused = wire.client()
    refused.send(b"nonsense\r\n and more")  # closing: the rest is read away
    found = board(wire)
    assert found.all("client_connections", "state") == {
        ("new",): 1,
        ("reading",): 2,
        ("idle",): 1,
        ("active",): 1,
        ("closing",): 1,
    }
    assert found.get("http_requests_in_flight") == 1
    assert found.get("client_connections_accepted_total") == 7
    wire.clock.advance(2.0)  # asleep is idle, too
    assert board(wire).get("client_connections", state="idle") == 1


def test_every_phase_has_a_word() -> None:
    assert set(STATES) == set(Phase)
    assert board(harness()).all("client_connections", "state") == {}


def test_bytes_in_memory_and_in_files() -> None:
    buffers = BufferSettings(request_memory_bytes=100, reply_memory_bytes=100_000)
    wire = harness(buffers)
    small, large, down = wire.client(), wire.client(), wire.client()
    small.send(request(b"PUT / HTTP/1.1", b"Content-Length: 80") + b"x" * 60)
    large.send(request(b"PUT / HTTP/1.1", b"Content-Length: 900") + b"x" * 500)
    large.send(b"x" * 300)
    found = board(wire)
    assert found.get("buffered_bytes", what="request_bodies") == 60
    assert found.get("temp_file_bytes", what="request_bodies") == 800
    assert found.get("temp_files_total", what="request_bodies") == 1
    small.reset()
    large.reset()
    found = board(wire)
    assert found.get("buffered_bytes", what="request_bodies") == 0
    assert found.get("temp_file_bytes", what="request_bodies") == 0
    assert found.get("temp_files_total", what="request_bodies") == 1
    down.take(0)
    down.send(GET)
    channel = wire.backend.channel
    channel.reply(ENDLESS + b"y" * 300_000)
    for _ in range(20):
        channel.reply(b"y" * 4000)
    found = board(wire)
    assert found.get("buffered_bytes", what="unsent") > 200_000
    assert 50_000 < found.get("buffered_bytes", what="replies") <= 100_000
    assert found.get("temp_file_bytes", what="replies") > 0
    down.reset()
    found = board(wire)
    assert found.all("buffered_bytes", "what") == {}
    assert found.all("temp_file_bytes", "what") == {}


def test_clients_for_whom_there_was_no_descriptor() -> None:
    watch = DescriptorWatch()
    found = board(harness(), watch=watch)
    assert found.get("client_connections_shed_total", result="turned_away") == 0
    watch.note(gave_way=2, turned_away=False)
    watch.note(gave_way=0, turned_away=True)
    watch.look(0.0)  # what is told in the log is counted all the same
    watch.note(gave_way=0, turned_away=True)
    found = board(harness(), watch=watch)
    assert found.get("client_connections_shed_total", result="turned_away") == 2
    assert found.get("client_connections_shed_total", result="gave_way") == 2


def test_the_lag_of_the_loop() -> None:
    lag = Histogram()
    lag.observe(0.003)
    lag.observe(0.3)
    found = board(harness(), lag)
    assert found.get("event_loop_lag_seconds_count") == 2
    assert found.get("event_loop_lag_seconds_bucket", le="0.005") == 1


def test_the_build_and_the_process() -> None:
    found = board(harness())
    (build,) = [one for one in found.samples() if one.name == "uwsgi_frontend_build_info"]
    assert build.labels["version"] == __version__
    assert (build.labels["loop"], build.labels["parser"]) == ("uvloop", "h11")
    assert build.labels["python"].startswith("3.")
    assert build.labels["compiled"] == ("yes" if is_compiled() else "no")
    assert found.get("process_open_fds") > 2
    assert found.get("process_max_fds") >= found.get("process_open_fds")


def test_nothing_is_held_at_the_start() -> None:
    spools = Spools()
    assert spools.requests.in_memory == spools.replies.in_files == 0
