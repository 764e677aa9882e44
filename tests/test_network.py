"""WebSockets over real sockets, between two of ours."""

from collections.abc import AsyncIterator

import pytest
import trio

from realtime_engine.inputs import Kind, Message, Side
from realtime_engine.network import Network, open_network
from tests.wires import echo, serving


@pytest.fixture(params=["epoll", "tasks"])
async def network(request: pytest.FixtureRequest) -> AsyncIterator[Network]:
    async with open_network(epoll=request.param == "epoll") as network:
        yield network


@pytest.mark.parametrize("size", [0, 125, 126, 65535, 65536, 5_000_000])
async def test_a_message_of_any_size_goes_there_and_back(network: Network, size: int) -> None:
    raw = b"x" * size
    async with serving(network, echo) as url, network.connect(url) as websocket:
        websocket.write(raw, Kind.TEXT)
        websocket.flush()

        assert await websocket.read() == [Message(Side.UPSTREAM, Kind.TEXT, raw)]


async def test_both_ends_close(network: Network) -> None:
    async with serving(network, echo) as url, network.connect(url) as websocket:
        with trio.fail_after(60):
            await websocket.close(1000, "bye")

        assert websocket.closed == (1000, "")
        assert await websocket.read() == []


async def test_a_network_that_is_cancelled_ends_when_all_its_sockets_are_let_go() -> None:
    with trio.CancelScope() as scope:
        async with open_network() as network, serving(network, echo) as url, network.connect(url) as websocket:
            scope.cancel()
            await websocket.read()

    assert scope.cancelled_caught
