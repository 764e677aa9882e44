"""A thousand idle clients and fifty that talk, for ten minutes: nothing is lost or reordered, nothing grows.

    python -m tests.system.relay_soak [MINUTES]

The server runs in one process, a scripted upstream in another; this one is all the clients. The talking ones send
numbered microphone audio as fast as a person makes it, and the upstream answers each piece with two of the same.
"""

import argparse
import os
import resource
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from statistics import linear_regression
from typing import Final

import msgspec
import trio

from realtime_engine.audio import encode_base64
from realtime_engine.errors import UpstreamError
from realtime_engine.inputs import Kind, Message
from realtime_engine.network import Network, open_network
from realtime_engine.websocket import WebSocket
from tests.wires import free_port, serving

IDLE: Final = 1000
TALKING: Final = 50
EVERY: Final = 8192 / 48_000  # seconds between two pieces of audio
MOST_DESCRIPTORS: Final = 5  # more than before
BOUNDS: Final = {
    "bytes per idle session": 40 * 1024,
    "bytes a minute": 1024 * 1024,
    "descriptors left": MOST_DESCRIPTORS,
}
AT_A_TIME: Final = 20  # sessions that are opened together
SETTLE: Final = 15.0  # seconds until what a burst has left behind is given back

CREATED: Final = b'{"type":"session.created","event_id":"event_0","session":{"type":"realtime"}}'
APPEND: Final = b'{"event_id":"%d","type":"input_audio_buffer.append","audio":"%b"}'
DELTA: Final = (
    b'{"type":"response.output_audio.delta","event_id":"%b_%d","response_id":"resp_1","item_id":"item_1",'
    b'"output_index":0,"content_index":0,"delta":"%b"}'
)


class Append(msgspec.Struct):
    event_id: str
    audio: str


class Delta(msgspec.Struct):
    event_id: str
    delta: str


async def answer(websocket: WebSocket) -> None:
    """The scripted upstream: each piece of audio comes back twice."""
    websocket.write(CREATED, Kind.TEXT)
    websocket.flush()
    while batch := await websocket.read():
        for message in batch:
            append = msgspec.json.decode(message.raw, type=Append)
            for number in range(2):
                delta = DELTA % (append.event_id.encode(), number, append.audio.encode())
                websocket.write(delta, Kind.TEXT)
        websocket.flush()
        await websocket.drain()
    await websocket.close(1000, "")


async def upstream() -> None:
    """Serve until somebody ends the process; the port is the only word on standard output."""
    async with open_network() as network, serving(network, answer) as url:
        print(url, flush=True)
        await trio.sleep_forever()


class Talker:
    """A client that talks, and checks all that it hears."""

    def __init__(self, websocket: WebSocket, number: int) -> None:
        self._websocket = websocket
        self._audio = encode_base64(bytes([number % 256]) * 8192)
        self._said = 0
        self._heard = 0

    async def talk(self) -> None:
        start = trio.current_time()
        while True:
            self._websocket.write(APPEND % (self._said, self._audio), Kind.TEXT)
            self._websocket.flush()
            self._said += 1
            await trio.sleep_until(start + self._said * EVERY)

    async def listen(self) -> None:
        assert not await self._websocket.listen(self._take), "the server has closed"
        raise AssertionError(f"the server has closed: {self._websocket.closed}")

    @property
    def passed(self) -> int:
        """Messages that went through the server."""
        return self._said + self._heard

    async def hear_the_rest(self) -> None:
        while self._heard < 2 * self._said:  # noqa: ASYNC110 - once, at the very end
            await trio.sleep(0.01)

    def _take(self, batch: Sequence[Message]) -> bool:
        for message in batch:
            delta = msgspec.json.decode(message.raw, type=Delta)
            expected = f"{self._heard // 2}_{self._heard % 2}"
            assert delta.event_id == expected, f"{delta.event_id} came instead of {expected}"
            assert delta.delta.encode() == self._audio
            self._heard += 1
        return True


