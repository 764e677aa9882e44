"""What is packed is the same to the last bit, and is read as before."""

import random
from collections.abc import Callable
from pathlib import Path

import pytest
import soundfile

from realtime_engine.errors import RecordingError
from realtime_engine.inputs import Side
from realtime_engine.recording.check import check
from realtime_engine.recording.pack import pack
from realtime_engine.recording.reader import Recording
from realtime_engine.recording.sounds import Flac
from tests.recording.parrot import TALK, Inputs, Parrot, delta, record, speech, text

NOISE = random.Random(1).randbytes(200_000)
LONG: Inputs = [
    *((index / 10, speech(NOISE[index * 4800 : index * 4800 + 4800])) for index in range(40)),
    (
        5.0,
        text(
            b'{"type":"session.updated","session":{"audio":{"output":{"format":{"type":"audio/pcmu"}}}}}', Side.UPSTREAM
        ),
    ),
    (5.1, delta(b"phone")),
]


def test_pcm16_becomes_flac_g711_stays_and_everything_reads_as_before(tmp_path: Path) -> None:
    folder = record(tmp_path / "talk", LONG, end=6.0)

    packed = pack(folder)

    assert [(each.name, each.before) for each in packed] == [("front.wav", 40 * 4800)]
    assert sorted(path.name for path in folder.iterdir()) == [
        *("events.jsonl", "front.flac", "recording.json", "upstream.wav")
    ]
    assert packed[0].after == (folder / "front.flac").stat().st_size
    assert (folder / "front.flac").stat().st_mode & 0o777 == 0o600
    assert soundfile.info(folder / "front.flac").subtype == "PCM_16"
    assert check(folder, lambda _: Parrot()).difference is None
    with Recording(folder) as recording:
        assert [step.input for step in recording.steps() if step.input] == [given for _, given in LONG]


def test_packing_again_changes_nothing(tmp_path: Path) -> None:
    folder = record(tmp_path / "talk")

    assert [each.name for each in pack(folder)] == ["front.wav", "upstream.wav"]
    assert pack(folder) == []


def test_audio_that_ends_within_a_sample_stays_wav(tmp_path: Path) -> None:
    folder = record(tmp_path / "talk", [(0.0, speech(b"abc"))])

    assert pack(folder) == []
    assert (folder / "front.wav").exists()


def test_an_incomplete_recording_is_not_packed(tmp_path: Path) -> None:
    folder = record(tmp_path / "talk", end=None)

    with pytest.raises(RecordingError, match=r"talk is not complete \(cut off\): it cannot be packed"):
        pack(folder)

    assert (folder / "front.wav").exists()


@pytest.mark.parametrize(
    ("file", "damage", "why"),
    [
        ("front.wav", lambda content: content[:50], r"line 4 of events\.jsonl .* front\.wav ends before byte 12"),
        ("events.jsonl", lambda content: content.replace(b'{"n":5', b"{n:5", 1), r"line 8 of events\.jsonl"),
    ],
)
def test_a_damaged_recording_is_not_packed(
    tmp_path: Path, file: str, damage: Callable[[bytes], bytes], why: str
) -> None:
    folder = record(tmp_path / "talk")
    (folder / file).write_bytes(damage((folder / file).read_bytes()))
    before = {path.name: path.read_bytes() for path in folder.iterdir()}

    with pytest.raises(RecordingError, match=why):
        pack(folder)

    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_flac_that_is_not_the_same_is_thrown_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = record(tmp_path / "talk")
    monkeypatch.setattr(Flac, "read", lambda self, start, stop: bytes(stop - start))

    with pytest.raises(RecordingError, match=r"front\.new is not the same .* nothing is changed"):
        pack(folder)

    assert sorted(path.name for path in folder.glob("front*")) == ["front.wav"]


def test_a_flac_that_cannot_be_written_leaves_the_wav(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise soundfile.SoundFileRuntimeError("System error.")

    folder = record(tmp_path / "talk")
    monkeypatch.setattr(soundfile.SoundFile, "buffer_write", full)

    with pytest.raises(OSError, match=r"front\.new cannot be written: System error"):
        pack(folder)

    assert sorted(path.name for path in folder.glob("front*")) == ["front.wav"]


def test_a_damaged_flac_is_named(tmp_path: Path) -> None:
    folder = record(tmp_path / "talk", LONG, end=6.0)
    pack(folder)
    flac = folder / "front.flac"
    whole = flac.read_bytes()

    for damaged, why in (
        (b"no sound", "cannot be decoded"),
        (whole[: len(whole) // 2], r"cannot be decoded after byte \d+"),
    ):
        flac.write_bytes(damaged)
        with Recording(folder) as recording, pytest.raises(RecordingError, match=rf"front\.flac {why}"):
            list(recording.steps())


def test_a_flac_is_read_in_any_order_and_to_its_end_only(tmp_path: Path) -> None:
    folder = record(tmp_path / "talk", LONG, end=6.0)
    pack(folder)
    flac = Flac(folder / "front.flac")
    try:
        assert flac.size == 40 * 4800
        assert flac.read(150_000, 150_010) == NOISE[150_000:150_010]
        assert flac.read(0, 10) == NOISE[:10]
        assert flac.read(flac.size - 2, flac.size + 9) == NOISE[flac.size - 2 : flac.size]
    finally:
        flac.close()


def test_the_parrot_talk_packs_too(tmp_path: Path) -> None:
    folder = record(tmp_path / "talk")
    pack(folder)

    with Recording(folder) as recording:
        assert [step.input for step in recording.steps() if step.input] == [given for _, given in TALK]


def test_a_sound_that_is_not_of_the_recording_stays_as_it_is(tmp_path: Path) -> None:
    folder = record(tmp_path / "talk")
    mine = folder / "mine.wav"
    soundfile.write(mine, [[0.1, 0.2]] * 100, 44_100)
    before = mine.read_bytes()

    assert [each.name for each in pack(folder)] == ["front.wav", "upstream.wav"]
    assert mine.read_bytes() == before
