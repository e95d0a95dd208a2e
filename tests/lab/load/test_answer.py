"""Answers are read the same in any pieces, and none is whole before its end."""

import pytest

from proxy.lab.load.answer import CHUNKED, UNTIL_EOF, Answer, BadReply, Head, read_head

HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKS = HEAD + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"


@pytest.mark.parametrize(
    ("text", "head"),
    [
        (HEAD + b"Content-Length: 2\r\n\r\n", Head(200, 2, False)),
        (b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", Head(503, 0, False)),
        (HEAD + b"Connection: close\r\nContent-Length: 2\r\n\r\n", Head(200, 2, True)),
        (b"HTTP/1.0 200 OK\r\ncontent-length:7\r\n\r\n", Head(200, 7, True)),
        (HEAD + b"\r\n", Head(200, UNTIL_EOF, True)),
        (CHUNKS[: CHUNKS.index(b"3\r\n")], Head(200, CHUNKED, False)),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", Head(304, 0, False)),
    ],
)
def test_heads(text: bytes, head: Head) -> None:
    assert read_head(text) == head


@pytest.mark.parametrize(
    "text",
    [
        HEAD + b"Content-Length: 3\r\n\r\nabc",
        HEAD + b"Content-Length: 0\r\n\r\n",
        CHUNKS,
        b"HTTP/1.1 100 Continue\r\n\r\n" + HEAD + b"Content-Length: 3\r\n\r\nabc",
        b"HTTP/1.1 204 No Content\r\n\r\n",
    ],
)
def test_whole_and_in_pieces(text: bytes) -> None:
    assert Answer().feed(text)
    answer = Answer()
    assert [answer.feed(bytes([byte])) for byte in text] == [False] * (len(text) - 1) + [True]
    assert answer.bytes_in == len(text)


def test_an_answer_to_a_head_has_no_body() -> None:
    assert Answer(no_body=True).feed(HEAD + b"Content-Length: 300\r\n\r\n")
    assert Answer(no_body=True).feed(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")


def test_without_a_length_the_end_of_the_connection_is_the_end() -> None:
    answer = Answer()
    assert not answer.feed(HEAD + b"\r\nsome")
    assert not answer.feed(b" more")
    assert answer.ended()


@pytest.mark.parametrize("text", [b"", HEAD, HEAD + b"Content-Length: 3\r\n\r\nab", CHUNKS[:-3]])
def test_the_end_of_the_connection_comes_too_early(text: bytes) -> None:
    answer = Answer()
    assert not answer.feed(text)
    assert not answer.ended()


@pytest.mark.parametrize(
    "text",
    [
        b"SSH-2.0-x\r\n\r\n",
        bytes(70_000),
        HEAD + b"Content-Length: 2\r\n\r\nokmore",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\nno size\r\n",
        CHUNKS + CHUNKS,
    ],
)
def test_what_is_no_answer(text: bytes) -> None:
    with pytest.raises(BadReply):
        Answer().feed(text)


def test_more_than_its_chunks() -> None:
    answer = Answer()
    assert answer.feed(CHUNKS)
    with pytest.raises(BadReply):
        answer.feed(b"x")
