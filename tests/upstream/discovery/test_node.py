"""What nodes say of themselves."""

from ipaddress import ip_address

from protocol.subscription import Announcement, Command
from proxy.settings import Address
from proxy.upstream.discovery.admission import Sender
from proxy.upstream.discovery.node import Node, Stage
from tests.upstream.discovery.pools import FakePool


def make_node(weight: int = 0) -> Node[FakePool]:
    said = Announcement(Command.SUBSCRIBE, "A.com", ":1", weight=weight)
    sender = Sender(ip_address("127.0.0.1"))
    return Node("a.com", Address("127.0.0.1", 1), said, sender, seen_at=0.0)


def test_weight_0_is_what_uwsgi_sends_for_none() -> None:
    assert [make_node(weight).weight for weight in (0, 1, 7)] == [1, 1, 7]


def test_a_new_node() -> None:
    node = make_node()
    assert (node.stage, node.proving, node.home) == (Stage.ANNOUNCED, False, None)
    assert str(node) == "a.com: 127.0.0.1:1"
