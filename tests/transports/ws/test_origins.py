"""By which names the server may be asked, and by which pages."""

import pytest

from realtime_engine.errors import UsageError
from transports.ws.origins import Hosts, Origins, check_hosts, is_host, is_loopback

HERE = "127.0.0.1"


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost", "LOCALHOST"])
def test_this_computer_s_own_addresses_are_known(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.com", "localhost.example.com", ""])
def test_all_others_are_reached_from_elsewhere(host: str) -> None:
    assert not is_loopback(host)


@pytest.mark.parametrize("host", ["localhost", "localhost:8000", "LocalHost:9", "127.0.0.1:8000", "[::1]", "[::1]:80"])
def test_this_computer_s_names_are_always_allowed_at_any_port(host: str) -> None:
    assert Hosts(HERE, ()).allow(host, HERE)


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:8000", "localhost.evil.example", "127.0.0.1.evil.example", "[::2]", "10.0.0.1"],
)
def test_a_name_that_somebody_made_point_here_is_not(host: str) -> None:
    assert not Hosts(HERE, ()).allow(host, HERE)


def test_a_name_on_the_list_is_allowed_with_its_port_if_it_has_one() -> None:
    hosts = Hosts("0.0.0.0", ["Voice.example", "other.example:8443", "2001:db8::1"])

    assert hosts.allow("voice.example", HERE)
    assert hosts.allow("VOICE.example:444", HERE)
    assert hosts.allow("other.example:8443", HERE)
    assert hosts.allow("[2001:db8::1]:80", HERE)
    assert not hosts.allow("other.example", HERE)
    assert not hosts.allow("other.example:80", HERE)
    assert not hosts.allow("evil.voice.example", HERE)


def test_the_bound_name_and_the_address_that_was_connected_to_are_allowed() -> None:
    assert Hosts("voice.example", ()).allow("voice.example:8000", "192.0.2.1")
    assert Hosts("0.0.0.0", ()).allow("192.0.2.1:8000", "192.0.2.1")
    assert Hosts("::", ()).allow("[2001:db8::1]:8000", "2001:db8::1")
    assert not Hosts("0.0.0.0", ()).allow("192.0.2.2:8000", "192.0.2.1")


@pytest.mark.parametrize(
    "origin", [None, "http://voice.example:8000", "https://voice.example:8000", "HTTP://Voice.Example:8000"]
)
def test_the_server_s_own_page_and_clients_without_a_page_may_connect(origin: str | None) -> None:
    assert Origins(()).allow(origin, "voice.example:8000")


@pytest.mark.parametrize(
    "origin",
    [
        *("https://evil.example", "http://voice.example", "http://voice.example:8001", "null", "", "voice.example"),
        *("http://voice.example:8000.evil.example", "http://voice.example:8000/", "http://evil@voice.example:8000"),
        *("file://", "http://VOICE.example:8000, http://evil.example"),
    ],
)  # fmt: skip
def test_pages_of_other_origins_may_not(origin: str) -> None:
    assert not Origins(()).allow(origin, "voice.example:8000")


def test_listed_origins_may_exactly_as_they_are() -> None:
    extension = "chrome-extension://abcdefghijklmnopabcdefghijklmnop"
    origins = Origins(["https://App.example", "http://localhost:3000", "https://app2.example:443/", "null", extension])

    for origin in ("https://app.example", "http://localhost:3000", "https://app2.example", "null", extension):
        assert origins.allow(origin, "voice.example")
    for origin in ("http://app.example", "https://app.example:8443", "https://x.app.example", "http://localhost"):
        assert not origins.allow(origin, "voice.example")


@pytest.mark.parametrize(
    "text",
    [
        "*",
        "https://*.example/path",
        "app.example",
        "https://",
        "https://a b",
        "https://u@app.example",
        "https://a:x",
        "1://a",
        "a_b://c",
    ],
)
def test_what_is_no_origin_is_refused_when_the_server_starts(text: str) -> None:
    with pytest.raises(UsageError, match="--allow-origin"):
        Origins([text])


@pytest.mark.parametrize("host", ["voice.example", "voice.example:80", "a-b_c", "1.2.3.4", "[::1]", "[::1]:80", "a:"])
def test_what_can_stand_in_a_host_header_is_a_host(host: str) -> None:
    assert is_host(host)


@pytest.mark.parametrize(
    "host",
    [
        "",
        ":80",
        "a:b",
        "a b",
        "a/b",
        "a@b",
        "a:1:2",
        "[::1",
        "[::g]",
        "[::1]x",
        "caf\u00e9.example",
        "a;b",
        "a,b",
        "a'",
    ],
)
def test_what_cannot_is_none(host: str) -> None:
    assert not is_host(host)


def test_hosts_are_checked_when_the_server_starts() -> None:
    check_hosts(["voice.example", "voice.example:80", "::1"])
    with pytest.raises(UsageError, match=r"--allow-host https://voice\.example"):
        check_hosts(["https://voice.example"])