class Process:
    """The server as the system sees it."""

    def __init__(self, pid: int) -> None:
        self._proc = Path(f"/proc/{pid}")

    @property
    def memory(self) -> int:
        """Bytes that it holds."""
        return int((self._proc / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    @property
    def descriptors(self) -> int:
        """Open files and sockets."""
        return sum(1 for _ in (self._proc / "fd").iterdir())


@asynccontextmanager
async def processes() -> AsyncIterator[tuple[Process, str]]:
    """The upstream and the server; the server's URL."""
    command = [sys.executable, "-m", "tests.system.relay_soak", "--upstream"]
    port = free_port()
    async with trio.open_nursery() as nursery:
        upstream = await nursery.start(partial(trio.run_process, command, stdout=subprocess.PIPE, check=False))
        url = (await upstream.stdout.receive_some()).decode().strip()
        serve = [sys.executable, "-m", "cli", "serve", "--transport", "ws", "--port", str(port), "--upstream", url]
        serve += ["--max-sessions", "2000", "--max-sessions-per-address", "2000", "--log", "json"]
        environment = {**os.environ, "OPENAI_API_KEY": "sk-soak"}
        run = partial(trio.run_process, serve, env=environment, stderr=subprocess.DEVNULL, check=False)
        server = await nursery.start(run)
        yield Process(server.pid), f"ws://127.0.0.1:{port}/v1/realtime"
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def some_sessions(network: Network, url: str, count: int) -> AsyncIterator[Sequence[WebSocket]]:
    """So many sessions, each after its first event."""
    sessions: list[WebSocket] = []

    async def open_one() -> None:
        websocket = await stack.enter_async_context(network.connect(url))
        (created,) = await websocket.read()
        assert created.raw == CREATED
        sessions.append(websocket)

    async with AsyncExitStack() as stack:
        while len(sessions) < count:
            async with trio.open_nursery() as nursery:
                for _ in range(min(AT_A_TIME, count - len(sessions))):
                    nursery.start_soon(open_one)
        yield sessions
        with trio.move_on_after(10):
            async with trio.open_nursery() as nursery:
                for websocket in sessions:
                    nursery.start_soon(websocket.close, 1000, "")


async def soak(minutes: float) -> dict[str, float]:
    """Hold all the sessions for so long; what was measured."""
    async with processes() as (server, url), open_network() as network:
        await until_served(network, url)
        async with some_sessions(network, url, TALKING):
            pass  # what the first sessions load is no session's own
        await trio.sleep(SETTLE)
        descriptors = server.descriptors
        async with some_sessions(network, url, TALKING) as sessions, trio.open_nursery() as listening:
            talkers = [Talker(websocket, number) for number, websocket in enumerate(sessions)]
            for talker in talkers:
                listening.start_soon(talker.listen)
            async with trio.open_nursery() as talking:
                for talker in talkers:
                    talking.start_soon(talker.talk)
                await trio.sleep(SETTLE)
                before = server.memory
                async with some_sessions(network, url, IDLE) as idle:
                    for websocket in idle:
                        listening.start_soon(stay, websocket)
                    await trio.sleep(SETTLE)
                    per_session = (server.memory - before) / IDLE
                    slope = await watch_memory(server, minutes)
                    talking.cancel_scope.cancel()
                    with trio.CancelScope(shield=True), trio.fail_after(60):
                        for talker in talkers:
                            await talker.hear_the_rest()
                        listening.cancel_scope.cancel()
        with trio.move_on_after(60):
            while server.descriptors > descriptors + MOST_DESCRIPTORS:  # noqa: ASYNC110 - another process tells nobody
                await trio.sleep(0.5)
        return {
            "messages": float(sum(talker.passed for talker in talkers)),
            "bytes per idle session": per_session,
            "bytes a minute": slope,
            "descriptors left": float(server.descriptors - descriptors),
        }


async def until_served(network: Network, url: str) -> None:
    """Wait until the server lets somebody in."""
    while True:
        try:
            async with network.connect(url):
                return
        except UpstreamError:
            await trio.sleep(0.1)


async def stay(websocket: WebSocket) -> None:
    """Say nothing, and hear nothing, but pings."""
    batch = await websocket.read()
    raise AssertionError(f"an idle session has heard {batch or websocket.closed}")


async def watch_memory(server: Process, minutes: float) -> float:
    """By how many bytes a minute the server's memory grows."""
    times: list[float] = []
    sizes: list[float] = []
    start = trio.current_time()
    while not times or times[-1] < minutes:
        await trio.sleep(2)
        times.append((trio.current_time() - start) / 60)
        sizes.append(float(server.memory))
    return linear_regression(times, sizes).slope


def main() -> int:
    """Soak, and say what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("minutes", nargs="?", type=float, default=10.0)
    parser.add_argument("--upstream", action="store_true", help="be the scripted upstream")
    arguments = parser.parse_args()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # two sockets for each of more than a thousand
    if arguments.upstream:
        trio.run(upstream)
    measured = trio.run(soak, arguments.minutes)
    bad = []
    for what, bound in BOUNDS.items():
        print(f"{what}: {measured[what]:,.0f} (at most {bound:,})")
        if measured[what] > bound:
            bad.append(what)
    print(f"{measured['messages']:,.0f} messages, none lost, none out of order")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
