"""A request, read strictly."""

from collections.abc import Callable
from http import HTTPStatus
from typing import TypeVar

import h11
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from transports.ws.answers import HttpError
from transports.ws.request import MOST_HEAD, MOST_HEADERS, Request, read_form, read_head, read_opening

T = TypeVar("T")


def read(target: str = "/", headers: dict[str, str] | None = None, **more: str) -> Request:
    given = {"Host": "localhost"} | (headers or {})
    return read_head(head(target, list(given.items()), **more))


def head(target: str, headers: list[tuple[str, str]], version: str = "1.1", method: str = "GET") -> h11.Request:
    raw = [(name.encode(), value.encode("latin-1")) for name, value in headers]
    return h11.Request(method=method, target=target, headers=raw, http_version=version)


def refused(given: h11.Request) -> HTTPStatus:
    with pytest.raises(HttpError) as error:
        read_head(given)
    return error.value.status


def test_path_query_and_headers_are_taken_apart() -> None:
    request = read("/v1/realtime?model=gpt%2Drealtime&x=&model=other#f", {"Origin": "http://a", "X-A": "caf\u00e9"})

    assert request.path == "/v1/realtime"
    assert request.query == {"model": "gpt-realtime", "x": ""}
    assert (request.host, request.origin) == ("localhost", "http://a")
    assert request.headers["x-a"] == "caf\u00e9"
    assert request.listed("x-b") == []


def test_a_path_is_taken_as_it_was_sent() -> None:
    for path in ("/../etc/passwd", "/%2e%2e/x", "//evil.example/x", "/ws/", "/WS"):
        assert read(path).path == path


def test_a_target_that_names_the_host_counts_more_than_the_header() -> None:
    request = read("http://evil.example:80/ws?a=b")

    assert (request.host, request.path, request.query) == ("evil.example:80", "/ws", {"a": "b"})
    assert read("http://localhost").path == "/"


@pytest.mark.parametrize("target", ["*", "localhost:80", "ftp://a/", "http://", "http://[::1/", "a", "http://u@a/"])
def test_any_other_target_is_malformed(target: str) -> None:
    assert refused(head(target, [("Host", "localhost")])) == HTTPStatus.BAD_REQUEST


@pytest.mark.parametrize("host", ["", "caf\u00e9", "a b", "a/b", "a@b", "a:b", "a, b"])
def test_a_host_that_is_none_is_malformed(host: str) -> None:
    assert refused(head("/", [("Host", host)])) == HTTPStatus.BAD_REQUEST


def test_a_request_without_a_host_is_malformed_whatever_its_version() -> None:
    assert refused(head("/", [], version="1.0")) == HTTPStatus.BAD_REQUEST


@pytest.mark.parametrize("name", ["Origin", "Authorization", "Sec-WebSocket-Key", "Sec-WebSocket-Version"])
def test_what_must_not_stand_twice_is_malformed(name: str) -> None:
    assert refused(head("/", [("Host", "localhost"), (name, "a"), (name.lower(), "a")])) == HTTPStatus.BAD_REQUEST


def test_lists_may_be_spread_over_several_headers() -> None:
    protocols = [("Host", "localhost"), ("Sec-WebSocket-Protocol", "a, b"), ("sec-websocket-protocol", ",c")]

    assert read_head(head("/", protocols)).listed("sec-websocket-protocol") == ["a", "b", "c"]


def test_a_body_of_two_lengths_is_malformed() -> None:
    coded = [("Host", "localhost"), ("Transfer-Encoding", "chunked")]

    assert refused(head("/", [*coded, ("Content-Length", "4")], method="POST")) == HTTPStatus.BAD_REQUEST
    assert refused(head("/", coded, version="1.0", method="POST")) == HTTPStatus.BAD_REQUEST


def test_another_version_of_http_is_not_spoken() -> None:
    assert refused(head("/", [("Host", "localhost")], version="2.0")) == HTTPStatus.BAD_REQUEST


