"""A variant is its topology with one value changed, under a name of its own."""

from pathlib import Path

from proxy.lab.stand.setup import Setup
from proxy.lab.stand.topologies import select
from proxy.lab.stand.variants import BUFFERS, LARGE_BYTES, SMALL_BYTES, base_of


def test_names() -> None:
    topology = select(["nginx-uwsgi"])[0]
    small = BUFFERS[0].of(topology)
    assert (small.name, small.front) == ("nginx-uwsgi+16k", "nginx")
    assert small.title == "nginx before uWSGI (unix), 16 KB buffers"
    assert base_of(small.name) == ("nginx-uwsgi", "16k")
    assert base_of(topology.name) == ("nginx-uwsgi", "")


def test_one_value_is_changed(tmp_path: Path) -> None:
    setup = Setup(tmp_path, token="t")
    sizes = [each.change(setup).socket_bytes for each in BUFFERS]
    assert sizes == [SMALL_BYTES, LARGE_BYTES]
    assert setup.socket_bytes == 0
