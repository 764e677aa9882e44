"""Who is told when a socket can be read or written: with epoll, and without."""

import socket
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import closing
from math import inf
from time import perf_counter

import pytest
import trio
import trio.testing

import realtime_engine.readiness as readiness_module
from realtime_engine.readiness import LINGER, READ, WRITE, Epoll, Readiness, Tasks, Waiter
from tests.servers import eventually
from tests.wires import tcp_pair


@pytest.fixture(params=["epoll", "tasks"])
async def readiness(request: pytest.FixtureRequest) -> AsyncIterator[Readiness]:
    async with trio.open_nursery() as nursery:
        readiness = Epoll() if request.param == "epoll" else Tasks(nursery)
        nursery.start_soon(readiness.run)
        yield readiness
        nursery.cancel_scope.cancel()
    readiness.close()


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


# --- one who waits ------------------------------------------------------------------------------------------------


async def test_a_task_waits_for_a_socket_and_is_woken_once(readiness: Readiness, ends: Ends) -> None:
    near, far = ends
    with closing(Waiter(readiness, near)) as waiter:
        await waiter.wait(WRITE)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(waiter.wait, READ)
            await settle()
            far.send(b"x")
        await settle()  # there is still something to read, and nobody to tell

        assert near.recv(100) == b"x"
        with trio.move_on_after(0) as scope:
            await waiter.wait(READ)
        far.send(b"y")  # nobody waits any more
        await settle()

        assert scope.cancelled_caught
        await waiter.wait(READ)


# --- to linger ----------------------------------------------------------------------------------------------------


class Poll:
    """Stands in for the kernel's set of sockets: what is ready at each look, and how long each has waited."""

    def __init__(self, *looks: bool) -> None:
        self.waited: list[float] = []
        self._looks = list(looks)

    def poll(self, seconds: float, most: int) -> list[tuple[int, int]]:
        self.waited.append(seconds)
        return [(7, READ)] if self._looks.pop(0) else []

    def close(self) -> None:
        """There is nothing to close."""


async def look(
    poll: Poll,
    tell: Callable[[], object] = lambda: None,
    *,
    times: int = 1,
    due: float = inf,
    linger: float = LINGER,
) -> Sequence[bool]:
    """Wake the network's task so many times; whether it lingered in each look.

    ``due``: when another task has a deadline.
    """
    readiness = Epoll(linger)
    readiness.close()
    readiness._epoll = poll  # type: ignore[assignment]
    others = readiness._others

    def told(_: int) -> None:
        tell()

    readiness._ready[7] = told
    trio.lowlevel.add_instrument(others)
    for _ in range(times):
        others.woken, others.due = 1, due
        readiness._look()
    trio.lowlevel.remove_instrument(others)
    return [seconds > 0 for seconds in poll.waited]


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """No time passes."""
    monkeypatch.setattr(readiness_module, "perf_counter", lambda: 100.0)


@pytest.mark.usefixtures("slow")
async def test_where_nobody_else_has_anything_to_do_the_next_message_is_awaited_on_the_spot() -> None:
    assert await look(Poll(True, True, True, False)) == [False, True, True, True]


async def test_where_others_cannot_wait_nobody_lingers() -> None:
    assert await look(Poll(True), linger=0.0) == [False]


async def test_nobody_lingers_for_longer_than_others_can_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter((0.0, 0.25 * LINGER, 0.75 * LINGER, 1.25 * LINGER))
    monkeypatch.setattr(readiness_module, "perf_counter", lambda: next(times))
    poll = Poll(True, True, True)

    await look(poll)

    assert poll.waited == pytest.approx([0.0, 0.75 * LINGER, 0.25 * LINGER])


@pytest.mark.usefixtures("slow")
async def test_nobody_lingers_past_another_tasks_deadline() -> None:
    poll = Poll(True, False)

    await look(poll, due=100.0 + LINGER / 4)

    assert poll.waited == pytest.approx([0.0, LINGER / 4])


@pytest.mark.usefixtures("slow")
async def test_another_task_that_is_woken_meanwhile_is_not_kept_waiting() -> None:
    event = trio.Event()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(event.wait)
        await settle()
        assert await look(Poll(True), event.set) == [False]


async def test_who_else_has_something_to_do_is_known_and_when_the_next_has(ends: Ends) -> None:
    near, far = ends
    readiness = Epoll()
    others = readiness._others
    readiness.close()
    trio.lowlevel.add_instrument(others)
    before = perf_counter()
    far.send(b"x")
    with trio.move_on_after(1000):
        await trio.lowlevel.wait_readable(near)

        assert others.woken == 1  # this one
        assert 1000 <= others.due - before < 1010
        await trio.lowlevel.checkpoint()
        assert others.woken == 2
    trio.lowlevel.remove_instrument(others)


@pytest.mark.usefixtures("slow")
async def test_who_has_waited_in_vain_waits_the_less_often_the_more_often_that_was() -> None:
    vain, unhurried = (True, False), (True,)

    looks = Poll(*vain, *unhurried, *vain, *unhurried * 2, *vain, *unhurried * 4, True, True, False, *unhurried, *vain)

    lingered = await look(looks, times=13)
    assert lingered == [
        *(False, True),
        *(False,),
        *(False, True),
        *(False, False),
        *(False, True),
        *(False,) * 4,
        *(False, True, True),  # not in vain, before it was
        *(False,),
        *(False, True),
    ]


async def test_what_tasks_leave_for_later_is_done_when_all_have_had_their_turn() -> None:
    readiness = Epoll()
    order: list[str] = []

    async def work() -> None:
        assert readiness.later is not None
        order.append("worked")
        readiness.later(lambda: order.append("called"))

    async with trio.open_nursery() as nursery:
        await work()  # before anybody could call
        nursery.start_soon(readiness.run)
        await settle()
        assert order == ["worked", "called"]
        for _ in range(3):
            nursery.start_soon(work)
        await settle()
        assert order[2:] == ["worked"] * 3 + ["called"] * 3
        await work()
        nursery.cancel_scope.cancel()
    readiness.close()

    assert order[-2:] == ["worked", "called"], "nobody who has something to say goes unheard"
    assert readiness.later is None, "and it is said at once from here on"
