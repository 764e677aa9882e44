"""Recordings make room for new ones, the oldest first; and nothing but recordings is ever touched."""

import json
import os
import shutil
import threading
from collections.abc import Callable
from contextlib import nullcontext
from datetime import datetime
from pathlib import Path
from typing import Final

import pytest

from realtime_engine.options import SessionOptions
from realtime_engine.recording.files import GrowingFile
from realtime_engine.recording.shelf import DAY, Shelf, Swept
from realtime_engine.recording.writer import begun, create_recording
from tests.recording.parrot import unwarned

NOW: Final = datetime.fromisoformat("2026-11-25T12:00:00Z").timestamp()


def recording(root: Path, day: int, size: int = 1000, *, month: int = 11, tail: str = "a1b2c3") -> Path:
    """A finished recording of some day of that year."""
    folder = root / f"2026-{month:02}-{day:02}T10-00-00-{tail}"
    folder.mkdir()
    (folder / "recording.json").write_text(json.dumps({}).ljust(100))
    (folder / "events.jsonl").write_text(" " * 100)
    (folder / "front.wav").write_bytes(bytes(size - 200))
    when = datetime.fromisoformat(f"2026-{month:02}-{day:02}T10:05:00Z").timestamp()
    for file in folder.iterdir():
        os.utime(file, (when, when))
    return folder


def names(root: Path) -> set[str]:
    return {path.name for path in root.iterdir()}


def sweep(root: Path, *, quota: int | None = None, keep_days: float | None = None, now: float = NOW) -> Swept:
    return Shelf(root).sweep(now, quota=quota, keep_days=keep_days)


def test_the_oldest_go_first_and_only_as_many_as_must(tmp_path: Path) -> None:
    old, newer, newest = (recording(tmp_path, day) for day in (3, 10, 20))

    swept = sweep(tmp_path, quota=2500)

    assert swept == Swept(2000, ((old.name, "quota"),))
    assert names(tmp_path) == {newer.name, newest.name}


def test_what_is_older_than_it_may_be_goes_whatever_room_there_is(tmp_path: Path) -> None:
    old, newer = recording(tmp_path, 3), recording(tmp_path, 24)

    swept = sweep(tmp_path, quota=10**9, keep_days=7)

    assert swept == Swept(1000, ((old.name, "age"),))
    assert names(tmp_path) == {newer.name}


def test_without_bounds_everything_stays(tmp_path: Path) -> None:
    recording(tmp_path, 3)

    assert sweep(tmp_path) == Swept(1000, ())


def test_a_recording_that_was_written_to_lately_is_not_old(tmp_path: Path) -> None:
    folder = recording(tmp_path, 1)
    os.utime(folder / "events.jsonl", (NOW - DAY, NOW - DAY))

    assert sweep(tmp_path, keep_days=7).gone == ()


def test_what_was_begun_while_the_clock_was_wrong_has_no_age_but_takes_room(tmp_path: Path) -> None:
    folder = recording(tmp_path, 1)
    folder = folder.rename(tmp_path / "1970-01-01T00-00-07-a1b2c3")
    for file in folder.iterdir():
        os.utime(file, (7, 7))

    assert sweep(tmp_path, keep_days=7).gone == ()
    assert sweep(tmp_path, keep_days=7, now=7.0).gone == ()
    assert sweep(tmp_path, quota=0).gone == ((folder.name, "quota"),)


def test_a_running_recording_never_goes_and_a_killed_one_counts_as_finished(tmp_path: Path) -> None:
    recorder = create_recording(tmp_path, SessionOptions(), front="ws", upstream="local", warn=unwarned)

    shelf = Shelf(tmp_path)
    running = shelf.sweep(NOW + 900 * DAY, quota=0, keep_days=1)
    assert running.gone == ()
    assert running.size > 2000

    recorder.close()  # as the end of the process does it: no word of how it ended
    assert shelf.sweep(NOW, quota=0, keep_days=None).gone == ((recorder.folder.name, "quota"),)
    assert names(tmp_path) == set()


def test_a_recording_that_has_just_begun_and_is_not_held_yet_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    going, swept = threading.Event(), threading.Event()
    hold = GrowingFile.hold

    def slowly(file: GrowingFile) -> None:
        going.set()
        swept.wait(0.2)  # the sweep is under way, and would be over in a moment
        hold(file)

    monkeypatch.setattr(GrowingFile, "hold", slowly)

    def tidy() -> None:
        going.wait(10)
        assert sweep(tmp_path, quota=0).gone == ()
        swept.set()

    tidying = threading.Thread(target=tidy)
    tidying.start()
    recorder = create_recording(tmp_path, SessionOptions(), front="ws", upstream="local", warn=unwarned)
    tidying.join(10)

    assert swept.is_set()
    assert names(tmp_path) == {recorder.folder.name}
    recorder.close()


