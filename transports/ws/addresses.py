"""Which address a client has: its own, or the one that a trusted proxy forwards."""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final, TypeAlias

from realtime_engine.errors import UsageError

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network

_HOUSE: Final = 64
"""Bits of an IPv6 address that name a customer; the rest are his to choose, so he counts once."""


class Proxies:
    """The proxies whose word on addresses counts; nobody else's does."""

    def __init__(self, trusted: Iterable[str]) -> None:
        self._networks: Sequence[Network] = [_network(text) for text in trusted]

    def client(self, peer: str, forwarded: str) -> str:
        """Whose request it is.

        Each proxy appends whom it was asked by to ``X-Forwarded-For``, so the list is believed from its right end,
        up to the first address that is no trusted proxy.
        """
        address = plain(peer)
        for entry in reversed(forwarded.split(",")) if forwarded else ():
            if not self._trusts(address):
                break
            named = _read(entry)
            if named is None:
                break
            address = named
        return str(address)

    def _trusts(self, address: Address) -> bool:
        return any(address in network for network in self._networks)


@lru_cache(maxsize=1024)
def plain(text: str) -> Address:
    """An address of a socket: without a zone, and IPv4 as such also where it came by an IPv6 socket."""
    address = ip_address(text.partition("%")[0])
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


@lru_cache(maxsize=1024)
def customer(address: str) -> str:
    """Who is counted as one: an IPv4 address, or the first half of an IPv6 address."""
    parsed = plain(address)
    if isinstance(parsed, IPv4Address):
        return str(parsed)
    return str(IPv6Network((int(parsed) >> (128 - _HOUSE) << (128 - _HOUSE), _HOUSE)))


def _read(entry: str) -> Address | None:
    """An entry of ``X-Forwarded-For``; some proxies add the port."""
    text = entry.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        return plain(text)
    except ValueError:
        return None


def _network(text: str) -> Network:
    try:
        return ip_network(text, strict=False)
    except ValueError as error:
        raise UsageError(f"--trusted-proxy {text}: not an address, nor a network such as 10.0.0.0/8") from error
