"""Serve until a signal comes: the first lets the conversations end, the second ends them."""

import signal
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Final, TypeAlias

import trio

from cli.collecting import collecting_seldom
from realtime_engine.servers import Server
from realtime_engine.service import Service

OpenService: TypeAlias = Callable[[], AbstractAsyncContextManager[Service]]

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


def serve_until_told(server: Server, open_service: OpenService, *, announce: Callable[[Sequence[str]], None]) -> int:
    """Serve, and give the exit status.

    Args:
        server: Who serves.
        open_service: What is served, for as long as the block lasts.
        announce: Told the addresses, once somebody could connect.

    Raises:
        UsageError: It cannot begin.
    """
    with collecting_seldom():
        return trio.run(_Serving(server).run, open_service, announce)


class _Serving:
    def __init__(self, server: Server) -> None:
        self._server = server
        self._status = 0

    async def run(self, open_service: OpenService, announce: Callable[[Sequence[str]], None]) -> int:
        with trio.open_signal_receiver(*_SIGNALS) as signals:
            async with open_service() as service, trio.open_nursery() as nursery:
                async with trio.open_nursery() as serving:
                    announce(await serving.start(self._server.serve, service))
                    nursery.start_soon(self._heed, signals, serving.cancel_scope)
                nursery.cancel_scope.cancel()
        return self._status

    async def _heed(self, signals: AsyncIterator[int], serving: trio.CancelScope) -> None:
        """The first signal drains; SIGTERM is how a server is asked to end, so it is no failure. The second is one."""
        first = await anext(signals)
        self._status = 0 if first == signal.SIGTERM else 128 + first
        self._server.drain()
        self._status = 128 + await anext(signals)
        serving.cancel()
