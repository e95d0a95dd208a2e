"""The client's byte stream behind TLS: what is read is decrypted, what is written encrypted.

    transport ──data_received──► [ incoming ] ──► session ──► Stream's inbox ──► take()
    transport ◄────write──────── [ outgoing ] ◄── session ◄────────────────────── write()

The same on every event loop, since none of them knows of it: OpenSSL works on two buffers in
memory (docs/decisions/0021-tls-over-two-buffers.md). Until the handshake is over the stream belongs
to `proxy.tls.handshakes`; from then on it is a `Stream` like others.
"""

import contextlib
import ssl
from collections.abc import Callable
from enum import Enum, auto

from proxy.stream import CallSoon, OnConnect, Stream, at_once
from proxy.waiting import Vigil

RECORD_BYTES = 16 * 1024
"""What a record of TLS holds at most. The buffers are given no more at a time: each keeps the size
that it has once had."""

_HANDSHAKE = 0x16

NewSession = Callable[[ssl.MemoryBIO, ssl.MemoryBIO], ssl.SSLObject]


class State(Enum):
    """How far it has come."""

    SHAKING = auto()
    SECURE = auto()
    PLAIN = auto()
    """The client does not speak TLS: its bytes pass as they are."""
    BROKEN = auto()
    """What has come cannot be decrypted, or is no handshake that we could agree to."""


class TlsStream(Stream):
    """One accepted connection whose client should speak TLS.

    `on_connect` is called before the handshake. The vigil is woken when `state` changes.
    """

    __slots__ = ("_ended", "_incoming", "_open", "_outgoing", "begun", "error", "session", "state")

    def __init__(
        self,
        vigil: Vigil,
        on_connect: OnConnect,
        new_session: NewSession,
        call_soon: CallSoon = at_once,
    ) -> None:
        super().__init__(vigil, on_connect, call_soon)
        self.state = State.SHAKING
        self.begun = False
        """Whether anything has come."""
        self.error: ssl.SSLError | None = None
        """What OpenSSL says about a handshake that has failed."""
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.session = new_session(self._incoming, self._outgoing)
        self._open = False
        """Whether bytes go through it: from the handshake on, until we end it, or it breaks."""
        self._ended = False
        """Whether we have said that nothing more comes from us (close_notify)."""

    # -- called by asyncio ----------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        if self._open:
            self._take_in(data)
            return
        if not self.begun:
            self.begun = True
            if data[0] != _HANDSHAKE:
                self.state = State.PLAIN
        if self.state is State.PLAIN:
            super().data_received(data)
        elif self._ended:
            self.vigil.wake()  # it is read away, as it is
        elif self.state is State.SHAKING:
            self._take_in(data)

    def _take_in(self, data: bytes) -> None:
        before = self.state
        found: list[bytes] = []
        more = self._feed(data, found)
        if found:
            super().data_received(found[0] if len(found) == 1 else b"".join(found))
        if not more:
            self.vigil.client_gone = True
            self.vigil.wake()
        elif self.state is not before and not found:
            self.vigil.wake()

    def _feed(self, data: bytes, found: list[bytes]) -> bool:
        """Take what has come; return whether more can come after it."""
        if self._open and len(data) <= RECORD_BYTES:  # most of all
            self._incoming.write(data)
            return self._decrypt(found)
        view = memoryview(data)
        for begin in range(0, len(data), RECORD_BYTES):
            self._incoming.write(view[begin : begin + RECORD_BYTES])
            if self.state is State.SHAKING:
                self._shake()
            if self._open and not self._decrypt(found):
                return False
        return True

    def _shake(self) -> None:
        try:
            self.session.do_handshake()
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError as error:
            self.error = error
            self.state = State.BROKEN
        else:
            self.state = State.SECURE
            self._open = True
        self._flush()  # also what tells the client why not

    def _decrypt(self, found: list[bytes]) -> bool:
        session, incoming = self.session, self._incoming
        try:
            while True:
                data = session.read(RECORD_BYTES)
                if not data:  # close_notify: like a half-close, it counts as leaving
                    return False
                found.append(data)
                if not incoming.pending and not session.pending():
                    break
        except ssl.SSLWantReadError:
            pass  # part of a record
        except ssl.SSLError:
            self._break()
            return False
        if self._outgoing.pending:
            self._flush()
        return True

    # -- called by the connection ---------------------------------------------------------------

    def write(self, data: bytes) -> None:
        """Send `data`, or queue it. Void once the connection is lost, or ended by us."""
        if self._open:
            if data and not self.lost:
                self._encrypt(data)
        elif self.state is State.PLAIN:
            super().write(data)

    def write_all(self, pieces: list[bytes]) -> None:
        """Send several pieces; together, since each record has its price."""
        if self.state is State.PLAIN:
            super().write_all(pieces)
        else:
            self.write(b"".join(pieces))

    def finish_writing(self) -> None:
        """Say that nothing more comes, and close the sending half."""
        if not self.transport.is_closing():
            self._say_end()
            super().finish_writing()

    def close(self) -> None:
        """Say that nothing more comes, and close once everything written is sent."""
        if not self.lost:
            self._say_end()
            super().close()

    def _encrypt(self, data: bytes) -> None:
        try:
            sent = self.session.write(data) if len(data) <= RECORD_BYTES else 0
            if sent == len(data):
                self.transport.write(self._outgoing.read())
            else:
                self.transport.writelines(self._records(memoryview(data)[sent:]))
        except ssl.SSLError:
            self._break()

    def _records(self, data: memoryview) -> list[bytes]:
        records = []
        while data:
            sent = self.session.write(data[:RECORD_BYTES])
            data = data[sent:]
            records.append(self._outgoing.read())
        return records

    def _say_end(self) -> None:
        if self._open and not self.lost:
            self._open, self._ended = False, True
            with contextlib.suppress(ssl.SSLError):  # the client has not said it as well
                self.session.unwrap()
            self._flush()

    def _break(self) -> None:
        """End what cannot go on: nothing that is written now would be understood."""
        self.state, self._open = State.BROKEN, False
        self.vigil.client_gone = True
        self._flush()
        self.transport.close()

    def _flush(self) -> None:
        data = self._outgoing.read()
        if data and not self.transport.is_closing():
            self.transport.write(data)
