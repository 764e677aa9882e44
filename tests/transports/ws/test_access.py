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


@pytest.mark.parametrize(
    ("peer", "headers", "shown"),
    [
        ("127.0.0.1", {}, True),
        ("::1", {}, True),
        ("192.0.2.1", {}, False),
        ("127.0.0.1", {"x_forwarded_for": "127.0.0.1"}, False),
        ("127.0.0.1", {"forwarded": "for=127.0.0.1"}, False),
        ("192.0.2.1", {"authorization": "Bearer correct-horse-battery-staple"}, True),
    ],
)
def test_metrics_are_shown_to_this_computer_and_to_whoever_has_the_token(
    peer: str, headers: dict[str, str], *, shown: bool
) -> None:
    access = Access(WsOptions(), TOKEN)
    asked = visit("localhost", peer, **headers)

    if shown:
        access.check_metrics(asked, 0)
    else:
        with pytest.raises(HttpError) as error:
            access.check_metrics(asked, 0)
        assert error.value.code == "token_required"


def test_whose_request_it_is_counts_a_trusted_proxy_s_word() -> None:
    access = Access(WsOptions(trusted_proxy=("192.0.2.1",)), None)

    assert access.address(visit("localhost", x_forwarded_for="6.6.6.6, 198.51.100.7")) == "198.51.100.7"
    assert access.address(visit("localhost", peer="192.0.2.2", x_forwarded_for="198.51.100.7")) == "192.0.2.2"
