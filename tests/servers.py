"""A server for tests: real sockets on a free port of this computer, and the embedded model behind it."""

import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Final

import trio
import trio_websocket

from realtime_engine.network import open_network
from realtime_engine.plugins import ANYTHING, Upstream, Wanted
from realtime_engine.service import Service
from realtime_engine.upstreams.local import Local, LocalOptions
from tests.script import Script
from transports.ws import Ws, WsOptions

PATIENCE: Final = 60.0
"""Seconds that a test waits for what comes at once, on a computer that has much else to do."""


@dataclass(slots=True)
class Served:
    """A server that runs.

    Attributes:
        url: Of its page: ``http://127.0.0.1:PORT``, without a slash at the end.
    """

    ws: Ws
    service: Service
    url: str
    ended: trio.Event = field(default_factory=trio.Event)

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    @property
    def ws_url(self) -> str:
        """The same for WebSockets: add ``/ws`` or ``/v1/realtime``."""
        return f"ws{self.url.removeprefix('http')}"

    async def drain(self) -> None:
        """Stop it, and wait until it has ended."""
        self.ws.drain()
        with trio.fail_after(PATIENCE):
            await self.ended.wait()


@asynccontextmanager
async def open_server(
    options: WsOptions | None = None, *, upstream: Upstream | None = None, **service: Any
) -> AsyncIterator[Served]:
    """Serve for as long as the block lasts; ``service`` is what else the `Service` is made from."""
    ws = Ws(replace(options or WsOptions(), port=0))
    async with open_network() as network, trio.open_nursery() as nursery:
        made = Service(upstream=upstream or model(), network=network, **service)

        async def serve(task_status: trio.TaskStatus[str]) -> None:
            async with trio.open_nursery() as inner:
                urls = await inner.start(lambda task_status: ws.serve(made, task_status=task_status))
                task_status.started(urls[0].removesuffix("/"))
            served.ended.set()

        served = Served(ws, made, "")
        served.url = await nursery.start(serve)
        yield served
        nursery.cancel_scope.cancel()


def model(**options: Any) -> Local:
    """The embedded model, which beeps: no test listens to what it says."""
    return Local(LocalOptions(speech="tones", **options))


class Scripted:
    """An upstream whose connections are scripts, made anew for each; it remembers what was asked for, and said."""

    Options: ClassVar[type] = object
    name = "scripted"

    def __init__(self, script: Callable[[], Script] = Script, **by_model: Callable[[], Script]) -> None:
        self._script = script
        self._by_model = by_model
        self.wanted: list[Wanted] = []
        self.scripts: list[Script] = []

    def connect(self, wanted: Wanted = ANYTHING) -> Script:
        self.wanted.append(wanted)
        self.scripts.append(self._by_model.get(wanted.model or "", self._script)())
        return self.scripts[-1]


async def eventually(true: Callable[[], bool] | Callable[[], Awaitable[bool]]) -> None:
    """Wait for something that comes soon, and that nobody tells."""
    with trio.fail_after(PATIENCE):
        while True:
            found = true()
            if found if isinstance(found, bool) else await found:
                return
            await trio.sleep(0.01)


async def say(server: Served, said: bytes) -> bytes:
    """Say this over a new connection; all that is answered until the server ends it.

    It is said before the server has its turn, which so finds it there, however long the computer keeps it waiting.
    """
    client = socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE)
    client.sendall(said)
    client.setblocking(False)
    answer = b""
    with trio.fail_after(PATIENCE):
        async with trio.SocketStream(trio.socket.from_stdlib_socket(client)) as stream:
            async for data in stream:
                answer += data
    return answer


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


# --- clients --------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Client:
    """A Realtime client over trio-websocket: an independent peer."""

    connection: trio_websocket.WebSocketConnection

    async def say(self, event: dict[str, Any] | str | bytes) -> None:
        await self.connection.send_message(json.dumps(event) if isinstance(event, dict) else event)

    async def hear(self, *kinds: str) -> dict[str, Any]:
        """The next event, of these types if any are given; what comes before it is thrown away."""
        with trio.fail_after(PATIENCE):
            while True:
                event: dict[str, Any] = json.loads(await self.connection.get_message())
                if not kinds or event["type"] in kinds:
                    return event

    async def ask(self, text: str = "Hello?") -> dict[str, Any]:
        """A typed turn: the ``response.done`` that it leads to."""
        item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}
        await self.say({"type": "conversation.item.create", "item": item})
        await self.say({"type": "response.create"})
        return await self.hear("response.done")

    async def closing(self) -> tuple[int, str]:
        """With which code and reason the server ends the connection, whatever it says before."""
        with trio.fail_after(PATIENCE), suppress(trio_websocket.ConnectionClosed):
            while True:
                await self.connection.get_message()
        closed = self.connection.closed
        assert closed is not None
        return closed.code, closed.reason or ""


@asynccontextmanager
async def open_client(url: str, **more: Any) -> AsyncIterator[Client]:
    """A client that has connected; ``more`` is passed on to trio-websocket.

    Where the server ends the connection, that library leaves its socket open.
    """
    async with trio_websocket.open_websocket_url(url, **more) as connection:
        try:
            yield Client(connection)
        finally:
            if connection.closed is not None:
                await trio.aclose_forcefully(connection._stream)
