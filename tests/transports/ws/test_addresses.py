"""Whose request it is, and who counts as one."""

import pytest

from realtime_engine.errors import UsageError
from transports.ws.addresses import Proxies, customer

PROXIES = Proxies(["10.0.0.0/8", "2001:db8::1"])


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("192.0.2.1", "", "192.0.2.1"),
        ("192.0.2.1", "198.51.100.7", "192.0.2.1"),  # whoever says so himself is not believed
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "198.51.100.7", "198.51.100.7"),
        ("10.0.0.1", "6.6.6.6, 198.51.100.7", "198.51.100.7"),  # the client's own claim stands to the left
        ("10.0.0.1", "6.6.6.6, 198.51.100.7, 10.1.1.1", "198.51.100.7"),
        ("10.0.0.1", "10.3.3.3, 10.1.1.1", "10.3.3.3"),
        ("2001:db8::1", "198.51.100.7:4711", "198.51.100.7"),
        ("10.0.0.1", "[2001:db8::7]:4711", "2001:db8::7"),
        ("10.0.0.1", "2001:db8::7", "2001:db8::7"),
        ("10.0.0.1", "198.51.100.7, unknown", "10.0.0.1"),
        ("10.0.0.1", " , ", "10.0.0.1"),
        ("::ffff:10.0.0.1", "::ffff:198.51.100.7", "198.51.100.7"),
        ("fe80::1%eth0", "", "fe80::1"),
    ],
)
def test_forwarded_addresses_count_as_far_as_trusted_proxies_vouch_for_them(
    peer: str, forwarded: str, client: str
) -> None:
    assert PROXIES.client(peer, forwarded) == client


def test_what_is_no_network_is_refused_when_the_server_starts() -> None:
    with pytest.raises(UsageError, match=r"--trusted-proxy proxy\.example"):
        Proxies(["proxy.example"])


def test_an_ipv6_customer_is_one_whatever_address_he_chooses() -> None:
    assert customer("2001:db8:1:2::3") == customer("2001:db8:1:2:ffff::4") == "2001:db8:1:2::/64"
    assert customer("2001:db8:1:2::3") != customer("2001:db8:1:3::3")
    assert customer("192.0.2.1") == customer("::ffff:192.0.2.1") == "192.0.2.1"
    assert customer("192.0.2.1") != customer("192.0.2.2")
