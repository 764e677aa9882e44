"""A server's recordings: one thread, a quota, and a clock that is not believed at once."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import trio
from structlog.testing import capture_logs
from structlog.typing import EventDict

from realtime_engine.errors import UsageError
from realtime_engine.options import SessionOptions
from realtime_engine.recording import keep
from realtime_engine.recording.keep import HOUR, Calendar, Recordings, open_recordings
from realtime_engine.recording.shelf import DAY
from tests.recording.parrot import TALK, steps_of, unwarned
from tests.recording.test_shelf import names, recording


class Clocks:
    """A wall clock that may jump, and a steady one."""

    def __init__(self) -> None:
        self.wall = 1_800_000_000.0
        self.steady = 500.0
        self.calendar = Calendar(lambda: self.wall, lambda: self.steady)

    def pass_(self, seconds: float) -> float:
        self.wall += seconds
        self.steady += seconds
        return self.calendar.now()


def test_the_calendar_goes_with_the_wall_clock_and_with_its_small_corrections() -> None:
    clocks = Clocks()

    assert clocks.pass_(100) == clocks.wall
    clocks.wall += 30
    assert clocks.pass_(100) == clocks.wall
    clocks.wall -= DAY
    assert clocks.pass_(100) == clocks.wall


def test_a_jump_ahead_is_not_believed_before_it_has_lasted_for_a_day() -> None:
    clocks = Clocks()
    before = clocks.pass_(0)
    clocks.wall += 300 * DAY

    assert clocks.pass_(10) == before + 10
    assert clocks.pass_(DAY - 20) == before + DAY - 10
    clocks.wall -= 300 * DAY
    assert clocks.pass_(HOUR) == before + DAY - 10 + HOUR
    clocks.wall += DAY
    clocks.pass_(1)
    assert clocks.pass_(DAY + 1) == clocks.wall


async def hold(recordings: Recordings, seconds: float = 0.0) -> str:
    async with recordings.open(SessionOptions(), front="ws", upstream="local", warn=unwarned) as recorder:
        for step in steps_of(TALK):
            recorder.record(step)
        await trio.sleep(seconds)
        recorder.end(3.0, "over")
    return recorder.folder.name


async def test_conversations_are_recorded_in_the_folder_which_is_made(tmp_path: Path) -> None:
    async with open_recordings(tmp_path / "deep" / "recordings") as recordings:
        done = [await hold(recordings), await hold(recordings)]

    assert names(tmp_path / "deep" / "recordings") == set(done)


async def test_old_recordings_go_before_the_server_begins_and_the_log_says_so(tmp_path: Path) -> None:
    old, newer = recording(tmp_path, 3), recording(tmp_path, 10)

    with capture_logs() as said:
        async with open_recordings(tmp_path, quota=1500):
            assert names(tmp_path) == {newer.name}

    assert said == [{"event": "recording deleted", "recording": old.name, "why": "quota", "log_level": "info"}]


async def test_while_running_recordings_fill_the_quota_no_new_one_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keep, "SWEEP", 0.01)

    with capture_logs() as said:
        async with open_recordings(tmp_path, quota=100) as recordings:
            async with recordings.open(SessionOptions(), front="ws", upstream="local", warn=unwarned):
                await until(lambda: recordings.full)
                with pytest.raises(UsageError, match="fill the quota of 100 bytes"):
                    await hold(recordings)
            await until(lambda: not recordings.full)

    assert [line["event"] for line in said if "recording" in line["event"]] == [
        "recordings are full: no new one begins",
        "recording deleted",
        "recordings have room again",
    ]


async def until(reached: Callable[[], bool]) -> None:
    with trio.fail_after(10):
        while not reached():  # noqa: ASYNC110 - a log tells nobody that it has grown
            await trio.sleep(0.01)


async def test_a_folder_that_cannot_be_looked_through_is_said_once_until_it_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keep, "SWEEP", 0.01)
    swept = failed = 0
    sweep = Recordings.sweep

    def count(recordings: Recordings) -> None:
        nonlocal swept, failed
        try:
            sweep(recordings)
        except OSError:
            failed += 1
            raise
        swept += 1

    monkeypatch.setattr(Recordings, "sweep", count)
    away = tmp_path / "away"

    with capture_logs() as said:
        async with open_recordings(tmp_path / "root", keep_days=1):
            (tmp_path / "root").rename(away)
            await until(lambda: failed >= 3)
            before = swept
            away.rename(tmp_path / "root")
            await until(lambda: swept > before)
            (tmp_path / "root").rename(away)
            before = failed
            await until(lambda: failed > before)
            await until(lambda: len(warnings(said)) > 1)

    assert warnings(said) == ["No such file or directory"] * 2


def warnings(said: Sequence[EventDict]) -> list[str]:
    return [line["why"] for line in said if line["event"] == "recordings cannot be looked through"]


@pytest.mark.parametrize("bounds", [{}, {"quota": 5}])
async def test_a_place_where_nothing_can_be_written_is_said_at_the_beginning(
    tmp_path: Path, bounds: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match=r"cannot record in .*: Not a directory"):
        async with open_recordings(tmp_path / "file" / "inside", **bounds):
            pass

    monkeypatch.setattr("os.access", lambda path, mode: False)
    with pytest.raises(UsageError, match="Permission denied"):
        async with open_recordings(tmp_path, **bounds):
            pass
