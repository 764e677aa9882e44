"""What a worker and its supervisor say to each other, and what happens when one of them does not."""

import os
import signal
import socket
import sys
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from time import monotonic, sleep

import msgspec
import pytest
import trio
from structlog.testing import capture_logs
from structlog.typing import EventDict
from trio.testing import wait_all_tasks_blocked

from realtime_engine.metrics import Histogram, Metrics, Totals
from transports.ws import WsOptions
from transports.ws.control import (
    Control,
    Count,
    Counted,
    Free,
    Gather,
    Gathered,
    Leave,
    Message,
    NoPlace,
    Ready,
    Take,
    Taken,
)
from transports.ws.slots import Full
from transports.ws.worker import Place, Worker, open_worker
from transports.ws.workers import supervise


class Supervisor:
    """The other end of a worker's line, as a test wants it."""

    def __init__(self, control: Control) -> None:
        self.control = control
        self._heard: list[Message] = []

    async def hear(self) -> Message:
        while not self._heard:
            with trio.fail_after(10):
                self._heard += await self.control.hear()
        return self._heard.pop(0)


class Held:
    """A worker, its supervisor, and whether it has noticed the loss of it, or was told to leave."""

    def __init__(
        self, worker: Worker, supervisor: Supervisor, metrics: Metrics, lost: trio.Event, leave: trio.Event
    ) -> None:
        self.worker, self.supervisor, self.metrics = worker, supervisor, metrics
        self.lost, self.leave = lost, leave
        self.last: list[Message] = []  # what the worker has said besides, at its end


@asynccontextmanager
async def held() -> AsyncIterator[Held]:
    ours, theirs = socket.socketpair()
    metrics, lost, leave = Metrics(), trio.Event(), trio.Event()
    supervisor = Supervisor(Control(ours))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(supervisor.control.send)
        place = Place(1, theirs.detach(), ())
        async with open_worker(place, metrics, lost=lost.set, leave=leave.set) as worker:
            each = Held(worker, supervisor, metrics, lost, leave)
            yield each
        while messages := await supervisor.control.hear():
            each.last += messages
        nursery.cancel_scope.cancel()
    supervisor.control.close()


def test_a_workers_place_is_told_in_its_environment() -> None:
    place = Place(3, 7, (8, 9))

    assert Place.of(place.write()) == place
    assert Place.of({}) is None


async def test_a_place_is_asked_for_and_given_back() -> None:
    async with held() as each, trio.open_nursery() as nursery:
        nursery.start_soon(each.worker.take, "10.0.0.1")
        asked = await each.supervisor.hear()
        assert isinstance(asked, Take)
        assert asked.address == "10.0.0.1"
        each.supervisor.control.say(Taken(asked.number))
        await wait_all_tasks_blocked()
        each.worker.free("10.0.0.1")
        assert await each.supervisor.hear() == Free("10.0.0.1")


async def test_where_there_is_no_place_the_supervisors_reason_is_told() -> None:
    async def refuse(supervisor: Supervisor) -> None:
        asked = await supervisor.hear()
        assert isinstance(asked, Take)
        supervisor.control.say(NoPlace(asked.number, "all 5 places are taken", "server_full", 10))

    async with held() as each, trio.open_nursery() as nursery:
        nursery.start_soon(refuse, each.supervisor)
        with pytest.raises(Full, match="all 5 places") as full:
            await each.worker.take("10.0.0.1")

    assert (full.value.code, full.value.retry_after_s) == ("server_full", 10)


async def test_a_place_that_is_granted_to_somebody_who_has_gone_is_given_back() -> None:
    async with held() as each:
        with trio.CancelScope() as gone:
            gone.deadline = trio.current_time() + 0.01
            await each.worker.take("10.0.0.1")
        asked = await each.supervisor.hear()
        assert isinstance(asked, Take)
        each.supervisor.control.say(Taken(asked.number))

        assert await each.supervisor.hear() == Free("10.0.0.1")


async def test_the_numbers_are_those_of_all_and_its_own_are_told_when_asked_and_at_the_end() -> None:
    everything = Metrics()
    everything.ended("managed", 1012)

    async def answer(supervisor: Supervisor) -> None:
        asked = await supervisor.hear()
        assert isinstance(asked, Gather)
        supervisor.control.say(Gathered(asked.number, everything.totals()))

    async with held() as each:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(answer, each.supervisor)
            assert (await each.worker.gather()).ended == {"1012": 1}
        each.metrics.ended("managed", 1000)
        each.supervisor.control.say(Count(7))
        told = await each.supervisor.hear()
        assert isinstance(told, Counted)
        assert (told.number, told.totals.ended) == (7, {"1000": 1})
        each.metrics.ended("managed", 1000)

    (last,) = each.last
    assert isinstance(last, Counted)
    assert last.totals.ended == {"1000": 2}


async def test_without_its_supervisor_a_worker_gives_no_place_and_knows_its_own_numbers() -> None:
    async with held() as each:
        each.worker.ready(["http://127.0.0.1:8000/"])
        assert await each.supervisor.hear() == Ready(("http://127.0.0.1:8000/",))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(refused, each.worker)
            await each.supervisor.hear()
            each.supervisor.control.cut()
            with trio.fail_after(10):
                await each.lost.wait()
        await refused(each.worker)
        each.metrics.ended("managed", 1000)
        assert (await each.worker.gather()).ended == {"1000": 1}
        each.worker.free("10.0.0.1")


async def refused(worker: Worker) -> None:
    with pytest.raises(Full, match="restarted"):
        await worker.take("10.0.0.1")


