"""One certificate for everybody, and a uWSGI that was asked whether it can use it."""

import importlib.util
import shutil
import ssl
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from proxy.lab.load.secure import trusting
from proxy.lab.processes import BenchError
from proxy.lab.stand import tls
from proxy.lab.stand.setup import Installed, Setup
from proxy.worker.command import Uwsgi

LIST = "    --http-socket   plain\n    --wsgi-file   load\n"
WITH = LIST + "    --https-socket  secure\n"


def program(path: Path, said: str) -> Uwsgi:
    """Return a uWSGI that lists these options."""
    path.write_text(f"#!/bin/sh\ncat <<'END'\n{said}\nEND\n")
    path.chmod(0o755)
    return Uwsgi("2.0.99", str(path))


def test_a_certificate_that_clients_can_trust(tmp_path: Path) -> None:
    made = tls.make(tmp_path)
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(made.certificate, made.key)
    assert trusting(str(made.certificate)).cert_store_stats()["x509_ca"] >= 0
    assert stat.S_IMODE(made.key.stat().st_mode) == 0o600


def test_a_run_makes_one_certificate(tmp_path: Path) -> None:
    setup = Setup(tmp_path, "mine:app")
    first, second = tls.secured(setup).tls, tls.secured(setup).tls
    assert first is not None
    assert second == first
    assert first.certificate.exists()


def test_without_the_package_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(BenchError, match="needs the package cryptography"):
        tls.secured(Setup(tmp_path))


def test_a_uwsgi_is_asked(tmp_path: Path) -> None:
    assert tls.has_tls(program(tmp_path / "with", WITH))
    assert not tls.has_tls(program(tmp_path / "without", LIST))
    assert not tls.has_tls(Uwsgi("2", str(tmp_path / "nowhere")))


def test_another_uwsgi_takes_the_place_of_one_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without = program(tmp_path / "without", LIST)
    setup = Setup(tmp_path, "mine:app", installed=Installed(without))
    monkeypatch.setattr(shutil, "which", lambda name: None)
    tls.find_uwsgi.cache_clear()
    alone = tls.plain(setup)
    assert alone == replace(setup, app="")
    secured = replace(alone, tls=tls.make(tmp_path))
    with pytest.raises(BenchError, match=r"has no --https: it is built without TLS"):
        tls.uwsgi_options(secured, "--https", "127.0.0.1:1")

    other = program(tmp_path / "uwsgi", WITH)
    monkeypatch.setattr(shutil, "which", lambda name: other.program)
    tls.find_uwsgi.cache_clear()
    found = tls.plain(setup)
    assert found.installed.uwsgi is not None
    assert found.installed.uwsgi.program == other.program
    assert (found.app, found.foreign) == ("", True)
    options = tls.uwsgi_options(replace(found, tls=secured.tls), "--https-socket", "127.0.0.1:1")
    assert options == ["--https-socket", f"127.0.0.1:1,{tmp_path}/cert.pem,{tmp_path}/key.pem"]
    tls.find_uwsgi.cache_clear()


def test_the_usual_one_is_taken_when_it_can(tmp_path: Path) -> None:
    usual = program(tmp_path / "usual", WITH)
    found = tls.plain(Setup(tmp_path, "mine:app", installed=Installed(usual)))
    assert found.installed.uwsgi == usual
    assert not found.foreign
