"""Everything in any order: clients, backends and time, byte by byte, and what must always hold.

Each request asks for a path of its own, and the reply's body depends on the path only. So whatever
happens, it can be told whether the bytes that a client has got are a beginning of what is right.
"""

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from protocol.uwsgi import HEADER_BYTES, decode_header, decode_vars
from proxy import errors
from proxy.errors import Reason
from proxy.record import Record
from proxy.settings import (
    Address,
    BackendSettings,
    BufferSettings,
    ClientSettings,
    HealthSettings,
    QueueSettings,
    RetrySettings,
    Settings,
    UpstreamSettings,
)
from proxy.testing.harness import Harness
from proxy.testing.memory import MemoryClient
from proxy.testing.memory_network import MemoryBackend, MemoryChannel, Outcome
from proxy.upstream.backend import Backend
from proxy.upstream.pool import Pool
from tests.wire import chunked, harness, read_responses, request

INDEX = st.integers(0, 1000)
REQUESTS = ("get", "head", "1.0", "1.0 keep-alive", "post", "chunked", "expect", "close", "many")
ENDLESS = ("end", "interim", "unbuffered")
"""Replies that end where their connection does: nobody can tell whether that was meant."""
REPLIES = ("length", "end", "chunked", "large", "empty", "interim", "unbuffered", "no body")


def make_request(kind: str, path: bytes) -> tuple[str, bytes]:
    """Return method and bytes of a request."""
    if kind == "head":
        return "HEAD", request(b"HEAD %s HTTP/1.1" % path)
    if kind == "1.0":
        return "GET", request(b"GET %s HTTP/1.0" % path)
    if kind == "1.0 keep-alive":
        return "GET", request(b"GET %s HTTP/1.0" % path, b"Connection: keep-alive")
    if kind == "post":
        return "POST", request(b"POST %s HTTP/1.1" % path, body=b"<body>" * 300)
    if kind == "chunked":
        head = request(b"POST %s HTTP/1.1" % path, b"Transfer-Encoding: chunked")
        return "POST", head + chunked(b"<bo", b"dy>" * 100)
    if kind == "expect":
        head = request(b"PUT %s HTTP/1.1" % path, b"Expect: 100-continue", b"Content-Length: 3")
        return "PUT", head + b"abc"
    if kind == "close":
        return "GET", request(b"GET %s HTTP/1.1" % path, b"Connection: close")
    return "GET", request(b"GET %s HTTP/1.1" % path, *(b"X-%d: 1" % n for n in range(30)))


def body_for(path: bytes, kind: str) -> bytes:
    """Return the body of the right reply to a request."""
    if kind in ("empty", "no body"):
        return b""
    return (path + b" ") * (60_000 if kind == "large" else 40)


def make_reply(kind: str, path: bytes) -> bytes:
    """Return all bytes of the right reply."""
    body = body_for(path, kind)
    if kind == "no body":
        return b"HTTP/1.1 204 No Content\r\n\r\n"
    if kind in ("length", "large", "empty"):
        return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    if kind == "chunked":
        head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        return head + chunked(body[:100], body[100:])
    if kind == "unbuffered":
        return b"HTTP/1.1 200 OK\r\nX-Accel-Buffering: no\r\n\r\n" + body
    interim = b"HTTP/1.1 103 Early Hints\r\n\r\n" if kind == "interim" else b""
    return interim + b"HTTP/1.1 200 OK\r\n\r\n" + body


class Client:
    """A client, what it means to say, and what it has said."""

    def __init__(self, wire: Harness, number: int) -> None:
        self.wire: MemoryClient = wire.client()
        self.number = number
        self.asked: list[tuple[str, bytes]] = []  # method and path of each request
        self.unsent = b""
        self.gone = False


class Talk:
    """A backend's reply on its way."""

    def __init__(self, channel: MemoryChannel, kind: str) -> None:
        self.channel = channel
        self.path = channel.variables["REQUEST_URI"]
        self.kind = kind
        self.unsent = make_reply(kind, self.path)


ONE_TRY = UpstreamSettings(retry=RetrySettings(conditions=(), try_duration_s=0.0))
"""What is sent is sent once: that makes it easy to tell whose reply came back."""


