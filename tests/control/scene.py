"""An admin site in memory: real pools, real answers, real connections; no sockets and no time."""

import json
from dataclasses import replace
from random import Random
from typing import Any

from protocol.messages import Request
from proxy.config.check_backend import parse_line
from proxy.control.admin import Admin, Desk
from proxy.control.answers import Answers, Parts
from proxy.control.events import Pulse
from proxy.control.failures import Failures
from proxy.control.guard import Guard
from proxy.control.looks import Looks
from proxy.control.members import Answer, Local, Members
from proxy.control.numbers import Numbers
from proxy.downstream import NO_REQUEST, Downstream
from proxy.errors import Reason
from proxy.record import Record
from proxy.settings import Address, BackendSettings, CheckSettings, Settings, UpstreamSettings
from proxy.telemetry import exposition
from proxy.telemetry.metrics import Metrics
from proxy.telemetry.pool_metrics import PoolMetrics
from proxy.testing.harness import Harness
from proxy.testing.memory import MemoryClient
from proxy.testing.memory_network import MemoryBackend, MemoryNetwork
from proxy.upstream.backend import Backend
from proxy.upstream.group import Tools, Upstream
from proxy.upstream.timing import Timing
from tests.records import a_record, an_attempt
from tests.wire import Response, read_responses, request

TOKEN = "0123456789abcdef"
BEARER = b"Authorization: Bearer " + TOKEN.encode()
JSON = b"Content-Type: application/json"
TCP = Address(host="127.0.0.1", port=9090)
UNIX = Address(path="/run/admin.sock")
LOCAL_HOST = b"Host: localhost:9090"


def a(number: int) -> str:
    """Return the name of a backend."""
    return f"unix:/run/{number}.sock"


class Scene:
    """An upstream with backends, and the admin site of its process."""

    def __init__(
        self,
        backends: int = 2,
        *,
        guard: Guard | None = None,
        check: CheckSettings | None = None,
        settings: Settings | None = None,
    ) -> None:
        self.wire = Harness(serve=self._serve)
        self.clock = clock = self.wire.clock
        addresses = [Address(path=f"/run/{number}.sock") for number in range(9)]
        self.kernel = [MemoryBackend(address) for address in addresses]
        timing = Timing(clock, clock.call_soon, clock.call_later, Random(1))
        self.network = MemoryNetwork(clock, self.kernel)
        self.tools = Tools(timing, clock.deadlines, self.network)
        chosen = settings or Settings(upstream=UpstreamSettings())
        if check is not None:
            chosen = replace(chosen, upstream=replace(chosen.upstream, check=check))
        self.settings = chosen
        self.upstream = Upstream(chosen.upstream, self.tools)
        for address in addresses[:backends]:
            self.upstream.pool.add(BackendSettings(address), address)
        self.draining = False
        self.metrics = Metrics()
        pools = PoolMetrics(lambda: [self.upstream], dict, clock)
        self.metrics.show(pools.collect)
        self.failures = Failures(lambda: 0.0)
        self.looks = Looks(lambda: iter([self.upstream]), self.tools, clock.call_later)
        self.answers = Answers(self._parts())
        self.members: Members = Local(self.answers.answer)
        self.pulse = Pulse(self.members, clock.call_later, clock, clock)
        self.guard = guard or Guard(TCP, TOKEN)
        self.admin = Admin(Desk(self.members, self.guard, self.pulse, _render))

    async def _serve(self, client: Downstream) -> None:
        await self.admin.serve(client)  # whichever a test has put there

    def _parts(self) -> Parts:
        return Parts(
            settings=self.settings,
            upstreams=lambda: iter([self.upstream]),
            doors=list,
            is_draining=lambda: self.draining,
            families=self.metrics.families,
            numbers=self.metrics.numbers,
            carry=exposition.to_plain,
            failures=self.failures,
            looks=self.looks,
            parse_backend=parse_line,
            now=self.clock,
            wall_clock=self.clock,
        )

    @property
    def backends(self) -> tuple[Backend, ...]:
        """Those of the upstream."""
        return self.upstream.pool.backends

    def start(self) -> None:
        """Begin to look, to check and to follow what happens; and somebody asks."""
        self.upstream.start()
        self.looks.start()
        self.looks.note_question()
        self.pulse.start()
        self.clock.settle()

    def happen(
        self, status: int = 200, reason: Reason | None = None, at: int = 0, seconds: float = 0.02
    ) -> Record:
        """Let a request come to its end."""
        now = self.clock()
        attempt = an_attempt(
            a(at),
            now,
            connected=now,
            first_byte=now + seconds,
            ended=now + seconds,
            status=status,
        )
        attempt.reason, attempt.tally = reason, self.backends[at].tally
        asked = Request(b"GET /x HTTP/1.1", b"GET", *_REST)
        record = a_record(
            b"192.0.2.1", now, request=asked, status=status, reason=reason, detail="seen"
        )
        record.attempts.append(attempt)
        record.ended = now + seconds
        self.metrics(record)
        self.failures(record)
        return record

    @property
    def numbers(self) -> Numbers:
        """What has happened so far."""
        numbers: Numbers = self.answers.overview()["numbers"]
        return numbers

    def client(self) -> MemoryClient:
        """Connect to the admin listener."""
        return self.wire.client()

    def ask(self, line: bytes, *headers: bytes, body: bytes = b"") -> Response:
        """Send one request on a connection of its own; the Host is localhost unless given."""
        given = [one for one in headers if one.lower().startswith(b"host:")]
        lines = headers if given else (LOCAL_HOST, *headers)
        client = self.client()
        client.send(request(line + b" HTTP/1.1", *lines, body=body, host=False))
        method = line.split(b" ")[0].decode()
        (response,) = read_responses(client.received(), [method])
        return response

    def read(self, path: str, status: int = 200) -> Any:
        """Return what a path shows."""
        response = self.ask(b"GET " + path.encode())
        assert response.status == status, response.body
        return json.loads(response.body)

    def change(self, line: bytes, value: Any, *headers: bytes) -> tuple[int, Any]:
        """Send JSON with the token; return the status and what came back."""
        body = json.dumps(value).encode()
        response = self.ask(line, BEARER, JSON, *headers, body=body)
        return response.status, json.loads(response.body)


_REST = (NO_REQUEST.target, b"HTTP/1.1", 1, NO_REQUEST.headers)


def _render(answers: list[Answer], accept: str) -> tuple[bytes, str]:
    return exposition.render(exposition.merge(map(exposition.from_plain, answers)), accept)
