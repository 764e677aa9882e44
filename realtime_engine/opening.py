"""How a client gets to its server, whatever that is."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, cast

from realtime_engine.errors import UsageError
from realtime_engine.inputs import Side
from realtime_engine.link import Link
from realtime_engine.machine_link import open_machine
from realtime_engine.plugins import LinkUpstream, Upstream, Wanted, for_conversation, is_machine
from realtime_engine.upstreams.named import upstream_named

if TYPE_CHECKING:
    from realtime_engine.network import Network


def upstream_of(named: str | Upstream, *, key: str | None, headers: Mapping[str, str] | None) -> Upstream:
    """The upstream that an application means, or has made.

    Raises:
        UsageError: There is none of that name, or a key or headers are given for one that takes none.
    """
    if isinstance(named, str):
        return upstream_named(named, key=key, headers=headers)
    if key is not None or headers:
        raise UsageError(f"a key and headers are for a server's address: the upstream {named.name!r} has its own")
    return named


def sockets(upstream: Upstream, network: "Network | None") -> AbstractAsyncContextManager["Network | None"]:
    """The network that an upstream needs: the one that is there, one of its own, or none."""
    if network is not None or is_machine(upstream):
        return nullcontext(network)
    from realtime_engine.network import open_network

    return open_network()


def open_link(
    upstream: Upstream, network: "Network | None", wanted: Wanted, clock: Callable[[], float]
) -> AbstractAsyncContextManager[Link]:
    """Connect, for as long as the block lasts; each time from the beginning, where an upstream has one.

    Raises:
        UpstreamError: It refused, or did not answer in time.
    """
    upstream = for_conversation(upstream)
    if is_machine(upstream):
        return open_machine(Side.UPSTREAM, upstream.connect(wanted), clock)
    return cast("LinkUpstream", upstream).open(clock, cast("Network", network), wanted)


@contextmanager
def alone() -> Iterator[None]:
    """What goes wrong alone is raised alone, though a nursery raises groups."""
    try:
        yield
    except BaseExceptionGroup as group:
        if len(group.exceptions) > 1:
            raise
        (error,) = group.exceptions
        context = error.__context__
        try:
            raise error
        finally:
            error.__context__ = context