class World(RuleBasedStateMachine):
    """One front end, two backends, some clients."""

    def __init__(self) -> None:
        super().__init__()
        self.clients: list[Client] = []
        self.talks: dict[MemoryChannel, Talk] = {}
        self.over: set[MemoryChannel] = set()
        self.kinds: dict[bytes, str] = {}  # of the reply to each path
        self.complete: set[bytes] = set()  # paths whose reply has come to its end
        self.paths = 0
        self.seen: list[Record] = []
        self.wire = harness(ONE_TRY, backends=2)

    @initialize(
        buffering=st.booleans(),
        request_buffering=st.booleans(),
        ignore_abort=st.booleans(),
        memory=st.sampled_from([0, 100, 100_000]),
        file_bytes=st.sampled_from([0, 300, 1_000_000]),
    )
    def begin(
        self,
        buffering: bool,
        request_buffering: bool,
        ignore_abort: bool,
        memory: int,
        file_bytes: int,
    ) -> None:
        self.wire = harness(
            ClientSettings(ignore_client_abort=ignore_abort),
            BufferSettings(
                request_buffering=request_buffering,
                request_memory_bytes=memory,
                reply_buffering=buffering,
                reply_memory_bytes=memory,
                max_temp_file_bytes=file_bytes,
            ),
            ONE_TRY,
            backends=2,
        )

    # -- clients ----------------------------------------------------------------------------------

    @precondition(lambda self: len(self.here()) < 3)
    @rule(takes=st.sampled_from([None, None, 0, 1000]))
    def connect(self, takes: int | None) -> None:
        client = Client(self.wire, len(self.clients))
        client.wire.take(takes)
        self.clients.append(client)

    def here(self) -> list[Client]:
        return [client for client in self.clients if not client.gone]

    def client(self, index: int) -> Client:
        return self.here()[index % len(self.here())]

    @precondition(lambda self: self.here())
    @rule(
        index=INDEX,
        kinds=st.lists(st.sampled_from(REQUESTS), min_size=1, max_size=3),
        size=st.sampled_from([100_000, 100_000, 100_000, 100, 1]),
    )
    def ask(self, index: int, kinds: list[str], size: int) -> None:
        """Mean to send some requests, and begin with it."""
        client = self.client(index)
        for kind in kinds:
            path = b"/%d-%d" % (client.number, self.paths)
            self.paths += 1
            method, data = make_request(kind, path)
            client.asked.append((method, path))
            client.unsent += data
        self.send_from(client, size)

    @precondition(lambda self: any(client.unsent for client in self.here()))
    @rule(index=INDEX, size=st.sampled_from([1, 7, 100, 1000, 100_000]))
    def send(self, index: int, size: int) -> None:
        talking = [client for client in self.here() if client.unsent]
        self.send_from(talking[index % len(talking)], size)

    @staticmethod
    def send_from(client: Client, size: int) -> None:
        data, client.unsent = client.unsent[:size], client.unsent[size:]
        client.wire.send(data)

    @precondition(lambda self: self.here())
    @rule(index=INDEX, size=st.sampled_from([None, None, 0, 1, 1000, 300_000]))
    def take(self, index: int, size: int | None) -> None:
        self.client(index).wire.take(size)

    @precondition(lambda self: self.here())
    @rule(index=INDEX, reset=st.booleans())
    def leave(self, index: int, reset: bool) -> None:
        client = self.client(index)
        if index % 3 == 0:  # not too often
            client.gone = True
            if reset:
                client.wire.reset()
            else:
                client.wire.end()

    # -- backends ---------------------------------------------------------------------------------

    @rule(
        which=st.integers(0, 1),
        outcome=st.sampled_from(["accept", "accept", "accept", "busy", "connecting", "refused"]),
        window=st.sampled_from([None, None, None, 0, 50, 1000]),
    )
    def change(self, which: int, outcome: str, window: int | None) -> None:
        backend = self.wire.backends[which]
        backend.window = window
        backend.outcome = errors.CONNECT_REFUSED if outcome == "refused" else outcome  # type: ignore[assignment]

    def channels(self) -> Iterator[MemoryChannel]:
        for backend in self.wire.backends:
            yield from backend.channels

    def open_channels(self) -> list[MemoryChannel]:
        return [channel for channel in self.channels() if not channel.closed]

    def undecided(self) -> list[MemoryChannel]:
        return [channel for channel in self.open_channels() if channel.connecting]

    def talking(self) -> list[MemoryChannel]:
        """Return the channels on which there is still something to say."""
        return [
            channel
            for channel in self.open_channels()
            if channel.complete
            and (channel not in self.talks or self.talks[channel].unsent)
            and channel not in self.over
        ]

    @precondition(lambda self: self.undecided())
    @rule(index=INDEX, reason=st.sampled_from([None, None, errors.CONNECT_REFUSED]))
    def decide(self, index: int, reason: Reason | None) -> None:
        """Let a connection that is being made succeed or fail."""
        channel = self.undecided()[index % len(self.undecided())]
        if reason is None:
            channel.accept()
        else:
            channel.refuse(reason)

    @precondition(lambda self: self.open_channels())
    @rule(index=INDEX, size=st.sampled_from([None, 1, 100, 1000]))
    def read(self, index: int, size: int | None) -> None:
        self.open_channels()[index % len(self.open_channels())].take(size)

    @precondition(lambda self: self.talking())
    @rule(
        index=INDEX,
        kind=st.sampled_from(REPLIES),
        size=st.sampled_from([1_000_000, 1_000_000, 1_000_000, 1, 20, 60, 1000]),
    )
    def reply(self, index: int, kind: str, size: int) -> None:
        channel = self.talking()[index % len(self.talking())]
        talk = self.talks.get(channel)
        if talk is None:
            talk = self.talks[channel] = Talk(channel, kind)
            assert talk.path not in self.kinds, "a request was sent twice"
            self.kinds[talk.path] = kind
        data, talk.unsent = talk.unsent[:size], talk.unsent[size:]
        if not talk.unsent and talk.kind not in ENDLESS:
            self.complete.add(talk.path)
        channel.reply(data)

    @precondition(lambda self: self.open_channels())
    @rule(index=INDEX, reset=st.sampled_from([False, False, True]))
    def finish(self, index: int, reset: bool) -> None:
        channel = self.open_channels()[index % len(self.open_channels())]
        talk = self.talks.get(channel)
        if channel in self.over or channel.connecting or (talk is None and index % 4):
            return
        self.over.add(channel)
        if talk is not None and not reset and talk.kind in ENDLESS:
            self.complete.add(talk.path)
        if reset:
            channel.reset()
        else:
            channel.end()

    # -- time -------------------------------------------------------------------------------------

    @rule(seconds=st.sampled_from([0.001, 0.05, 0.3, 0.3, 2.0, 30.0, 61.0]))
    def advance(self, seconds: float) -> None:
        self.wire.clock.advance(seconds)

    @rule(index=INDEX)
    def stop(self, index: int) -> None:
        if index % 50 == 0:
            self.wire.drain()
        elif index % 50 == 1:
            self.wire.cut()
        elif index % 50 == 2:
            self.wire.part()

    # -- what must hold ---------------------------------------------------------------------------

    @invariant()
    def nothing_escapes(self) -> None:
        assert not self.wire.escaped

    @invariant()
    def every_lease_belongs_to_an_exchange(self) -> None:
        running = sum(one.record is not None for one in self.wire.connections)
        assert 0 <= self.wire.in_flight <= running
        assert len(self.open_channels()) == self.wire.in_flight

    @invariant()
    def each_record_is_published_once_and_is_finished(self) -> None:
        assert len(set(map(id, self.wire.records))) == len(self.wire.records)
        for record in self.wire.records[len(self.seen) :]:
            assert record.status or record.reason is errors.SHUTDOWN_CUT  # its client got none
            assert record.ended >= record.started
            assert record.sent_bytes >= record.head_bytes >= 0
            assert all(attempt.ended is not None for attempt in record.attempts)
            assert record.reason is not errors.INTERNAL_ERROR
        self.seen = list(self.wire.records)

    def teardown(self) -> None:
        for client in self.clients:
            self.check_responses(client)
            client.wire.reset()
        if not self.wire.settings.client.ignore_client_abort:
            assert not self.wire.connections
        self.wire.cut()
        assert not self.wire.connections
        assert self.wire.in_flight == 0
        assert all(channel.closed for channel in self.channels())
        assert len(self.wire.clock.deadlines) == 0
        self.nothing_escapes()
        self.each_record_is_published_once_and_is_finished()
        asked = {path for client in self.clients for _, path in client.asked}
        lines = [one.request.target.uri for one in self.wire.records if one.request is not None]
        assert len(set(lines)) == len(lines)
        assert set(lines) <= asked

    def check_responses(self, client: Client) -> None:
        """Every byte that a client has got is right, and in its place."""
        data = client.wire.everything
        methods = [method for method, _ in client.asked]
        responses = read_responses(data, methods, ended=client.wire.at_end)
        for response, (method, path) in zip(responses, client.asked, strict=False):
            if response.status not in (200, 204):  # 0: half a head
                assert response.status in (0, 502, 503, 504)
                continue
            right = b"" if method == "HEAD" else body_for(path, self.kinds[path])
            assert right.startswith(response.body)
            if response.whole and method != "HEAD":
                assert path in self.complete
                assert response.body == right or self.kinds[path] in ENDLESS


