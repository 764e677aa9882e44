"""Several processes serve at one port: the limits hold for all together, and the loss of one is that one's only."""

import json
import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from time import monotonic, sleep
from typing import Final

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect
from websockets.sync.connection import Connection

from tests.served import PATIENCE, Served, served

KILLS: Final = int(os.environ.get("ENGINE_WORKER_KILLS", "3"))
LOCAL: Final = ("--upstream", "local", "--speech", "tones", "--log", "json")


def eventually(check: Callable[[], object]) -> None:
    """Wait until it is so; what is waited for happens in other processes."""
    deadline = monotonic() + PATIENCE
    while not check():
        assert monotonic() < deadline, check
        sleep(0.05)


def lines(server: Served, event: str) -> list[dict[str, object]]:
    return [line for line in map(json.loads, list(server.said)) if line["event"] == event]


def workers(server: Served) -> list[int]:
    """The processes of the workers that run."""
    pids = [int(str(line["pid"])) for line in lines(server, "worker is ready")]
    return [pid for pid in pids if Path(f"/proc/{pid}/exe").exists()]  # a zombie has none


def metric(server: Served, sample: str) -> float:
    """One of the numbers of ``/metrics``."""
    with urllib.request.urlopen(f"{server.http}/metrics") as answer:
        text = answer.read().decode()
    found = re.search(rf"^{re.escape(sample)} (\S+)$", text, re.MULTILINE)
    return float(found[1]) if found else 0.0


@contextmanager
def talking(server: Served, number: int) -> Iterator[list[Connection]]:
    """So many conversations, all begun."""
    with ExitStack() as stack:
        clients = [stack.enter_context(connect(server.realtime)) for _ in range(number)]
        for client in clients:
            assert json.loads(client.recv(timeout=PATIENCE))["type"] == "session.created"
        yield clients


def is_open(client: Connection) -> bool:
    """Whether a conversation goes on: a question is answered."""
    try:
        client.send(json.dumps({"type": "conversation.item.retrieve", "item_id": "none"}))
        return bool(json.loads(client.recv(timeout=PATIENCE))["type"] == "error")
    except ConnectionClosed:
        return False


def busiest(server: Served, conversations: int) -> tuple[int, int]:
    """The process of the worker that holds most conversations, and how many these are."""
    eventually(lambda: len(lines(server, "conversation began")) == conversations)
    (number, held), *_ = Counter(line["worker"] for line in lines(server, "conversation began")).most_common()
    pids = {line["worker"]: line["pid"] for line in lines(server, "worker is ready")}
    return int(str(pids[number])), held


def test_a_killed_worker_costs_its_own_conversations_gives_its_places_back_and_is_started_again() -> None:
    with served(*LOCAL, "--workers", "2", "--max-sessions", "6") as server:
        eventually(lambda: len(lines(server, "worker is ready")) == 2)
        with talking(server, 6) as clients:
            with pytest.raises(InvalidStatus, match="503"):
                connect(server.realtime)
            begun = metric(server, 'engine_sessions_started_total{mode="transparent"}')
            assert begun == 6
            pid, held = busiest(server, 6)

            os.kill(pid, signal.SIGKILL)

            eventually(lambda: len(lines(server, "worker lost: another is started")) == 1)
            assert sum(map(is_open, clients)) == 6 - held
            with talking(server, held) as more:
                assert all(map(is_open, more))
                with pytest.raises(InvalidStatus, match="503"):
                    connect(server.realtime)
                eventually(lambda: len(lines(server, "worker is ready")) == 3)
                assert len(workers(server)) == 2
                assert metric(server, 'engine_sessions_started_total{mode="transparent"}') >= 6
                assert metric(server, 'engine_sessions_active{mode="transparent"}') == 6
                assert metric(server, "engine_workers_lost_total") == 1


def lost(server: Served, number: int) -> bool:
    return len(lines(server, "worker lost: another is started")) == number


def test_however_often_workers_are_killed_no_place_is_lost_and_no_number_goes_back() -> None:
    with served(*LOCAL, "--workers", "2", "--max-sessions", "4") as server:
        eventually(lambda: len(workers(server)) == 2)
        begun = 0.0
        for kills in range(1, KILLS + 1):
            with talking(server, 4):
                now = metric(server, 'engine_sessions_started_total{mode="transparent"}')
                assert now >= begun
                begun = now
                os.kill(workers(server)[kills % 2], signal.SIGKILL)
                eventually(partial(lost, server, kills))
            eventually(lambda: len(workers(server)) == 2)
            eventually(lambda: metric(server, 'engine_sessions_active{mode="transparent"}') == 0)


