"""Through which names the server may be asked, and by which web pages: exact lists.

``Host`` is checked so that a foreign page cannot make its own name point here (DNS rebinding), ``Origin`` because a
browser opens WebSockets from any page to anywhere, with cookies. Clients that are no browsers send no ``Origin``.
"""

import re
from collections.abc import Collection, Iterable
from ipaddress import ip_address
from typing import Final

from realtime_engine.errors import UsageError

LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})
_HOST: Final = re.compile(r"(?:[A-Za-z0-9._-]+|\[([!-~]+)\])(?::[0-9]*)?")
_SCHEME: Final = re.compile(r"[a-z][a-z0-9+.-]*")  # an extension of a browser has one of its own
_OWN_PORTS: Final = {"http": ":80", "https": ":443"}


def is_loopback(host: str) -> bool:
    """Whether only this computer reaches what is bound to this name or address; no name is looked up."""
    if host.lower() == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


class Hosts:
    """The names by which the server may be asked.

    Attributes:
        names: With a port, only that port; without, any.
    """

    def __init__(self, bound: str, allowed: Iterable[str]) -> None:
        names = {_host_text(host) for host in (bound, *allowed)}
        self.names: Collection[str] = LOOPBACK | {name.lower() for name in names if name}

    def allow(self, host: str, local: str) -> bool:
        """Whether a ``Host`` is on the list, or is the very address, ``local``, that the client has connected to.

        An address cannot be made to point elsewhere, as a name can.
        """
        host = host.lower()
        name = without_port(host)
        return host in self.names or name in self.names or name == _host_text(local)


class Origins:
    """The web pages that may ask: those of the server itself, and those that are listed."""

    def __init__(self, allowed: Iterable[str]) -> None:
        self._allowed = frozenset(map(_origin, allowed))

    def allow(self, origin: str | None, host: str) -> bool:
        """Whether a page of this ``Origin`` may ask the server by this ``Host``."""
        if origin is None:
            return True
        origin, host = origin.lower(), host.lower()
        return origin in (f"http://{host}", f"https://{host}") or origin in self._allowed


def without_port(host: str) -> str:
    """The name, or the address in its brackets, of a ``Host`` header."""
    end = host.rfind("]") if host.startswith("[") else -1
    colon = host.find(":", end + 1)
    return host if colon < 0 else host[:colon]


def is_host(text: str) -> bool:
    """Whether this can stand in a ``Host`` header: a name or an address, and perhaps a port."""
    host = _HOST.fullmatch(text)
    return host is not None and (host[1] is None or is_address(host[1]))


def is_address(text: str) -> bool:
    """Whether this is an IP address."""
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _host_text(host: str) -> str:
    """A name or an address as it stands in a ``Host`` header."""
    return f"[{host}]" if ":" in host and is_address(host) else host


def check_hosts(allowed: Iterable[str]) -> None:
    """See that each can stand in a ``Host`` header.

    Raises:
        UsageError: One cannot.
    """
    for host in allowed:
        if not is_host(_host_text(host)):
            raise UsageError(f"--allow-host {host}: not a host: give a name or an address, perhaps with :PORT")


def check_bound(host: str) -> None:
    """See that this is the name or the address of a computer, and nothing else.

    Raises:
        UsageError: It is not.
    """
    if not is_address(host) and (not is_host(host) or without_port(host) != host or host.startswith("[")):
        raise UsageError(f"--host {host!r}: give a name or an address alone, without brackets; the port is for --port")


def _origin(text: str) -> str:
    """An origin as browsers write it: ``null``, or scheme, name, and the port where it is not the scheme's own.

    Raises:
        UsageError: It is none.
    """
    if text == "null":
        return text
    scheme, _, host = text.lower().removesuffix("/").partition("://")
    if not _SCHEME.fullmatch(scheme) or not is_host(host):
        raise UsageError(f"--allow-origin {text}: not an origin: give https://NAME, perhaps with :PORT, and no more")
    return f"{scheme}://{host.removesuffix(_OWN_PORTS.get(scheme, ':'))}"
