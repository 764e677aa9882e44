"""What the log says of a conversation: numbers and reasons, and on every line whose they are."""

from collections.abc import Iterator

import pytest
import structlog
import trio
import trio.testing
from structlog.testing import LogCapture

from realtime_engine.driving import Run
from realtime_engine.journal import Journal, bound_log, log
from realtime_engine.metrics import Metrics
from realtime_engine.watch import Watch


@pytest.fixture
def lines() -> Iterator[list[structlog.typing.EventDict]]:
    captured = LogCapture()
    structlog.configure(processors=[structlog.contextvars.merge_contextvars, captured])
    yield captured.entries
    structlog.reset_defaults()


def watch() -> Watch:
    watch = Watch(Metrics(), "managed")
    watch.input_tokens, watch.output_tokens = 30, 12
    return watch


def test_a_conversation_has_a_first_and_a_last_line(lines: list[structlog.typing.EventDict]) -> None:
    with Journal(
        bound_log(), "a1b2c3", watch(), front="ws", mode="managed", upstream="local", address="127.0.0.1"
    ) as journal:
        journal.note("something odd, carried on")
        journal.ended(Run(12.3456, 1000, "the front has left"))

    began, note, ended = lines
    assert (began["event"], began["session"], began["upstream"]) == ("conversation began", "a1b2c3", "local")
    assert (note["event"], note["session"]) == ("something odd, carried on", "a1b2c3")
    assert ended == {
        "event": "conversation ended",
        "log_level": "info",
        "session": "a1b2c3",
        "code": 1000,
        "reason": "the front has left",
        "seconds": 12.346,
        "input_tokens": 30,
        "output_tokens": 12,
    }


def test_an_end_by_a_failure_is_a_warning(lines: list[structlog.typing.EventDict]) -> None:
    Journal(bound_log(), "a1b2c3", watch()).ended(Run(1.0, 1011, "the upstream has failed"))

    assert [line["log_level"] for line in lines] == ["warning"]


async def test_the_lines_of_two_conversations_at_a_time_name_their_own(lines: list[structlog.typing.EventDict]) -> None:
    async def talk(session: str) -> None:
        with Journal(bound_log(), session, watch()):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(speak, session)
            await trio.to_thread.run_sync(log().info, f"{session} in a thread")

    async def speak(session: str) -> None:
        await trio.testing.wait_all_tasks_blocked()
        log().info(f"{session} in a task")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(talk, "one")
        nursery.start_soon(talk, "two")
    log().info("nobody's")

    said = [(line["event"], line.get("session")) for line in lines]
    for session in ("one", "two"):
        assert (f"{session} in a task", session) in said
        assert (f"{session} in a thread", session) in said
    assert said[-1] == ("nobody's", None)


def test_of_a_fault_its_kind_and_place_are_told_and_not_its_message(lines: list[structlog.typing.EventDict]) -> None:
    def fail(depth: int = 20) -> None:
        if depth:
            fail(depth - 1)
        raise KeyError("what the person has said")

    try:
        fail()
    except KeyError as error:
        Journal(bound_log(), "a1b2c3", watch()).failed(ExceptionGroup("faults", [ExceptionGroup("more", [error])]))

    (line,) = lines
    assert (line["event"], line["log_level"], line["error"]) == ("conversation failed", "error", "KeyError")
    assert line["where"].count(__name__) == 8
    assert "said" not in str(line)
