"""Who is told when a socket can be read or written: with epoll, and without."""

import socket
from collections.abc import AsyncIterator, Iterator

import pytest
import trio
import trio.testing

from realtime_engine.readiness import READ, WRITE, Epoll, Readiness, Tasks
from tests.servers import eventually
from tests.wires import tcp_pair


@pytest.fixture(params=["epoll", "tasks"])
async def readiness(request: pytest.FixtureRequest) -> AsyncIterator[Readiness]:
    async with trio.open_nursery() as nursery:
        readiness = Epoll() if request.param == "epoll" else Tasks(nursery)
        nursery.start_soon(readiness.run)
        yield readiness
        nursery.cancel_scope.cancel()


async def settle() -> None:
    """Until nobody has anything to do; sockets need a moment."""
    await trio.testing.wait_all_tasks_blocked(0.01)


async def settle_at(told: list[int], *expected: int) -> None:
    """Until so much is told, however long the system takes, and nobody has anything to do."""
    await eventually(lambda: len(told) >= len(expected))
    await settle()
    assert told == list(expected)


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    near, far = tcp_pair()
    near.setblocking(False)
    yield near, far
    near.close()
    far.close()


Ends = tuple[socket.socket, socket.socket]


async def test_one_is_told_of_what_one_asked_for_and_of_nothing_else(readiness: Readiness, ends: Ends) -> None:
    near, far = ends
    told: list[int] = []

    def tell(bits: int) -> None:
        told.append(bits)
        if bits & READ:
            near.recv(100)
        else:
            readiness.watch(near, READ, tell)

    readiness.watch(near, READ, tell)
    readiness.watch(near, READ, tell)
    await settle()
    assert told == []
    far.send(b"x")
    await settle_at(told, READ)
    readiness.watch(near, READ | WRITE, tell)
    await settle_at(told, READ, WRITE)
    readiness.watch(near, 0, tell)
    far.send(b"x")
    await settle_at(told, READ, WRITE)
    readiness.watch(near, READ, tell)
    await settle_at(told, READ, WRITE, READ)
    readiness.forget(near)


async def test_who_is_forgotten_hears_nothing_more_and_can_be_watched_again(readiness: Readiness, ends: Ends) -> None:
    near, far = ends
    told: list[int] = []
    readiness.watch(near, READ, told.append)
    await settle()
    readiness.forget(near)
    readiness.forget(near)
    far.send(b"x")
    await settle()
    assert told == []

    def tell(bits: int) -> None:
        told.append(bits)
        readiness.forget(near)

    readiness.watch(near, READ, tell)
    await settle_at(told, READ)


async def test_of_two_that_are_ready_at_once_one_may_forget_the_other(readiness: Readiness, ends: Ends) -> None:
    others = tcp_pair()
    told: list[int] = []
    both = (ends[0], others[0])

    def tell(bits: int) -> None:
        told.append(bits)
        for sock in both:
            readiness.forget(sock)

    for sock in both:
        readiness.watch(sock, READ, tell)
    await settle()
    for far in (ends[1], others[1]):
        far.send(b"x")
    await settle_at(told, READ)

    for sock in others:
        sock.close()


async def test_many_that_are_always_ready_let_other_tasks_have_their_turn(readiness: Readiness) -> None:
    pairs = [tcp_pair() for _ in range(3)]
    told = 0

    def tell(bits: int) -> None:
        nonlocal told
        told += 1

    for near, far in pairs:
        far.send(b"x")
        readiness.watch(near, READ, tell)
    with trio.fail_after(10):
        while told < 100:
            await trio.lowlevel.checkpoint()
    for near, far in pairs:
        readiness.forget(near)
        near.close()
        far.close()
