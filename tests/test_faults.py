"""The proxy that spoils connections does what each toxic says, and nothing else."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest
import trio

from tests.faults import FaultProxy, open_proxy

PATIENCE = 60.0
WORDS = bytes(range(256)) * 40


@asynccontextmanager
async def echoing() -> AsyncIterator[FaultProxy]:
    """A proxy in front of a server that says back what it is told."""

    async def echo(stream: trio.SocketStream) -> None:
        with suppress(trio.BrokenResourceError):
            async for data in stream:
                await stream.send_all(data)

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(trio.serve_tcp, echo, 0)
        async with open_proxy(listeners[0].socket.getsockname()[1]) as proxy:
            yield proxy
        nursery.cancel_scope.cancel()


async def exchange(proxy: FaultProxy, words: bytes = WORDS) -> tuple[bytes, float, list[int]]:
    """Say something: what comes back to its end, how long that took, and the sizes in which it came."""
    began = trio.current_time()
    heard, sizes = b"", []
    with trio.fail_after(PATIENCE):
        stream = await trio.open_tcp_stream("127.0.0.1", proxy.port)
        async with stream:
            await stream.send_all(words)
            await stream.send_eof()
            async for data in stream:
                heard += data
                sizes.append(len(data))
    return heard, trio.current_time() - began, sizes


async def test_without_toxics_it_is_not_there() -> None:
    async with echoing() as proxy:
        heard, _, _ = await exchange(proxy)

    assert heard == WORDS
    assert (proxy.up.passed, proxy.down.passed, proxy.connections) == (len(WORDS), len(WORDS), 1)


async def test_latency_bandwidth_and_a_slow_close_take_their_time_and_lose_nothing() -> None:
    async with echoing() as proxy:
        for toxic, value, least in (("latency", 0.2, 0.2), ("bandwidth", 50_000.0, 0.2), ("slow_close", 0.2, 0.2)):
            setattr(proxy.down, toxic, value)
            heard, seconds, _ = await exchange(proxy)
            proxy.down.clear()

            assert heard == WORDS
            assert seconds >= least


async def test_a_slicer_gives_small_pieces() -> None:
    async with echoing() as proxy:
        proxy.down.slicer, proxy.down.slicer_delay = 16, 0.002

        heard, _, sizes = await exchange(proxy, WORDS[:256])

    assert heard == WORDS[:256]
    assert len(sizes) > 1


async def test_a_limit_of_data_ends_the_connection_and_a_reset_breaks_it() -> None:
    async with echoing() as proxy:
        proxy.down.limit_data = 100
        heard, _, _ = await exchange(proxy)
        assert heard == WORDS[:100]

        proxy.down.clear()
        proxy.down.reset_peer = proxy.down.passed + 50
        with pytest.raises(trio.BrokenResourceError):
            await exchange(proxy)


async def test_a_timeout_lets_nothing_through_and_then_ends_the_connection() -> None:
    async with echoing() as proxy:
        proxy.down.timeout = 0.1

        heard, seconds, _ = await exchange(proxy)

    assert heard == b""
    assert seconds >= 0.1


async def test_who_is_stopped_goes_on_later() -> None:
    async with echoing() as proxy, trio.open_nursery() as nursery:
        proxy.down.stop()
        proxy.down.go_on()
        proxy.down.go_on()
        proxy.down.stop()

        async def go_on() -> None:
            await trio.sleep(0.1)
            proxy.down.go_on()

        nursery.start_soon(go_on)
        heard, seconds, _ = await exchange(proxy)

    assert heard == WORDS
    assert seconds >= 0.1


async def test_a_proxy_that_is_down_breaks_what_is_open_and_takes_nobody_until_it_is_up() -> None:
    async with echoing() as proxy:
        async with await trio.open_tcp_stream("127.0.0.1", proxy.port) as stream:
            await stream.send_all(b"x")
            assert await stream.receive_some() == b"x"
            proxy.disable()
            with pytest.raises(trio.BrokenResourceError), trio.fail_after(PATIENCE):
                await stream.receive_some()
        with pytest.raises((trio.BrokenResourceError, OSError)):
            await exchange(proxy)

        proxy.enable()

        assert (await exchange(proxy))[0] == WORDS
