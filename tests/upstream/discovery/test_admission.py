"""Who may announce what: networks, addresses, and where acknowledgements may go."""

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.settings import Address
from proxy.upstream.discovery.admission import Networks, Refused, Sender, read_ip

ALLOWED = ("127.0.0.0/8", "::1/128", "10.0.0.0/8", "2001:db8::/32")
networks = Networks(ALLOWED)
LOCAL = Sender(ip_address("127.0.0.1"), 4000)
LOCAL6 = Sender(ip_address("::1"), 4000)
REMOTE = Sender(ip_address("10.0.0.5"), 4000)
REMOTE6 = Sender(ip_address("2001:db8::5"), 4000)
UNIX = Sender(uid=1000)


def refused(text: str, sender: Sender, needs_host: bool = False) -> str:
    with pytest.raises(Refused) as caught:
        networks.find_address(text, sender, needs_host=needs_host)
    assert caught.value.reason == "address"
    return str(caught.value)


# -- senders ------------------------------------------------------------------------------------


@pytest.mark.parametrize("sender", [LOCAL, LOCAL6, REMOTE, REMOTE6, UNIX, Sender()])
def test_senders_that_count(sender: Sender) -> None:
    networks.check_sender(sender)


@pytest.mark.parametrize("text", ["11.0.0.1", "192.0.2.1", "::2", "2001:db9::1", "::ffff:11.0.0.1"])
def test_senders_that_do_not(text: str) -> None:
    with pytest.raises(Refused, match="in no allowed network") as caught:
        networks.check_sender(Sender(read_ip(text)))
    assert caught.value.reason == "source"


def test_ipv4_as_an_ipv6_socket_sees_it() -> None:
    assert read_ip("::ffff:10.0.0.5") == ip_address("10.0.0.5")
    networks.check_sender(Sender(read_ip("::ffff:10.0.0.5")))
    with pytest.raises(ValueError, match="zone"):
        read_ip("fe80::1%eth0")


def test_networks_are_networks() -> None:
    for text in ("10.0.0.1/8", "localhost", "10.0.0.0/33", ""):
        with pytest.raises(ValueError, match=r"does not appear|has host bits"):
            Networks([text])
    assert ip_address("10.0.0.1") not in Networks([])


def test_senders_as_text() -> None:
    assert [str(s) for s in (REMOTE, REMOTE6, UNIX, Sender())] == [
        "10.0.0.5",
        "2001:db8::5",
        "unix, uid 1000",
        "unix",
    ]


# -- addresses ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "sender", "meant"),
    [
        ("127.0.0.1:22001", LOCAL, Address("127.0.0.1", 22001)),
        ("[::1]:22001", LOCAL, Address("::1", 22001)),
        ("localhost:22001", LOCAL, Address("127.0.0.1", 22001)),
        ("10.0.0.9:1", REMOTE, Address("10.0.0.9", 1)),
        ("10.0.0.9:65535", LOCAL, Address("10.0.0.9", 65535)),
        ("[2001:DB8::9]:80", REMOTE, Address("2001:db8::9", 80)),
        ("[::ffff:10.0.0.9]:80", REMOTE, Address("10.0.0.9", 80)),
        ("192.0.2.1:80", UNIX, Address("192.0.2.1", 80)),
        # No host, or all of them: the sender's.
        (":22001", LOCAL, Address("127.0.0.1", 22001)),
        (":22001", REMOTE, Address("10.0.0.5", 22001)),
        (":22001", REMOTE6, Address("2001:db8::5", 22001)),
        (":22001", UNIX, Address("127.0.0.1", 22001)),
        ("0.0.0.0:22001", REMOTE, Address("10.0.0.5", 22001)),
        ("[::]:22001", REMOTE, Address("10.0.0.5", 22001)),
        ("[::]:22001", REMOTE6, Address("2001:db8::5", 22001)),
        # On this host only.
        ("/run/app.sock", LOCAL, Address(path="/run/app.sock")),
        ("/run/app.sock", LOCAL6, Address(path="/run/app.sock")),
        ("/run/app.sock", UNIX, Address(path="/run/app.sock")),
        ("/run/a:1", UNIX, Address(path="/run/a:1")),
        ("@abs1", LOCAL, Address(path="\0abs1")),
        ("@a@b", UNIX, Address(path="\0a@b")),
        ("/" + "p" * 106, UNIX, Address(path="/" + "p" * 106)),
    ],
)
def test_what_an_address_means(text: str, sender: Sender, meant: Address) -> None:
    assert networks.find_address(text, sender) == meant


