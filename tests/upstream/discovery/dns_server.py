"""A small DNS server on loopback, with the faults that DNS servers have. UDP and TCP."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset

from proxy.settings import Address

Fault = Literal["silence", "SERVFAIL", "REFUSED", "garbage", "truncated"]
"""`truncated` is one of UDP only: the whole answer comes by TCP."""


class DnsServer:
    """Answers from `zone`: (name, type) and the data of its records, as in a zone file.

    `faults` are for a name, or for a name and a type: "app.test" or "app.test AAAA".
    """

    def __init__(self) -> None:
        self.zone: dict[tuple[str, str], list[str]] = {}
        self.faults: dict[str, Fault] = {}
        self.ttl_s = 60
        self.negative_ttl_s = 7
        self.asked: list[str] = []
        self.address = Address()

    def answer(self, wire: bytes, *, by_tcp: bool) -> bytes | None:
        """Return the reply to a question; None for silence."""
        query = dns.message.from_wire(wire)
        (question,) = query.question
        name = question.name.to_text(omit_final_dot=True).lower()
        kind = dns.rdatatype.to_text(question.rdtype)
        self.asked.append(f"{name} {kind}" + (" by TCP" if by_tcp else ""))
        fault = self.faults.get(name) or self.faults.get(f"{name} {kind}")
        if fault == "silence":
            return None
        if fault == "garbage":
            return wire[:2] + b"\xff" * 20
        reply = dns.message.make_response(query)
        if fault in ("SERVFAIL", "REFUSED"):
            reply.set_rcode(dns.rcode.from_text(fault))
        elif fault == "truncated" and not by_tcp:
            reply.flags |= dns.flags.TC
        else:
            self._fill(reply, name, kind)
        return reply.to_wire()

    def _fill(self, reply: dns.message.Message, name: str, kind: str) -> None:
        while alias := self.zone.get((name, "CNAME")):
            reply.answer.append(dns.rrset.from_text(f"{name}.", self.ttl_s, "IN", "CNAME", *alias))
            name = alias[0].removesuffix(".")
        data = self.zone.get((name, kind))
        if data:
            reply.answer.append(dns.rrset.from_text(f"{name}.", self.ttl_s, "IN", kind, *data))
            return
        if not any(own == name for own, _ in self.zone):
            reply.set_rcode(dns.rcode.NXDOMAIN)
        soa = f"ns.test. root.test. 1 2 3 4 {self.negative_ttl_s}"
        reply.authority.append(dns.rrset.from_text("test.", self.negative_ttl_s, "IN", "SOA", soa))


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, server: DnsServer) -> None:
        self._server = server
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        reply = self._server.answer(data, by_tcp=False)
        if reply is not None and self._transport is not None:
            self._transport.sendto(reply, addr)


@asynccontextmanager
async def dns_server() -> AsyncIterator[DnsServer]:
    """Serve on a port of the kernel's choice, within the running loop."""
    server = DnsServer()

    async def on_connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            wire = await reader.readexactly(int.from_bytes(await reader.readexactly(2), "big"))
            reply = server.answer(wire, by_tcp=True)
            if reply is not None:
                writer.write(len(reply).to_bytes(2, "big") + reply)
            await reader.read()
        finally:
            writer.close()

    udp, tcp = _sockets()
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: _Datagrams(server), sock=udp)
    streams = await asyncio.start_server(on_connection, sock=tcp)
    server.address = Address(*udp.getsockname())
    try:
        yield server
    finally:
        streams.close()
        transport.close()
        await streams.wait_closed()


def _sockets() -> tuple[socket.socket, socket.socket]:
    """Return sockets of both kinds with the same port."""
    while True:
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        tcp = socket.socket()
        try:
            udp.bind(("127.0.0.1", 0))
            tcp.bind(udp.getsockname())
        except OSError:  # somebody else has that one by TCP
            udp.close()
            tcp.close()
        else:
            udp.setblocking(False)
            return udp, tcp
