"""The log's lines: for a person, for a machine, without a secret, and no burden to anybody."""

import io
import json
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal

import pytest
import structlog

from cli import logs
from cli.logs import LONGEST, configure

ROOT: Final = Path(__file__).parents[2]
CANARY: Final = "canary-7f3a9b"


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    yield
    structlog.reset_defaults()


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_json_lines_are_objects_with_time_level_event_and_what_is_bound(capsys: pytest.CaptureFixture[str]) -> None:
    configure(verbose=False, level=logging.INFO, form="json")

    with structlog.contextvars.bound_contextvars(session="a1b2c3"):
        structlog.get_logger("engine").info("conversation ended", code=1000, seconds=1.5, reason=None)
    structlog.get_logger("engine").debug("too much")

    (line,) = lines(capsys)
    assert line.pop("time").endswith("Z")
    assert line == {
        "level": "info",
        "event": "conversation ended",
        "code": 1000,
        "seconds": 1.5,
        "reason": None,
        "session": "a1b2c3",
    }


def test_a_line_says_when_to_the_millisecond(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(verbose=True, form="json")

    for at in (1_700_000_000.123, 1_700_000_000.9996, 1_700_000_000.999_999_9, 1_700_000_001.05, 1_700_000_000.0):
        monkeypatch.setattr(time, "time", partial(float, at))
        structlog.get_logger("engine").info("now")

    assert [line["time"].partition("T")[2] for line in lines(capsys)] == [
        *("22:13:20.123Z", "22:13:20.999Z", "22:13:21.000Z", "22:13:21.050Z", "22:13:20.000Z"),
    ]


def test_a_person_is_told_the_local_time(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    configure(verbose=True)
    monkeypatch.setattr(time, "time", lambda: 1_700_000_000.123)

    structlog.get_logger("engine").info("now")

    local = datetime.fromtimestamp(1_700_000_000, UTC).astimezone()
    assert capsys.readouterr().err.startswith(f"{local:%H:%M:%S}.123 info")


@pytest.mark.parametrize("form", ["console", "json"])
def test_one_event_is_one_line_whatever_a_peer_has_put_into_it(
    capsys: pytest.CaptureFixture[str], form: Literal["console", "json"]
) -> None:
    configure(verbose=True, form=form)

    structlog.get_logger().warning("a note\n12:00:00 [info] forged", reason="\x1b[31mred\r\n \u202edlrow", who=object)

    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "\x1b[31mred" not in said
    assert "\u202e" not in said


@pytest.mark.parametrize("form", ["console", "json"])
def test_a_secret_that_slips_through_is_blacked_out(
    capsys: pytest.CaptureFixture[str], form: Literal["console", "json"]
) -> None:
    configure(verbose=True, form=form, secrets=[CANARY, "", "in"])

    say = structlog.get_logger("engine").error
    say(f"refused: {CANARY}", header=[f"Bearer {CANARY}"], api_key="k", count=3)
    say("in the end", reason="Incorrect API key: sk-abcdefghijklmnop", auth="bearer abc")
    say("or", reason="EK_ABCDEFGHIJKLMNOP")
    try:
        raise KeyError(CANARY)
    except KeyError:
        say("fault", exc_info=True)

    said = capsys.readouterr().err
    assert CANARY not in said
    assert "abcdefghijklmnop" not in said.lower()
    assert "in the end" in said  # what is too short to be a secret is left alone
    assert said.count("[redacted]") == 6
    assert "Traceback" not in said


def test_a_long_text_is_cut(capsys: pytest.CaptureFixture[str]) -> None:
    configure(verbose=True, form="json")

    structlog.get_logger("engine").info("x" * 100_000)

    (line,) = lines(capsys)
    assert line["event"] == "x" * LONGEST + "… (100000 characters)"


@pytest.mark.parametrize("behind", [True, False])
def test_a_standard_error_that_is_closed_or_was_never_there_is_no_error(
    monkeypatch: pytest.MonkeyPatch, behind: bool
) -> None:
    closed = NoConsole()
    closed.close()
    for stream in (closed, None):
        monkeypatch.setattr(sys, "stderr", stream)
        configure(verbose=True, behind=behind)
        structlog.get_logger("engine").info("nobody hears")


class NoConsole(io.StringIO):
    """A stream that says it is no terminal even when it is closed."""

    def isatty(self) -> bool:
        return False


class Pipe:
    """A pipe for the log, of the smallest size there is."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.reads, writes = os.pipe()
        self.stream = os.fdopen(writes, "w")
        monkeypatch.setattr(sys, "stderr", self.stream)

    def read(self) -> list[str]:
        with os.fdopen(self.reads) as file:
            return file.read().splitlines()


def writer() -> Any:
    return structlog.get_config()["logger_factory"]()


def test_a_reader_that_has_stopped_reading_holds_up_nobody_and_is_told_what_was_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(logs, "MOST_WAITING", 500)
    monkeypatch.setattr(logs, "GOODBYE", 30.0)
    pipe = Pipe(monkeypatch)
    configure(verbose=True, form="json", behind=True)

    for number in range(3000):  # much more than a pipe holds
        structlog.get_logger("engine").info("line", number=number, text="x" * 400)
    said: list[str] = []
    reader = threading.Thread(target=lambda: said.extend(pipe.read()))
    reader.start()
    writer().close()
    pipe.stream.close()
    reader.join(30)

    numbers = [json.loads(line)["number"] for line in said[:-1]]
    assert numbers == sorted(numbers)
    assert said[-1] == f"{3000 - len(numbers)} lines of the log are lost: nobody has read it"


def test_a_warning_is_written_at_once_and_with_it_what_was_said_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "GATHER", 3600.0)
    pipe = Pipe(monkeypatch)
    configure(verbose=True, form="json", behind=True)

    structlog.get_logger("engine").info("first")
    structlog.get_logger("engine").warning("second")
    said = b""
    while said.count(b"\n") < 2:
        said += os.read(pipe.reads, 1000)
    writer().close()
    pipe.stream.close()

    assert [json.loads(line)["event"] for line in said.splitlines()] == ["first", "second"]


def test_a_reader_that_never_reads_again_holds_up_the_end_for_a_stated_time_only() -> None:
    code = (
        "import sys; sys.path.insert(0, '.')\n"
        "import structlog\n"
        "from cli import logs\n"
        "logs.GOODBYE = 0.1\n"
        "logs.configure(verbose=True, behind=True)\n"
        "for number in range(3000): structlog.get_logger().info('x' * 400)\n"
        "print('over')\n"
    )
    reads, writes = os.pipe()
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, stderr=writes, timeout=60, check=False
    )
    os.close(reads)
    os.close(writes)

    assert (done.returncode, done.stdout) == (0, b"over\n")


def test_a_reader_that_is_gone_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    pipe = Pipe(monkeypatch)
    os.close(pipe.reads)
    configure(verbose=True, behind=True)

    structlog.get_logger("engine").info("nobody hears")
    writer().close()
    pipe.stream.close()
