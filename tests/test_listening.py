"""Listening that is stopped, over a link that is asked, and over one that calls."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing
from typing import Final

import pytest
import trio
import trio.testing

from realtime_engine.inputs import Kind, Message, Side
from realtime_engine.link import Link
from realtime_engine.listening import Listening
from realtime_engine.memory import memory_pair
from realtime_engine.network import open_network
from realtime_engine.wire import Wire
from tests.wires import tcp_pair

PATIENCE: Final = 10.0


@asynccontextmanager
async def open_pair(kind: str) -> AsyncIterator[tuple[Link, Link]]:
    if kind == "memory":
        yield memory_pair(Side.FRONT)
        return
    async with open_network() as network:
        near, far = (Wire(sock, network.readiness) for sock in tcp_pair())
        with closing(near), closing(far):
            yield (
                network.websocket(near, Side.FRONT, client=False),
                network.websocket(far, Side.UPSTREAM, client=True),
            )


@pytest.mark.parametrize("kind", ["memory", "websocket"])
async def test_whoever_listens_goes_on_when_it_is_stopped(kind: str) -> None:
    listening = Listening()
    results: list[bool] = []
    async with open_pair(kind) as (near, _), trio.open_nursery() as nursery:

        async def hear() -> None:
            results.append(await listening.hear(near, lambda _: True))

        nursery.start_soon(hear)
        await trio.testing.wait_all_tasks_blocked()
        listening.stop()

    assert results == [False]
    assert listening.stopped


@pytest.mark.parametrize("kind", ["memory", "websocket"])
async def test_it_can_be_stopped_by_what_is_heard(kind: str) -> None:
    listening = Listening()
    heard: list[bytes] = []

    def take(batch: Sequence[Message]) -> bool:
        heard.extend(message.raw for message in batch)
        listening.stop()
        return False

    async with open_pair(kind) as (near, far):
        far.write(b"enough", Kind.TEXT)
        far.flush()
        with trio.fail_after(PATIENCE):
            assert not await listening.hear(near, take)

    assert heard == [b"enough"]


@pytest.mark.parametrize("kind", ["memory", "websocket"])
async def test_a_link_whose_turn_was_over_can_be_heard_again(kind: str) -> None:
    listening = Listening()
    heard: list[bytes] = []

    def take(batch: Sequence[Message]) -> bool:
        heard.extend(message.raw for message in batch)
        return False

    async with open_pair(kind) as (near, far):
        for text in (b"one", b"two"):
            far.write(text, Kind.TEXT)
            far.flush()
            with trio.fail_after(PATIENCE):
                assert await listening.hear(near, take)

    assert heard == [b"one", b"two"]
