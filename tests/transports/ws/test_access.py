"""The rules about visitors, put together."""

import pytest

from transports.ws import WsOptions
from transports.ws.access import Access, Visit
from transports.ws.answers import HttpError
from transports.ws.request import Request
from transports.ws.tokens import Token

TOKEN = Token("correct-horse-battery-staple")


def visit(host: str, peer: str = "192.0.2.1", **headers: str) -> Visit:
    given = {"host": host} | {name.replace("_", "-"): value for name, value in headers.items()}
    return Visit(Request("GET", "/", {}, given, "1.1"), peer, "192.0.2.9", secure=False)


def allows(access: Access, asked: Visit) -> bool:
    try:
        access.check_page(asked)
    except HttpError:
        return False
    return True


def test_this_computer_is_known_by_its_own_name_where_others_reach_it() -> None:
    open_to_all = Access(WsOptions(host="0.0.0.0"), TOKEN, name="studio")
    closed = Access(WsOptions(), None, name="studio")

    assert allows(open_to_all, visit("studio:8000"))
    assert allows(open_to_all, visit("192.0.2.9:8000"))
    assert not allows(open_to_all, visit("studio.evil.example:8000"))
    assert not allows(closed, visit("studio:8000"))


def test_a_computer_without_a_name_is_known_by_its_addresses() -> None:
    access = Access(WsOptions(host="0.0.0.0"), TOKEN)

    assert allows(access, visit("localhost"))
    assert not allows(access, visit("studio"))


def code(access: Access, asked: Visit) -> str | None:
    """How a request for the metrics is refused; None: it is not."""
    try:
        access.check_metrics(asked, 0)
    except HttpError as error:
        return error.code
    return None


@pytest.mark.parametrize("peer", ["127.0.0.1", "::1"])
def test_where_there_is_no_token_metrics_are_shown_to_this_computer(peer: str) -> None:
    access = Access(WsOptions(), None)

    assert code(access, visit("localhost", peer)) is None
    for header in ("x_forwarded_for", "forwarded", "via", "x_real_ip"):
        assert code(access, visit("localhost", peer, **{header: "127.0.0.1"})) == "metrics_closed"
    assert code(access, visit("localhost", "192.0.2.1")) == "metrics_closed"
    assert code(Access(WsOptions(open_metrics=True), None), visit("localhost", "192.0.2.1")) is None


def test_where_there_is_one_metrics_are_shown_to_whoever_has_it_for_a_proxy_may_be_on_this_computer() -> None:
    access = Access(WsOptions(), TOKEN)

    assert code(access, visit("localhost", "127.0.0.1")) == "token_required"
    assert code(access, visit("localhost", authorization="Bearer correct-horse-battery-staple")) is None
    assert code(Access(WsOptions(open_metrics=True), TOKEN), visit("localhost")) is None


def test_whoever_guesses_is_slowed_whatever_he_guesses_through_and_whatever_address_of_his_he_takes() -> None:
    access = Access(WsOptions(), TOKEN)
    guesses = [
        visit("localhost", f"2001:db8::{n:x}", authorization=f"Bearer guess-{n}")
        if n % 2
        else visit("localhost", f"2001:db8::{n:x}", sec_websocket_protocol=f"openai-insecure-api-key.guess-{n}")
        for n in range(20)
    ]

    assert not any(access.knows(guess, 0) for guess in guesses)
    right = visit("localhost", "2001:db8::1", authorization="Bearer correct-horse-battery-staple")
    with pytest.raises(HttpError) as error:
        access.knows(right, 0)
    assert (error.value.code, dict(error.value.headers)) == ("too_many_attempts", {"Retry-After": "10"})
    assert access.knows(visit("localhost", authorization="Bearer correct-horse-battery-staple"), 0)
    assert access.knows(visit("localhost", "2001:db8::1", cookie=f"engine_session={TOKEN.cookie(0)}"), 0)
    assert access.knows(right, 10)


def test_whoever_shows_no_token_guesses_nothing() -> None:
    access = Access(WsOptions(), TOKEN)

    assert not any(access.knows(visit("localhost"), 0) for _ in range(100))


def test_whose_request_it_is_counts_a_trusted_proxy_s_word() -> None:
    access = Access(WsOptions(trusted_proxy=("192.0.2.1",)), None)

    assert access.address(visit("localhost", x_forwarded_for="6.6.6.6, 198.51.100.7")) == "198.51.100.7"
    assert access.address(visit("localhost", peer="192.0.2.2", x_forwarded_for="198.51.100.7")) == "192.0.2.2"