async def test_a_worker_that_is_to_be_started_anew_is_told_to_leave() -> None:
    async with held() as each:
        each.supervisor.control.say(Leave())
        with trio.fail_after(10):
            await each.leave.wait()
        assert not each.lost.is_set()


async def test_a_supervisor_that_hangs_keeps_nobody_waiting_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("transports.ws.worker.PATIENCE", 0.05)

    async with held() as each:
        await refused(each.worker)
        each.metrics.ended("managed", 1000)
        assert (await each.worker.gather()).ended == {"1000": 1}
        asked = await each.supervisor.hear()
        assert isinstance(asked, Take)
        each.supervisor.control.say(Taken(asked.number))  # too late: it goes back
        while await each.supervisor.hear() != Free("10.0.0.1"):
            pass


NONSENSE = [
    Take(1, ""),
    Take(1, "nobody"),
    Counted(0, Totals(connect=Histogram((1.0,), [0, 0]))),
    Counted(0, Totals(silence=Histogram((), [0]))),
    Taken(1),
    Ready(()),
]


@pytest.mark.parametrize("said", NONSENSE, ids=repr)
def test_what_a_worker_says_that_makes_no_sense_costs_that_worker_only(said: Message, tmp_path: Path) -> None:
    script = tmp_path / "worker.py"
    script.write_text(
        "import os, socket, sys, time\n"
        "number, line, *_ = os.environ['ENGINE_WORKER'].split()\n"
        "line = socket.socket(fileno=int(line))\n"
        'line.sendall(b\'{"type":"ready","urls":["http://127.0.0.1/"]}\\n\')\n'
        f"if number == '2': line.sendall({msgspec.json.encode(said) + bytes([10])!r})\n"
        "line.recv(1)\n"
    )
    announced: list[Sequence[str]] = []

    def announce(urls: Sequence[str]) -> None:
        announced.append(urls)
        threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGTERM)).start()

    status = supervise(WsOptions(port=0, workers=2, drain=0), [sys.executable, str(script)], announce)

    assert status == 0
    assert announced == [("http://127.0.0.1/",)]


def test_where_a_renewed_worker_does_not_come_back_the_others_stay(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("transports.ws.workers.LAST", 3.0)
    monkeypatch.setattr("transports.ws.workers.LEAVE", 0.5)
    script, broken, left = tmp_path / "worker.py", tmp_path / "broken", tmp_path / "left"
    script.write_text(
        "import os, pathlib, signal, socket, sys\n"
        f"broken, left = pathlib.Path({str(broken)!r}), pathlib.Path({str(left)!r})\n"
        "number, line, *_ = os.environ['ENGINE_WORKER'].split()\n"
        "if broken.exists(): sys.exit(2)\n"
        "line = socket.socket(fileno=int(line))\n"
        'line.sendall(b\'{"type":"ready","urls":["http://127.0.0.1/"]}\\n\')\n'
        "if number == '2': broken.touch(); os.kill(os.getppid(), signal.SIGHUP)\n"
        "if b'leave' in line.recv(100): left.open('a').write(number)\n"
    )

    def end(logs: Sequence[EventDict]) -> None:
        deadline = monotonic() + 60
        while monotonic() < deadline and not any(line["log_level"] == "error" for line in logs):
            sleep(0.05)
        os.kill(os.getpid(), signal.SIGTERM)

    with capture_logs() as logs:
        ending = threading.Thread(target=end, args=(logs,))
        ending.start()
        supervise(WsOptions(port=0, workers=2, drain=0), [sys.executable, str(script)], lambda _: None)
        ending.join()

    assert left.read_text() == "1"
    assert [line["worker"] for line in logs if line["log_level"] == "error"] == [1]


def test_what_changes_while_workers_are_renewed_is_read_by_all_of_them(tmp_path: Path) -> None:
    script, started = tmp_path / "worker.py", tmp_path / "started"
    started.write_text("")
    script.write_text(
        "import os, pathlib, signal, socket\n"
        f"started = pathlib.Path({str(started)!r})\n"
        "number, line, *_ = os.environ['ENGINE_WORKER'].split()\n"
        "started.open('a').write(number)\n"
        "if started.read_text() == '121': os.kill(os.getppid(), signal.SIGHUP)\n"
        "line = socket.socket(fileno=int(line))\n"
        'line.sendall(b\'{"type":"ready","urls":["http://127.0.0.1/"]}\\n\')\n'
        "if started.read_text() == '12' and number == '2': os.kill(os.getppid(), signal.SIGHUP)\n"
        "line.recv(100)\n"
    )

    def end() -> None:
        deadline = monotonic() + 60
        while monotonic() < deadline and len(started.read_text()) < 6:
            sleep(0.05)
        os.kill(os.getpid(), signal.SIGTERM)

    ending = threading.Thread(target=end)
    ending.start()
    supervise(WsOptions(port=0, workers=2, drain=0), [sys.executable, str(script)], lambda _: None)
    ending.join()

    assert started.read_text() == "121212"


async def test_a_line_is_cut_by_what_cannot_be_understood_and_by_whoever_does_not_read() -> None:
    ours, theirs = socket.socketpair()
    control = Control(ours)
    theirs.sendall(b'{"type":"free","address":"10.0.0.1"}\n')
    assert await control.hear() == [Free("10.0.0.1")]
    theirs.sendall(b'{"type":"nonsense"}\n')
    assert await control.hear() == []
    control.close()
    theirs.close()

    ours, theirs = socket.socketpair()
    control = Control(ours)
    for _ in range(3):
        control.say(Free("x" * (3 << 20)))
    assert theirs.recv(10) == b""
    control.close()
    theirs.close()