def test_a_head_is_bounded_in_size_and_in_headers() -> None:
    many = [("Host", "localhost"), *((f"X-{n}", "a") for n in range(MOST_HEADERS))]

    assert refused(head("/", many)) == HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
    assert refused(head("/", [("Host", "a"), ("X", "a" * MOST_HEAD)])) == HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
    assert refused(head("/" + "a" * MOST_HEAD, [("Host", "a")])) == HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE


@pytest.mark.parametrize("query", ["a=%ff", "&".join(f"a{n}=1" for n in range(101))])
def test_a_query_that_is_no_text_or_too_long_is_malformed(query: str) -> None:
    assert refused(head(f"/?{query}", [("Host", "localhost")])) == HTTPStatus.BAD_REQUEST


def test_a_form_is_read_and_anything_else_is_malformed() -> None:
    assert read_form(b"token=a%2Bb+c&token=d") == {"token": "a+b c"}
    assert read_form(b"") == {}
    with pytest.raises(HttpError):
        read_form("token=caf\u00e9".encode())


# --- what opens a WebSocket, and is read without h11 ----------------------------------------------------------

NAME = st.text("!#$%&'*+-.^_`|~09AZaz :", min_size=1, max_size=9) | st.sampled_from(
    ["Upgrade", "Connection", "Host", "hOST", "Content-Length", "Transfer-Encoding", "Expect", "Origin"]
)
VALUE = st.text("\t !~ aZ,\x80\xff\0\r\n\x7f", max_size=9) | st.sampled_from(["websocket", "localhost", "0", "chunked"])
TARGET = st.sampled_from(["/v1/realtime?model=a%20b", "/", "/ a", "/\x7f", "http://a/ws", "//[", "*"])


@given(TARGET, st.lists(st.tuples(NAME, VALUE), max_size=6), st.sampled_from(["1.1", "1.0", "2.0"]))
@example("/ws", [("Host", "localhost"), ("Upgrade", " websocket\t"), ("Connection", "Upgrade")], "1.1")
@example("/ws", [("Host", "a"), ("Upgrade", "websocket"), ("Content-Length", "3")], "1.1")
@example("/ws", [("Host", "a"), ("Upgrade", "websocket"), ("Host", "b")], "1.1")
@example("//[", [("Host", "a"), ("Upgrade", "websocket")], "1.1")
@example("/ws", [("Host", "a"), ("Upgrade", "websocket"), ("Origin", "b"), ("origin", "c")], "1.1")
def test_what_opens_a_websocket_is_read_as_h11_would_have_it_read(
    target: str, headers: list[tuple[str, str]], version: str
) -> None:
    fields = "".join(f"{name}:{value}\r\n" for name, value in [("Upgrade", "websocket"), *headers])
    come = f"GET {target} HTTP/{version}\r\n{fields}\r\n".encode("latin-1") + b"behind"

    opening = outcome(read_opening, come)

    assert opening is None or opening == outcome(read_by_h11, come)


def outcome(read: Callable[[bytes], T], come: bytes) -> T | HTTPStatus:
    """What was read, or why it is refused."""
    try:
        return read(come)
    except HttpError as error:
        return error.status


def read_by_h11(come: bytes) -> tuple[Request, bytes]:
    connection = h11.Connection(h11.SERVER)
    connection.receive_data(come)
    head, end = connection.next_event(), connection.next_event()
    assert isinstance(head, h11.Request)
    assert isinstance(end, h11.EndOfMessage)
    return read_head(head), connection.trailing_data[0]


@pytest.mark.parametrize(
    "come",
    [
        b"GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n",  # the end is yet to come
        b"GET /ws HTTP/1.1\r\nHost: a\r\n\r\n",
        b"POST /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n",
        b"GET /ws HTTP/1.1\r\nUpgrade: websocket\r\n\r\n",
        b"GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nX: %b\r\n\r\n" % (b"a" * MOST_HEAD),
    ],
)
def test_anything_else_is_left_to_h11(come: bytes) -> None:
    assert read_opening(come) is None
