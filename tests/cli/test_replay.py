"""``engine replay``, as it is called and as it ends."""

import re
from pathlib import Path

import pytest

from realtime_engine.recording.accept import accept as accept_today
from realtime_engine.session import Session
from tests.cli.fake import engine
from tests.recording.conversation import converse


def change(folder: Path, old: bytes, new: bytes) -> None:
    events = folder / "events.jsonl"
    assert old in events.read_bytes()
    events.write_bytes(events.read_bytes().replace(old, new))


def test_recordings_that_are_the_same_give_status_0(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = converse(tmp_path / "first"), converse(tmp_path / "second")

    assert engine("replay", first, second) == 0

    pattern = r"first: identical \(5\.0 s, \d\d commands\)\nsecond: identical \(5\.0 s, \d\d commands\)\n"
    assert re.fullmatch(pattern, capsys.readouterr().out)


def test_a_recording_that_differs_gives_status_1_and_its_first_difference(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = converse(tmp_path / "changed")
    change(folder, b'{"type":"output_audio_buffer.started"', b'{"type":"output_audio_buffer.startled"')

    assert engine("replay", folder, converse(tmp_path / "same")) == 1

    out = capsys.readouterr().out
    assert "changed: it differs\n  the first difference is at 1.700000 s" in out
    assert 'type: "output_audio_buffer.startled" expected, "output_audio_buffer.started" got' in out
    assert "same: identical" in out


def test_a_recording_that_was_cut_off_gives_status_0_and_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert engine("replay", converse(tmp_path / "cut", complete=False)) == 0

    pattern = r"cut: identical as far as it goes \(5\.0 s, \d\d commands\): cut off\n"
    assert re.fullmatch(pattern, capsys.readouterr().out)


def test_a_damaged_recording_gives_status_2_and_says_which_line_and_what_is_left(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = converse(tmp_path / "damaged")
    change(folder, b'"from":"front","closed"', b'"from":"moon","closed"')

    assert engine("replay", folder, converse(tmp_path / "same")) == 2

    streams = capsys.readouterr()
    assert streams.out.startswith("same: identical (5.0 s")
    pattern = r"engine: damaged: line (\d+) of .*; the (\d+) lines before it, up to 4\.\d{3} s, can still be replayed\n"
    told = re.fullmatch(pattern, streams.err)
    assert told is not None
    assert int(told[1]) - 1 == int(told[2]) == (folder / "events.jsonl").read_bytes().split(b"moon")[0].count(b"\n")


def test_a_newer_recording_gives_status_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = converse(tmp_path / "newer")
    (folder / "recording.json").write_text('{"version":2,"engine":"7.0"}')

    for flags in ([], ["--accept"]):
        assert engine("replay", folder, *flags) == 2
        assert "newer is in version 2 of the format" in capsys.readouterr().err


def test_a_change_that_is_meant_is_accepted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = converse(tmp_path / "talk")
    whole = (folder / "events.jsonl").read_bytes()
    change(folder, b'{"type":"output_audio_buffer.started"', b'{"type":"output_audio_buffer.startled"')

    assert engine("replay", folder, "--accept") == 0
    assert engine("replay", folder, "--accept") == 0

    assert capsys.readouterr().out.splitlines() == ["talk: accepted", "talk: identical, nothing to accept"]
    assert (folder / "events.jsonl").read_bytes() == whole


def test_what_cannot_be_written_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    folder = converse(tmp_path / "talk")
    monkeypatch.setattr("os.fsync", full)

    assert engine("replay", folder, "--accept") == 2
    assert engine("pack", folder) == 2
    assert capsys.readouterr().err.count("No space left on device") == 2


def test_what_cannot_be_accepted_does_not_keep_the_next_from_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def accept(folder: Path, session: object) -> bool:
        if folder.name == "locked":
            raise PermissionError(13, "Permission denied")
        return accept_today(folder, Session)

    monkeypatch.setattr("cli.replay.accept_today", accept)
    damaged = converse(tmp_path / "damaged")
    change(damaged, b'"from":"front","closed"', b'"from":"moon","closed"')

    assert engine("replay", "--accept", tmp_path / "locked", damaged, converse(tmp_path / "talk")) == 2

    told = capsys.readouterr()
    locked, second = told.err.splitlines()
    assert locked == f"engine: {tmp_path / 'locked'} cannot be written: Permission denied"
    assert second.startswith("engine: damaged: ")
    assert told.out == "talk: identical, nothing to accept\n"


@pytest.mark.parametrize("command", ["replay", "pack", "inspect"])
def test_without_a_recording_there_is_nothing_to_do(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert engine(command) == 2
    assert f"name a recording: engine {command}" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["replay", "pack", "inspect"])
def test_the_help_has_an_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert engine(command, "--help") == 0
    assert f"\n  engine {command} " in capsys.readouterr().out
