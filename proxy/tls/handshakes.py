"""The handshakes of one listener: their time, how each ends, and the count of that.

A client has a connection only when its handshake is over; until then it is counted here, has one
deadline, and holds nothing but its socket and OpenSSL's state.
"""

import ssl
from collections.abc import Callable
from typing import NamedTuple

from protocol.messages import ConnectionFacts, TlsFacts
from proxy.stream import CallSoon, OnConnect
from proxy.tls.certificates import Certificates, Session
from proxy.tls.stream import State, TlsStream
from proxy.waiting import Vigil

RESULTS = {
    "full": "",
    "resumed": "",
    "plain_http": "the client speaks HTTP without TLS here: use https://",
    "timeout": "nothing: the client was too slow with its handshake",
    "client_gone": "nothing: the client left before the handshake was over (a port check does)",
    "protocol_version": "the client is too old, or --tls-protocols too narrow",
    "no_common_cipher": "compare --tls-ciphers and the kind of the certificate's key with what the "
    "client can do",
    "certificate_refused": "the client does not trust the certificate: look at its chain, its "
    "names and its end (openssl s_client -connect)",
    "malformed": "nothing, if it is a scanner: these bytes are no handshake that OpenSSL takes",
}
"""How a handshake can end: the closed list, and what to do about each."""

_BY_WORD = (
    ("UNSUPPORTED_PROTOCOL", "protocol_version"),
    ("VERSION", "protocol_version"),
    ("NO_SHARED_CIPHER", "no_common_cipher"),
    ("NO_SUITABLE", "no_common_cipher"),
    ("NO_SHARED_GROUP", "no_common_cipher"),
    ("UNKNOWN_CA", "certificate_refused"),
    ("CERTIFICATE", "certificate_refused"),
    ("ALERT_INTERNAL_ERROR", "certificate_refused"),
)
"""Parts of OpenSSL's words, in the order in which they count."""


class Failure(NamedTuple):
    """A handshake that has failed."""

    result: str
    client: bytes
    detail: str
    begun: bool
    """Whether anything had come."""

    @property
    def next_step(self) -> str:
        """What there is to do about it."""
        return RESULTS[self.result]


OnFailure = Callable[[Failure], None]
FindFacts = Callable[[TlsStream], ConnectionFacts]
Then = Callable[[TlsStream, ConnectionFacts], None]


def classify(error: ssl.SSLError | None) -> str:
    """Return the result that an error of OpenSSL stands for."""
    reason = (error.reason or "") if error is not None else ""
    return next((result for word, result in _BY_WORD if word in reason), "malformed")


class Handshakes:
    """See the module. `on_failure` is told what has failed, once each."""

    def __init__(self, certificates: Certificates, timeout_s: float, on_failure: OnFailure) -> None:
        self.running: set[TlsStream] = set()
        self.results = dict.fromkeys(RESULTS, 0)
        """How those ended that are over."""
        self._certificates = certificates
        self._timeout_s = timeout_s
        self._on_failure = on_failure
        self._stopped = False

    def new_stream(self, vigil: Vigil, on_connect: OnConnect, call_soon: CallSoon) -> TlsStream:
        """Return the stream for a client that is accepted."""
        return TlsStream(vigil, on_connect, self._certificates.session, call_soon)

    def begin(
        self, stream: TlsStream, facts: ConnectionFacts, then: Then, on_end: Callable[[], None]
    ) -> None:
        """Do one handshake: `then` goes on behind it, `on_end` is called if there is no behind."""
        self.running.add(stream)

        def finish(error: BaseException | None) -> None:
            self.running.discard(stream)
            if error is None and stream.state in (State.SECURE, State.PLAIN) and not stream.lost:
                then(stream, self._agreed(stream, facts))
            else:
                stream.close()
                on_end()

        stream.vigil.wake.start(self._wait(stream, facts), finish)

    def stop(self) -> None:
        """End those that run: nobody has asked for anything yet."""
        self._stopped = True
        for stream in list(self.running):
            stream.abort()

    async def _wait(self, stream: TlsStream, facts: ConnectionFacts) -> None:
        vigil = stream.vigil
        vigil.arm(self._timeout_s)
        expired = False
        while stream.state is State.SHAKING and not (expired or vigil.client_gone or self._stopped):
            await vigil.wake
            expired = vigil.poll_expired()
        vigil.disarm()
        match stream.state:
            case State.SECURE:
                self.results["resumed" if stream.session.session_reused else "full"] += 1
            case State.PLAIN:
                self.results["plain_http"] += 1
            case State.BROKEN:
                why = stream.error.reason if stream.error is not None else None
                text = (why or "-").lower().replace("_", " ")
                self._fail(classify(stream.error), stream, facts, text)
            case _ if not self._stopped:
                result = "timeout" if expired else "client_gone"
                text = "in the middle" if stream.begun else "not a byte came"
                self._fail(result, stream, facts, text)
        if stream.state is State.SHAKING:
            stream.abort()

    def _fail(self, result: str, stream: TlsStream, facts: ConnectionFacts, detail: str) -> None:
        self.results[result] += 1
        self._on_failure(Failure(result, facts.remote_addr, detail, stream.begun))

    def _agreed(self, stream: TlsStream, facts: ConnectionFacts) -> ConnectionFacts:
        if stream.state is State.PLAIN:
            return facts
        session = stream.session
        cipher, name = session.cipher(), ""
        if isinstance(session, Session):
            name = session.asked_for
        tls = TlsFacts(
            (session.version() or "").encode(),
            (cipher[0] if cipher else "").encode(),
            name.encode("ascii", "replace"),
            bool(session.session_reused),
        )
        return facts._replace(scheme=b"https", tls=tls)