# -- many requests, few places --------------------------------------------------------------------

METHODS = (b"GET", b"HEAD", b"PUT", b"POST", b"POST")
ANSWERS = (*("ok",) * 6, "503", "redirect", "half", "end", "reset", "nothing")
OUTCOMES: tuple[Outcome, ...] = (
    *("accept",) * 4,
    "busy",
    "connecting",
    errors.CONNECT_REFUSED,
    errors.SOCKET_MISSING,
)
QUEUE_S = 20.0


class Sent(NamedTuple):
    """One request as a backend has got it."""

    method: bytes
    path: bytes


def sent_on(channel: MemoryChannel) -> list[Sent]:
    """Return the requests that were sent on a connection, one behind the other."""
    data, found = bytes(channel.sent), []
    while data:
        end = HEADER_BYTES + decode_header(data[:HEADER_BYTES]).size
        variables = dict(decode_vars(data[HEADER_BYTES:end]))
        found.append(Sent(variables[b"REQUEST_METHOD"], variables[b"REQUEST_URI"]))
        data = data[end + int(variables.get(b"CONTENT_LENGTH") or 0) :]
    return found


class Crowd(RuleBasedStateMachine):
    """One front end with a short line, backends with few places that come, fail and go."""

    def __init__(self) -> None:
        super().__init__()
        self.clients: dict[MemoryClient, list[Sent]] = {}  # who is here, and has asked for what
        self.answers: Counter[MemoryChannel] = Counter()  # on each connection
        self.final: dict[bytes, int] = {}  # paths nobody asks for any more: how often they came
        self.before: dict[Backend, int] = {}  # places taken, before the last step
        self.asked = 0
        self.added = 0
        self.keepalive = 0
        self.wire = Harness(backends=0)
        self.budget = self.wire.upstream.budget

    @initialize(
        backends=st.integers(1, 2),
        keepalive=st.sampled_from([0, 1, 2]),
        max_waiting=st.sampled_from([0, 2, 3, 3]),
        retry=st.builds(
            RetrySettings,
            conditions=st.sampled_from([("error", "timeout", "http_503"), ("error",), ()]),
            tries=st.sampled_from([0, 0, 2]),
            budget_min=st.just(1),
            try_duration_s=st.sampled_from([0.0, 5.0]),
        ),
        outlier_failures=st.sampled_from([0, 2]),
    )
    def begin(
        self,
        backends: int,
        keepalive: int,
        max_waiting: int,
        retry: RetrySettings,
        outlier_failures: int,
    ) -> None:
        upstream = UpstreamSettings(
            queue=QueueSettings(max_waiting, QUEUE_S, priorities=(("/1", -1),)),
            retry=retry,
            health=HealthSettings(outlier_failures=outlier_failures),
        )
        self.wire = Harness(Settings(upstream=upstream), backends=0)
        self.budget = self.wire.upstream.budget
        self.keepalive = keepalive
        for number in range(backends):
            self.add(number + 1, puwsgi=number == 1)

    @property
    def pool(self) -> Pool:
        return self.wire.pool

    # -- clients ----------------------------------------------------------------------------------

    @precondition(lambda self: len(self.clients) < 6)
    @rule(methods=st.lists(st.sampled_from(METHODS), min_size=1, max_size=3))
    def ask(self, methods: list[bytes]) -> None:
        client = self.wire.client()
        self.clients[client] = requests = []
        data = b""
        for method in methods:
            self.asked += 1
            path = b"/%d" % self.asked
            requests.append(Sent(method, path))
            has_body = method in (b"PUT", b"POST") and self.asked % 2
            body = b"body" if has_body else b""
            data += request(b"%s %s HTTP/1.1" % (method, path), body=body)
        client.send(data)

    @precondition(lambda self: self.clients)
    @rule(index=INDEX, reset=st.booleans())
    def leave(self, index: int, reset: bool) -> None:
        """Go: what has not reached a backend never will, nor will it be tried again."""
        if index % 3:  # not too often
            return
        client = list(self.clients)[index % len(self.clients)]
        requests = self.clients.pop(client)
        came = self.count_sent()
        self.final |= {one.path: came[one.path] for one in requests}
        self.check_responses(client, requests)
        if reset:
            client.reset()
        else:
            client.end()

    @precondition(lambda self: self.clients and self.pool.backends)
    @rule(index=INDEX)
    def leave_as_room_comes(self, index: int) -> None:
        """Go in the turn of the loop in which a place comes free: just after it has been used."""
        if index % 3:
            return
        backend = self.pool.backends[index % len(self.pool.backends)]
        cap = min(3, backend.cap + 1)
        came: Counter[bytes] = Counter()

        def make_room() -> None:
            self.pool.set_max_conns(backend, cap)
            came.update(self.count_sent())

        self.wire.clock.call_soon(make_room)
        self.leave(index, reset=True)
        self.final |= {path: came[path] for path in self.final}

    @staticmethod
    def check_responses(client: MemoryClient, requests: list[Sent]) -> None:
        methods = [method.decode() for method, _ in requests]
        responses = read_responses(client.everything, methods, ended=client.at_end)
        for response, (method, path) in zip(responses, requests, strict=False):
            assert response.status in (0, 200, 502, 503, 504)
            if response.status == 200:
                right = b"" if method == b"HEAD" else body_for(path, "length")
                assert right.startswith(response.body)
                assert response.body == right or not response.whole

    # -- backends ---------------------------------------------------------------------------------

    def channels(self) -> list[MemoryChannel]:
        return [one for backend in self.wire.backends for one in backend.channels]

    def open_channels(self) -> list[MemoryChannel]:
        return [channel for channel in self.channels() if not channel.closed]

    def asking(self) -> list[MemoryChannel]:
        """Return the connections on which a request has no answer yet."""
        return [
            channel
            for channel in self.open_channels()
            if len(sent_on(channel)) > self.answers[channel]
        ]

    def count_sent(self) -> Counter[bytes]:
        return Counter(one.path for channel in self.channels() for one in sent_on(channel))

    @rule(index=INDEX, outcome=st.sampled_from(OUTCOMES))
    def change(self, index: int, outcome: Outcome) -> None:
        self.wire.backends[index % len(self.wire.backends)].outcome = outcome

    @precondition(lambda self: any(channel.connecting for channel in self.open_channels()))
    @rule(index=INDEX, reason=st.sampled_from([None, None, errors.CONNECT_REFUSED]))
    def decide(self, index: int, reason: Reason | None) -> None:
        undecided = [channel for channel in self.open_channels() if channel.connecting]
        channel = undecided[index % len(undecided)]
        if reason is None:
            channel.accept()
        else:
            channel.refuse(reason)

    @precondition(lambda self: self.asking())
    @rule(index=INDEX, answer=st.sampled_from(ANSWERS))
    def answer(self, index: int, answer: str) -> None:
        asking = self.asking()
        channel = asking[index % len(asking)]
        method, path = sent_on(channel)[-1]
        if answer == "nothing":
            self.wire.clock.advance(1.0)
            return
        self.answers[channel] += 1
        right = make_reply("length", path)
        if method == b"HEAD":
            right = right[: right.index(b"\r\n\r\n") + 4]
        if answer == "ok":
            channel.reply(right)
        elif answer == "503":
            channel.reply(b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n")
        elif answer == "redirect":
            head = b"HTTP/1.1 200 OK\r\nX-Accel-Redirect: /r\r\nContent-Length: 0\r\n\r\n"
            channel.reply(head)
        elif answer == "reset":
            channel.reset()
        else:
            channel.end(right[:-1] if answer == "half" else b"")

    @precondition(lambda self: any(one.idle for one in self.pool.backends))
    @rule(index=INDEX, junk=st.sampled_from([b"", b"", b"junk"]))
    def close_idle(self, index: int, junk: bytes) -> None:
        """End a connection that rests, or say on it what nobody has asked for."""
        asking = self.asking()
        idle = [one for one in self.open_channels() if one not in asking and not one.connecting]
        if junk:
            idle[index % len(idle)].reply(junk)
        else:
            idle[index % len(idle)].end()

    # -- control ----------------------------------------------------------------------------------

    @precondition(lambda self: len(self.pool.backends) < 3)
    @rule(max_conns=st.integers(1, 2), puwsgi=st.booleans())
    def add(self, max_conns: int, puwsgi: bool) -> None:
        address = Address(path=f"/run/{self.added}.sock")
        self.added += 1
        backend = MemoryBackend(address)
        self.wire.backends.append(backend)
        self.wire.network.backends[address] = backend
        puwsgi = puwsgi and self.keepalive > 0
        options = BackendSettings(
            address, max_conns=max_conns, keepalive=self.keepalive, puwsgi=puwsgi
        )
        self.pool.add(options, address).replied = True
        self.wire.clock.settle()

    @precondition(lambda self: self.pool.backends)
    @rule(
        index=INDEX,
        what=st.sampled_from(["drain", "enable", "remove", "cap", "down", "up"]),
        value=st.integers(1, 2),
    )
    def control(self, index: int, what: str, value: int) -> None:
        pool = self.pool
        if what in ("drain", "remove", "down") and index % 3:  # not too often
            return
        backend = pool.backends[index % len(pool.backends)]
        match what:
            case "drain":
                pool.drain(backend)
            case "enable":
                pool.enable(backend)
            case "remove":
                pool.remove(backend)
            case "cap":
                pool.set_max_conns(backend, value)
            case _:
                pool.checked(backend, what == "up")
        self.wire.clock.settle()

    @rule(seconds=st.sampled_from([0.001, 0.05, 0.3, 2.0, 6.0, QUEUE_S + 1, 61.0]))
    def advance(self, seconds: float) -> None:
        self.wire.clock.advance(seconds)
        self.pool.tick()
        self.wire.clock.settle()

    # -- what must hold ---------------------------------------------------------------------------

    @invariant()
    def nothing_escapes(self) -> None:
        assert not self.wire.escaped
        assert all(one.reason is not errors.INTERNAL_ERROR for one in self.wire.records)

    @invariant()
    def who_is_served_waits_or_has_a_lease(self) -> None:
        running = sum(one.record is not None for one in self.wire.connections)
        assert running == len(self.pool.line) + self.wire.in_flight
        assert self.budget.running <= running
        idle = sum(len(backend.idle) for backend in self.pool.backends)
        assert len(self.open_channels()) == self.wire.in_flight + idle

    @invariant()
    def caps_are_kept(self) -> None:
        """Where they have been lowered, those that run may go on.

        A connection to a puwsgi socket that rests takes a place as well.
        """
        now = {
            backend: backend.in_flight + (len(backend.idle) if backend.settings.puwsgi else 0)
            for backend in self.pool.backends
        }
        for backend, taken in now.items():
            assert taken <= max(backend.cap, self.before.get(backend, 0))
        self.before = now

    @invariant()
    def nothing_is_done_twice(self) -> None:
        sent = [one for channel in self.channels() for one in sent_on(channel)]
        posts = [one.path for one in sent if one.method == b"POST"]
        assert len(set(posts)) == len(posts)
        came = Counter(one.path for one in sent)
        assert all(came[path] == count for path, count in self.final.items())

    @invariant()
    def each_record_is_published_once(self) -> None:
        lines = [one.request.target.uri for one in self.wire.records if one.request is not None]
        assert len(set(lines)) == len(lines)
        for record in self.wire.records:
            assert record.status
            assert all(attempt.ended is not None for attempt in record.attempts)

    def teardown(self) -> None:
        for client, requests in self.clients.items():
            self.check_responses(client, requests)
            client.reset()
        assert not self.wire.connections
        assert (self.wire.in_flight, len(self.pool.line)) == (0, 0)
        assert self.budget.running == 0
        self.pool.close()
        assert not self.open_channels()
        assert len(self.wire.clock.deadlines) == 0
        self.nothing_escapes()
        self.each_record_is_published_once()


STEPS = settings(stateful_step_count=50, deadline=None)
FUZZED: dict[type[RuleBasedStateMachine], int] = {World: 10_000, Crowd: 5_000}
"""Examples of the long version: minutes of each."""


@pytest.mark.parametrize("machine", [World, Crowd])
def test_in_any_order(machine: type[RuleBasedStateMachine]) -> None:
    run_state_machine_as_test(machine, settings=settings(STEPS, max_examples=100))


@pytest.mark.fuzz
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("machine", [World, Crowd])
def test_in_very_many_orders(
    machine: type[RuleBasedStateMachine], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("CRITICAL")  # or a gigabyte of log lines would be kept
    run_state_machine_as_test(machine, settings=settings(STEPS, max_examples=FUZZED[machine]))
