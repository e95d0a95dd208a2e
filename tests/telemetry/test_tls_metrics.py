"""What is told about TLS."""

from pathlib import Path
from types import SimpleNamespace
from typing import cast

from proxy.settings import TlsSettings
from proxy.telemetry.tls_metrics import Door, TlsMetrics
from proxy.tls.certificates import Certificates
from proxy.tls.handshakes import RESULTS, Handshakes
from tests.telemetry.board import Board
from tests.tls.authority import Authority


def test_handshakes_and_certificates(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    pair = authority.issue()
    certificates = Certificates(TlsSettings((pair.certificate,), (pair.key,)))
    one, two = (Handshakes(certificates, 5.0, print) for _ in range(2))
    one.results["full"] = 3
    two.results["full"] = 4
    doors = [SimpleNamespace(handshakes=shown) for shown in (None, one, two)]
    authority.issue()
    certificates.look()
    board = Board(list(TlsMetrics(lambda: cast(list[Door], doors), certificates).collect()))
    found = board.all("tls_handshakes_total", "result")
    assert found == {("full",): 7}
    for result in RESULTS:
        assert f'tls_handshakes_total{{result="{result}"}}' in board.text
    assert board.get("tls_handshakes_running") == 0
    ((_, end),) = certificates.ends
    path = pair.certificate
    assert board.get("tls_certificate_not_after_seconds", certificate=path) == end
    assert board.get("tls_certificate_loads_total", result="used") == 1
    assert board.get("tls_certificate_loads_total", result="refused") == 0