def test_metrics_are_those_of_all_workers_whoever_is_asked_and_outlive_them() -> None:
    with served(*LOCAL, "--workers", "2") as server:
        eventually(lambda: len(lines(server, "worker is ready")) == 2)
        for _ in range(8):
            with talking(server, 1):
                pass
        eventually(lambda: metric(server, 'engine_sessions_ended_total{code="1000"}') == 8)
        for _ in range(3):
            assert metric(server, 'engine_sessions_started_total{mode="transparent"}') == 8

        server.process.send_signal(signal.SIGHUP)
        eventually(lambda: len(lines(server, "worker is ready")) == 4)
        assert metric(server, 'engine_sessions_started_total{mode="transparent"}') == 8
        assert metric(server, 'engine_sessions_ended_total{code="1000"}') == 8
        assert metric(server, "engine_workers_lost_total") == 0


def test_one_address_has_its_share_of_all_workers_together() -> None:
    with served(*LOCAL, "--workers", "2", "--max-sessions-per-address", "3") as server, talking(server, 3):
        for path in ("/v1/realtime", "/ws"):
            with pytest.raises(urllib.error.HTTPError, match="503") as refused:
                urllib.request.urlopen(f"{server.http}{path}")
            assert json.load(refused.value)["error"]["code"] == "address_full"
            assert refused.value.headers["Retry-After"]


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_a_signal_lets_the_conversations_of_all_workers_end(number: int, status: int) -> None:
    with served(*LOCAL, "--workers", "2", "--drain", "1", status=status) as server, talking(server, 4) as clients:
        server.tell(number)

        for client in clients:
            with pytest.raises(ConnectionClosed, match=r"1012 .* restart"):
                client.recv(timeout=PATIENCE)


def test_the_second_signal_ends_all_workers_at_once() -> None:
    with served(*LOCAL, "--drain", "600", "--workers", "2", status=143) as server, talking(server, 2) as clients:
        eventually(lambda: len(workers(server)) == 2)
        for client in clients:
            begin_a_long_answer(client)
        server.tell(signal.SIGTERM)
        eventually(lambda: len(lines(server, "draining")) == 2)
        server.tell(signal.SIGTERM)


@pytest.mark.parametrize("first", [signal.SIGHUP, signal.SIGTERM])
def test_workers_that_are_renewed_while_the_server_ends_give_their_conversations_time(first: int) -> None:
    with served(*LOCAL, "--drain", "600", "--workers", "2") as server, talking(server, 4) as clients:
        eventually(lambda: len(workers(server)) == 2)
        for client in clients:
            begin_a_long_answer(client)
        server.tell(first)
        eventually(lambda: lines(server, "draining"))
        server.tell(signal.SIGTERM + signal.SIGHUP - first)
        eventually(lambda: len(lines(server, "draining")) >= 2)

        for client in clients:
            cancel_the_answer(client)
            with pytest.raises(ConnectionClosed, match=r"1012 .* restart"):
                client.recv(timeout=PATIENCE)


def test_while_workers_are_renewed_whoever_comes_is_let_in() -> None:
    with served(*LOCAL, "--drain", "600", "--workers", "2") as server:
        eventually(lambda: len(workers(server)) == 2)
        with talking(server, 4) as clients:
            for client in clients:
                begin_a_long_answer(client)
            server.process.send_signal(signal.SIGHUP)
            eventually(lambda: lines(server, "draining"))
            with talking(server, 10) as more:
                assert all(map(is_open, more))
            for _ in range(10):
                assert metric(server, "engine_workers_lost_total") == 0
            for client in clients:
                cancel_the_answer(client)
        eventually(lambda: len(lines(server, "worker is ready")) == 4)


def begin_a_long_answer(client: Connection) -> None:
    text = [{"type": "input_text", "text": "word " * 2000}]
    item = {"type": "message", "role": "user", "content": text}
    client.send(json.dumps({"type": "conversation.item.create", "item": item}))
    client.send(json.dumps({"type": "response.create"}))
    while json.loads(client.recv(timeout=PATIENCE))["type"] != "response.created":
        pass


def cancel_the_answer(client: Connection) -> None:
    client.send(json.dumps({"type": "response.cancel"}))
    while json.loads(client.recv(timeout=PATIENCE))["type"] != "response.done":
        pass


def test_workers_that_lose_their_supervisor_end() -> None:
    with served(*LOCAL, "--workers", "2", "--drain", "1", status=-9) as server, talking(server, 2) as clients:
        eventually(lambda: len(workers(server)) == 2)
        server.tell(signal.SIGKILL)

        for client in clients:
            with pytest.raises(ConnectionClosed, match="1012"):
                client.recv(timeout=PATIENCE)
        eventually(lambda: not workers(server))


def test_what_no_worker_can_do_is_said_once_and_ends_the_supervisor(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    run = subprocess.run(
        [
            sys.executable,
            "-m",
            "cli",
            "serve",
            *LOCAL,
            "--port",
            "0",
            "--workers",
            "3",
            "--record",
            tmp_path / "file" / "x",
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )

    assert run.returncode == 2
    assert run.stderr.count("cannot record in") == 1
