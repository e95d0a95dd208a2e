"""What a certificate says, compared with what `cryptography` wrote into it."""

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.certificate import CertificateFacts, covers, read_certificate
from protocol.errors import CertificateError
from tests.tls.authority import Authority


def issue(directory: Path, *names: str, days: float = 90) -> bytes:
    pair = Authority(directory).issue("one", *names, days=days)
    return ssl.PEM_cert_to_DER_cert(Path(pair.certificate).read_text())


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (("a.example", "*.B.example", "127.0.0.1"), ("a.example", "*.b.example")),
        (("127.0.0.1",), ()),
        (tuple(f"{n}.example" for n in range(100)), tuple(f"{n}.example" for n in range(100))),
    ],
)
def test_names(tmp_path: Path, names: tuple[str, ...], found: tuple[str, ...]) -> None:
    assert read_certificate(issue(tmp_path, *names)).names == found


@pytest.mark.parametrize("days", [-3.0, 1.5, 365 * 60])
def test_the_end(tmp_path: Path, days: float) -> None:
    """Before and after 2050, when it is written in another way."""
    end = datetime.now(UTC) + timedelta(days=days)
    assert abs(read_certificate(issue(tmp_path, days=days)).not_after - end.timestamp()) < 60


def test_one_without_extensions_has_no_names(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    der = ssl.PEM_cert_to_DER_cert(Path(authority.ca_file).read_text())
    assert read_certificate(der).names == ()


def test_what_is_cut_off_anywhere_is_none(tmp_path: Path) -> None:
    der = issue(tmp_path)
    for size in range(len(der)):
        with pytest.raises(CertificateError):
            read_certificate(der[:size])


@given(st.binary(max_size=200))
def test_any_bytes_are_a_certificate_or_an_error(data: bytes) -> None:
    try:
        facts = read_certificate(data)
    except CertificateError:
        return
    assert isinstance(facts, CertificateFacts)


@pytest.mark.parametrize(
    ("pattern", "host", "good"),
    [
        ("a.example", "a.example", True),
        ("a.example", "b.example", False),
        ("*.example", "a.example", True),
        ("*.example", "b.a.example", False),
        ("*.example", "example", False),
        ("*.example", ".example", False),
    ],
)
def test_whom_a_name_is_for(pattern: str, host: str, good: bool) -> None:
    assert covers(pattern, host) is good
