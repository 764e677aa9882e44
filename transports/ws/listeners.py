"""The sockets that the server listens at, and the loop that takes its clients in, whatever the system is short of."""

import errno
import resource
import socket
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from typing import Any, Final, TypeAlias

import trio

from realtime_engine.errors import UsageError
from realtime_engine.journal import log
from realtime_engine.readiness import READ, Readiness, Waiter
from transports.ws.origins import is_host

BACKLOG: Final = 1024
"""Connections that may wait to be taken in: a burst, not a state."""

AT_ONCE: Final = 16
"""Connections that are taken in before all other tasks have their turn."""

BACK_OFF: Final = 0.1
"""Seconds until the next try where there is no room for another connection."""

MOST_DESCRIPTORS: Final = 1 << 16

_OWN: Final[Mapping[str, str]] = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - nothing is bound by it
_FULL: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS})
_TRIES: Final = 10  # for a port that is free at all addresses of a name

SocketAddress: TypeAlias = tuple[Any, ...]
"""What the system calls an address: the host, the port, and for IPv6 a flow and a zone."""

Take: TypeAlias = Callable[[socket.socket, str], None]
"""Takes a connection in, with the address of its client."""


def bind(host: str, port: int) -> list[socket.socket]:
    """Sockets that listen at all addresses of a name, at the same port.

    Raises:
        UsageError: The name, the address or the port cannot be used.
    """
    addresses = _addresses(host, port)
    for _ in range(_TRIES):
        sockets: list[socket.socket] = []
        try:
            for family, address in addresses:
                chosen = sockets[0].getsockname()[1] if sockets else port
                sockets.append(_listen(family, (address[0], chosen, *address[2:])))
        except OSError as error:
            for opened in sockets:
                opened.close()
            if port == 0 and error.errno == errno.EADDRINUSE:
                continue
            raise _explain(host, port, error) from error
        return sockets
    raise UsageError(f"--host {host}: no port is free at all of its addresses")


def urls(listeners: Iterable[socket.socket], scheme: str, name: str) -> Sequence[str]:
    """Where whoever listens can be asked, by each address.

    An address that stands for all of this computer's can be opened by nobody: its own is shown instead, and the name
    by which others may know it.
    """
    found = []
    for listener in listeners:
        address, port = listener.getsockname()[:2]
        hosts = [_OWN[address], *([name] if is_host(name) else [])] if address in _OWN else [address]
        found += [f"{scheme}://[{host}]:{port}/" if ":" in host else f"{scheme}://{host}:{port}/" for host in hosts]
    return found


async def accept_all(listener: socket.socket, readiness: Readiness, take: Take, make_room: Callable[[], bool]) -> None:
    """Take in all that come, for ever. ``make_room`` is asked for some where there are no descriptors left."""
    full = False
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # what is accepted has it from there
    with closing(Waiter(readiness, listener)) as waiter:
        while True:
            await waiter.wait(READ)
            try:
                for _ in range(AT_ONCE):
                    connection, address = listener.accept()
                    connection.setblocking(False)  # noqa: FBT003 - its name in the library
                    take(connection, address[0])
            except BlockingIOError:
                full = False  # that was all, or another process was faster
            except OSError as error:
                if error.errno in _FULL:
                    if not full:
                        log().warning("there is no room for another connection", why=error.strerror)
                    full = True
                    await trio.sleep(0 if make_room() else BACK_OFF)
                # or this client has gone already


def raise_descriptor_limit() -> int:
    """Have as many descriptors as the system lets a process have, and say how many: each conversation takes two."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, MOST_DESCRIPTORS)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return MOST_DESCRIPTORS if soft == resource.RLIM_INFINITY else soft
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    except (OSError, ValueError):
        return soft
    return wanted


def _addresses(host: str, port: int) -> Sequence[tuple[int, SocketAddress]]:
    """The addresses of a name, each once; ``localhost`` is always this computer (RFC 6761)."""
    if host.lower() == "localhost":
        loopback = [(int(socket.AF_INET), ("127.0.0.1", port)), (int(socket.AF_INET6), ("::1", port))]
        return [one for one in loopback if _is_there(*one)]
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (socket.gaierror, UnicodeError) as error:
        raise UsageError(f"--host {host}: not an address of this computer, nor a name of one") from error
    return list(dict.fromkeys((int(family), address) for family, _, _, _, address in found))


def _is_there(family: int, address: SocketAddress) -> bool:
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.bind((address[0], 0))
    except OSError:
        return False
    return True


def _listen(family: int, address: SocketAddress) -> socket.socket:
    opened = socket.socket(family, socket.SOCK_STREAM)
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        opened.bind(address)
        opened.listen(BACKLOG)
        opened.setblocking(False)  # noqa: FBT003 - its name in the library
    except OSError:
        opened.close()
        raise
    return opened


def _explain(host: str, port: int, error: OSError) -> UsageError:
    match error.errno:
        case errno.EADDRINUSE:
            return UsageError(f"--port {port}: something else listens there: choose another, or 0 for any that is free")
        case errno.EACCES:
            return UsageError(f"--port {port}: ports below 1024 are not for everybody: choose a higher one")
        case errno.EADDRNOTAVAIL:
            return UsageError(f"--host {host}: not an address of this computer")
    return UsageError(f"--host {host} --port {port}: cannot listen there: {error.strerror}")
