"""What is accepted becomes the recording; everything else leaves it as it is."""

from pathlib import Path

import pytest

from realtime_engine.errors import RecordingError
from realtime_engine.options import SessionOptions
from realtime_engine.recording.accept import accept
from realtime_engine.recording.check import check
from realtime_engine.recording.pack import pack
from realtime_engine.recording.reader import Recording
from tests.recording.parrot import TALK, Parrot, record


def parrot(_: SessionOptions) -> Parrot:
    return Parrot()


def other(_: SessionOptions) -> Parrot:
    return Parrot(tick=b'{"type":"tock"}')


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_todays_commands_take_the_place_of_the_recorded_ones_and_nothing_else_changes(tmp_path: Path) -> None:
    folder = record(tmp_path / "talk")
    before = contents(folder)

    assert accept(folder, other)

    assert check(folder, other).difference is None
    assert check(folder, parrot).difference is not None
    after = contents(folder)
    assert after.pop("events.jsonl") == before.pop("events.jsonl").replace(b"tick", b"tock")
    assert after == before
    assert (folder / "events.jsonl").stat().st_mode & 0o777 == 0o600


def test_nothing_is_written_when_nothing_has_changed(tmp_path: Path) -> None:
    folder = record(tmp_path / "talk")
    before = (folder / "events.jsonl").stat().st_ino

    assert not accept(folder, parrot)

    assert (folder / "events.jsonl").stat().st_ino == before
    assert sorted(contents(folder)) == ["events.jsonl", "front.wav", "recording.json", "upstream.wav"]


def test_a_packed_recording_is_accepted_too(tmp_path: Path) -> None:
    folder = record(tmp_path / "talk")
    before = contents(folder)["events.jsonl"]
    pack(folder)

    assert accept(folder, other)

    assert contents(folder)["events.jsonl"] == before.replace(b"tick", b"tock")


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (lambda text: text[:-60], "is not complete"),
        (lambda text: text.replace(b'"n":4,', b'"n":9,'), "line 6 of events.jsonl"),
        (lambda text: text.replace(b'"to":12}', b'"to":99}'), r"line 4 of .* front\.wav ends before byte 99"),
    ],
)
def test_an_incomplete_or_damaged_recording_stays_as_it_is(tmp_path: Path, damage: object, why: str) -> None:
    folder = record(tmp_path / "talk")
    events = folder / "events.jsonl"
    assert callable(damage)
    events.write_bytes(damage(events.read_bytes()))
    before = contents(folder)

    with pytest.raises(RecordingError, match=why):
        accept(folder, other)

    assert contents(folder) == before


def test_a_newer_recording_stays_as_it_is(tmp_path: Path) -> None:
    folder = record(tmp_path / "talk")
    (folder / "recording.json").write_text('{"version":2}')
    before = contents(folder)

    with pytest.raises(RecordingError, match="version 2"):
        accept(folder, other)

    assert contents(folder) == before


def test_a_write_that_fails_leaves_the_old_recording(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    folder = record(tmp_path / "talk")
    before = contents(folder)
    monkeypatch.setattr("os.fsync", full)

    with pytest.raises(OSError, match="No space"):
        accept(folder, other)

    assert contents(folder) == before


def test_a_check_says_how_far_it_went(tmp_path: Path) -> None:
    whole = check(record(tmp_path / "whole"), parrot)
    cut = check(record(tmp_path / "cut", TALK[:4], end=None), parrot)

    assert whole == ("whole", None, 3.0, 7, None)
    assert cut == ("cut", None, 0.3, 3, "cut off")


def test_sounds_are_found_again_in_whichever_file_they_are(tmp_path: Path) -> None:
    folder = record(tmp_path / "talk")
    (folder / "front-2.wav").write_bytes((folder / "front.wav").read_bytes()[:44] + b"mnop")

    with Recording(folder) as recording:
        find = recording.sounds.find
        side = TALK[1][1].side  # type: ignore[union-attr]
        assert find(side, 0, 2, b"ab") == ("front.wav", 0, 2)
        assert find(side, 12, 16, b"mnop") == ("front-2.wav", 0, 4)
        assert find(side, 0, 2, b"xx") is None
        assert find(side, 10, 14, b"klmn") is None
        assert find(side, 2, 2, b"") is None
        assert find(side, 14, 18, b"opqr") is None