def strangers(root: Path, elsewhere: Path) -> dict[str, Callable[[], object]]:
    """What lies in the folder, looks a little like a recording, and is none."""

    def named(name: str) -> Path:
        return recording(root, 1).rename(root / name)

    def changed(what: Callable[[Path], object]) -> None:
        what(recording(root, 1))

    return {
        "another name": lambda: named("holiday-2026"),
        "a name with more": lambda: named("2026-11-01T10-00-00-a1b2c3.bak"),
        "no date": lambda: named("2026-13-41T10-00-00-a1b2c3"),
        "a file": lambda: (root / "2026-11-01T10-00-00-a1b2c3").write_text("x"),
        "a link": lambda: (root / "2026-11-01T10-00-00-a1b2c3").symlink_to(recording(elsewhere, 1)),
        "no recording.json": lambda: changed(lambda folder: (folder / "recording.json").unlink()),
        "a stranger's file": lambda: changed(lambda folder: (folder / "notes.txt").write_text("keep")),
        "a folder inside": lambda: changed(lambda folder: (folder / "front-2.wav").mkdir()),
        "a link inside": lambda: changed(lambda folder: (folder / "front-2.wav").symlink_to("/etc/passwd")),
    }


@pytest.mark.parametrize("kind", sorted(strangers(Path(), Path())))
def test_what_is_not_the_engines_own_is_never_touched_nor_counted(tmp_path: Path, kind: str) -> None:
    root, elsewhere = tmp_path / "root", tmp_path / "elsewhere"
    root.mkdir()
    elsewhere.mkdir()
    strangers(root, elsewhere)[kind]()
    before = sorted(str(path) for path in tmp_path.rglob("*"))

    assert sweep(root, quota=0, keep_days=0.001) == Swept(0, ())
    assert sorted(str(path) for path in tmp_path.rglob("*")) == before


def test_another_users_folder_is_not_touched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = recording(tmp_path, 1)
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)

    assert sweep(tmp_path, quota=0) == Swept(0, ())
    assert folder.is_dir()


def test_a_recording_that_turns_into_something_else_before_it_goes_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = recording(tmp_path, 1)
    shelf = Shelf(tmp_path)
    shelf.sweep(NOW, quota=None, keep_days=None)
    before = folder.stat()
    (folder / "mine.txt").write_text("mine")
    os.utime(folder, ns=(before.st_atime_ns, before.st_mtime_ns))

    assert shelf.sweep(NOW, quota=0, keep_days=None) == Swept(1000, ())
    assert (folder / "recording.json").exists()


def test_one_that_cannot_be_deleted_stays_and_the_others_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stuck, other = recording(tmp_path, 1), recording(tmp_path, 2)
    rmdir = os.rmdir

    def refuse(name: str, *, dir_fd: int) -> None:
        if name == stuck.name:
            raise PermissionError
        rmdir(name, dir_fd=dir_fd)

    monkeypatch.setattr(os, "rmdir", refuse)

    assert sweep(tmp_path, quota=0) == Swept(1000, ((other.name, "quota"),))
    assert names(tmp_path) == {stuck.name}


def test_finished_recordings_are_looked_at_once_and_again_when_they_have_changed(tmp_path: Path) -> None:
    folder = recording(tmp_path, 1)
    shelf = Shelf(tmp_path)
    assert shelf.sweep(NOW, quota=None, keep_days=None).size == 1000

    (folder / "front.wav").unlink()
    (folder / "front.flac").write_bytes(bytes(300))

    assert shelf.sweep(NOW, quota=None, keep_days=None).size == 500
    shutil.rmtree(folder)
    assert shelf.sweep(NOW, quota=None, keep_days=None).size == 0


def test_one_that_another_process_deletes_meanwhile_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recording(tmp_path, 1)
    scandir = os.scandir

    def late(root: int) -> object:
        monkeypatch.undo()
        with scandir(root) as entries:
            found = list(entries)
        shutil.rmtree(tmp_path / found[0].name)
        return nullcontext(found)

    monkeypatch.setattr(os, "scandir", late)

    assert sweep(tmp_path, quota=0) == Swept(0, ())


def test_the_names_of_recordings_say_when_they_were_begun(tmp_path: Path) -> None:
    recorder = create_recording(tmp_path, SessionOptions(), front="ws", upstream="local", warn=unwarned)
    recorder.close()

    when = begun(recorder.folder.name)
    assert when is not None
    assert abs(when.timestamp() - (recorder.folder / "recording.json").stat().st_mtime) < 60
    assert begun("2026-11-25") is None
