"""Requests are what was wanted, byte for byte, and come in the same order for the same seed."""

import dataclasses
import json

from proxy.lab.load.ask import Mix, Wanted


def test_a_get() -> None:
    wanted = Wanted("/x?y=1", headers=(("Cookie", "a=b"),))
    assert wanted.encode("h:1", True) == b"GET /x?y=1 HTTP/1.1\r\nHost: h:1\r\nCookie: a=b\r\n\r\n"


def test_without_keep_alive_it_says_so() -> None:
    assert b"\r\nConnection: close\r\n" in Wanted().encode("h", False)


def test_a_post_has_a_length_even_of_nothing() -> None:
    assert Wanted("/", "POST").encode("h", True).endswith(b"\r\nContent-Length: 0\r\n\r\n")
    assert Wanted("/", "POST", body="ab").encode("h", True).endswith(b"Length: 2\r\n\r\nab")
    assert Wanted(body="zeros:3").encode("h", True).endswith(b"Length: 3\r\n\r\n\0\0\0")


def test_chunks_have_none() -> None:
    wire = Wanted("/", "POST", body="zeros:9000", chunked=True).encode("h", True)
    assert b"Content-Length" not in wire
    assert b"\r\n\r\n2000\r\n\0" in wire
    assert wire.endswith(b"\0\r\n0\r\n\r\n")


def test_there_and_back_through_json() -> None:
    wanted = Wanted("/x", "PUT", (("A", "b"),), "zeros:5", True, 3)
    assert Wanted.from_json(json.loads(json.dumps(dataclasses.asdict(wanted)))) == wanted


def test_a_mix_repeats_for_its_seed_and_has_the_shares() -> None:
    kinds = [Wanted("/a", weight=9), Wanted("/b", "HEAD")]

    def drawn(seed: int) -> list[str]:
        mix = Mix(kinds, "h", True, seed)
        return [mix.next(0.0).label for _ in range(997)]

    assert drawn(1) == drawn(1)
    assert drawn(1) != drawn(2)
    assert 60 < drawn(1).count("HEAD /b") < 140


def test_an_answer_to_head_is_expected_without_a_body() -> None:
    assert Mix([Wanted("/", "HEAD")], "h", True, 1).next(5.0).no_body
