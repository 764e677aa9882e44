"""The opening handshake of a WebSocket (RFC 6455, section 4.2)."""

from urllib.parse import parse_qsl

import pytest

from transports.ws.answers import HttpError
from transports.ws.handshake import dialect, offered, read_handshake
from transports.ws.request import Request

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
ASKED = {
    "host": "localhost",
    "upgrade": "websocket",
    "connection": "Upgrade",
    "sec-websocket-key": KEY,
    "sec-websocket-version": "13",
}


def request(method: str = "GET", version: str = "1.1", query: str = "", **headers: str | None) -> Request:
    given = ASKED | {name.replace("_", "-"): value for name, value in headers.items()}
    asked = dict(parse_qsl(query))
    return Request(method, "/ws", asked, {name: value for name, value in given.items() if value is not None}, version)


def refusal(asked: Request) -> HttpError:
    with pytest.raises(HttpError) as error:
        read_handshake(asked)
    return error.value


def test_the_rfc_s_own_example_is_answered_as_the_rfc_does() -> None:
    handshake = read_handshake(request())

    assert handshake is not None
    assert handshake.answer == (
        b"HTTP/1.1 101 Switching Protocols\r\n"
        b"Upgrade: websocket\r\n"
        b"Connection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
    )


def test_names_are_compared_without_case_and_among_others() -> None:
    assert read_handshake(request(upgrade="h2c, WebSocket", connection="keep-alive, UPGRADE")) is not None


def test_realtime_is_selected_where_it_is_offered_and_nothing_else() -> None:
    many = read_handshake(
        request(sec_websocket_protocol="openai-insecure-api-key.x, realtime, openai-beta.realtime-v1")
    )
    other = read_handshake(request(sec_websocket_protocol="openai-insecure-api-key.x, chat"))

    assert many is not None
    assert b"\r\nSec-WebSocket-Protocol: realtime\r\n" in many.answer
    assert other is not None
    assert b"Sec-WebSocket-Protocol" not in other.answer


@pytest.mark.parametrize("upgrade", [None, "", "h2c", "websockets"])
def test_a_plain_request_is_no_handshake(upgrade: str | None) -> None:
    assert read_handshake(request(upgrade=upgrade)) is None


@pytest.mark.parametrize("version", [None, "", "8", "14", "13.0", "13, 8"])
def test_another_version_is_told_which_one_is_spoken(version: str | None) -> None:
    error = refusal(request(sec_websocket_version=version))

    assert error.status == 426
    assert ("Sec-WebSocket-Version", "13") in error.headers


@pytest.mark.parametrize(
    "malformed",
    [
        request(method="POST"),
        request(version="1.0"),
        request(connection=None),
        request(connection="close"),
        request(sec_websocket_key=None),
        request(sec_websocket_key=""),
        request(sec_websocket_key="dGhlIHNhbXBsZQ=="),
        request(sec_websocket_key=KEY + "AAAA"),
        request(sec_websocket_key="dGhlIHNhbXBsZSBub25jZQ"),
        request(sec_websocket_key="!!!!" + KEY),
        request(sec_websocket_key=KEY[:-3] + "\u00e9=="),
        request(sec_websocket_protocol="real time"),
        request(sec_websocket_protocol="caf\u00e9"),
        request(sec_websocket_protocol="a=b"),
    ],
)
def test_what_is_malformed_is_refused(malformed: Request) -> None:
    assert refusal(malformed).status == 400


def test_what_a_client_offers_is_listed_also_before_it_is_a_handshake() -> None:
    assert offered(request(upgrade=None, sec_websocket_protocol="a, b")) == ["a", "b"]


@pytest.mark.parametrize(
    ("asked", "spoken"),
    [
        (request(), "ga"),
        (request(openai_beta="realtime=v1"), "beta"),
        (request(openai_beta="assistants=v2, realtime=v1"), "beta"),
        (request(openai_beta="assistants=v2"), "ga"),
        (request(sec_websocket_protocol="realtime, openai-insecure-api-key.x, openai-beta.realtime-v1"), "beta"),
        (request(sec_websocket_protocol="realtime, openai-insecure-api-key.x"), "ga"),
        (request(query="dialect=beta"), "beta"),
        (request(query="dialect=ga", openai_beta="realtime=v1"), "ga"),
    ],
)
def test_a_client_says_in_one_of_three_ways_that_it_speaks_the_beta_and_the_url_counts_most(
    asked: Request, spoken: str
) -> None:
    assert dialect(asked) == spoken


def test_another_dialect_is_refused_and_those_there_are_are_named() -> None:
    with pytest.raises(HttpError, match="ga and beta") as error:
        dialect(request(query="dialect=alpha"))

    assert (error.value.status, error.value.code) == (400, "invalid_dialect")