@pytest.mark.parametrize(
    ("text", "sender", "why"),
    [
        ("127.0.0.1:0", LOCAL, "no port"),
        (":0", LOCAL, "no port"),
        (":65536", LOCAL, "no port"),
        (":", LOCAL, "neither"),
        (":000001", LOCAL, "neither"),
        (":x", LOCAL, "neither"),
        (":-1", LOCAL, "neither"),
        (":²", LOCAL, "neither"),
        ("22001", LOCAL, "neither"),
        ("app2.sock", UNIX, "neither"),
        ("run/app.sock", UNIX, "neither"),
        ("./app.sock", UNIX, "neither"),
        ("unix:/run/app.sock", UNIX, "neither"),
        ("example.com:80", LOCAL, "not resolved"),
        ("localhost.:80", LOCAL, "not resolved"),
        ("::1:80", LOCAL, "not resolved"),
        ("[::1:80", LOCAL, "not resolved"),
        ("[]:80", LOCAL, "not resolved"),
        ("[localhost]:80", LOCAL, "not resolved"),
        ("127.1:80", LOCAL, "not resolved"),
        ("2130706433:80", LOCAL, "not resolved"),
        ("0x7f000001:80", LOCAL, "not resolved"),
        ("127.0.0.01:80", LOCAL, "not resolved"),
        ("[fe80::1%eth0]:80", LOCAL, "not resolved"),
        # What the sender could not reach, or what it should not make us reach.
        ("169.254.169.254:80", REMOTE, "not an address"),
        ("[fe80::1]:80", LOCAL, "not an address"),
        ("224.0.0.1:80", LOCAL, "not an address"),
        ("192.0.2.1:80", REMOTE, "no allowed network"),
        ("192.0.2.1:80", LOCAL, "no allowed network"),
        ("[::ffff:192.0.2.1]:80", LOCAL, "no allowed network"),
        ("127.0.0.1:6379", REMOTE, "not on this host"),
        ("127.9.9.9:6379", REMOTE, "not on this host"),
        ("localhost:6379", REMOTE, "not on this host"),
        ("[::1]:6379", REMOTE6, "not on this host"),
        ("[::ffff:127.0.0.1]:6379", REMOTE, "not on this host"),
        ("/run/app.sock", REMOTE, "not on this host"),
        ("@app", REMOTE6, "not on this host"),
        ("@", LOCAL, "no path"),
        ("/" + "p" * 107, UNIX, "no path"),
    ],
)
def test_addresses_that_are_refused(text: str, sender: Sender, why: str) -> None:
    assert why in refused(text, sender)


@pytest.mark.parametrize("text", ["169.254.169.254:80", "224.0.0.1:80", "[ff02::1]:80"])
def test_some_addresses_are_nobodys_in_any_network(text: str) -> None:
    everything = Networks(["0.0.0.0/0", "::/0"])
    with pytest.raises(Refused, match="not an address"):
        everything.find_address(text, REMOTE)
    link_local = Sender(ip_address("169.254.1.1"))
    assert everything.find_address(":80", link_local) == Address("169.254.1.1", 80)
    assert everything.find_address("169.254.1.1:80", link_local) == Address("169.254.1.1", 80)


def test_what_is_signed_has_to_name_its_host() -> None:
    for text in (":80", "0.0.0.0:80", "[::]:80"):
        assert "is not signed" in refused(text, REMOTE, needs_host=True)
    named = networks.find_address("10.0.0.9:80", REMOTE, needs_host=True)
    assert named == Address("10.0.0.9", 80)


@given(
    st.text(max_size=60) | st.ip_addresses().map(lambda ip: f"{ip}:80"),
    st.sampled_from([LOCAL, REMOTE, REMOTE6]),
)
def test_an_address_always_lies_within_reach(text: str, sender: Sender) -> None:
    try:
        address = networks.find_address(text, sender)
    except Refused:
        return
    assert address.is_unix != bool(address.host)
    if address.is_unix:
        assert sender.is_local
    else:
        ip = ip_address(address.host)
        assert any(ip in ip_network(text) for text in ALLOWED)
        assert sender.is_local or not ip.is_loopback
        assert 0 < address.port < 65536


# -- acknowledgements ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "sender", "to"),
    [
        ("/run/notify", LOCAL, Address(path="/run/notify")),
        ("/run/notify", UNIX, Address(path="/run/notify")),
        ("127.0.0.1:9", LOCAL, Address("127.0.0.1", 9)),
        ("127.0.0.1:9", UNIX, Address("127.0.0.1", 9)),
        ("10.0.0.5:9", REMOTE, Address("10.0.0.5", 9)),
        (":9", REMOTE, Address("10.0.0.5", 9)),
        ("[2001:db8::5]:9", REMOTE6, Address("2001:db8::5", 9)),
        # Nobody else's.
        ("", LOCAL, None),
        ("/run/notify", REMOTE, None),
        ("notify", UNIX, None),
        ("10.0.0.6:9", REMOTE, None),
        ("10.0.0.6:9", LOCAL, None),
        ("10.0.0.6:9", UNIX, None),
        ("127.0.0.2:9", LOCAL, None),
        ("192.0.2.1:9", LOCAL, None),
        ("192.0.2.1:9", UNIX, None),
    ],
)
def test_where_an_acknowledgement_goes(text: str, sender: Sender, to: Address | None) -> None:
    assert networks.find_notified(text, sender) == to
