"""What can be spoken: any sound file, any rate, any channels, and standard input; and what is said of the rest."""

import io
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import soundfile

from realtime_engine.errors import UsageError
from realtime_engine.sound import Samples
from tests.transports.wav_script import speech_file
from transports.wav import STANDARD
from transports.wav.sources import Source, open_all, open_file

JFK = Path(__file__).parent.parent / "audio" / "jfk.flac"


def all_of(source: Source) -> Samples:
    """A source to its end."""
    pieces = []
    while (piece := source.read()).size:
        pieces.append(piece)
    assert not source.read().size, "after the end there is nothing more"
    source.close()
    return np.concatenate([np.zeros(0, np.float32), *pieces])


def tone(rate: int, seconds: float = 1.5) -> Samples:
    """440 Hz."""
    return (0.5 * np.sin(2 * np.pi * 440 * np.arange(int(rate * seconds)) / rate)).astype(np.float32)


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.ogg", "a.mp3", "a.aiff"])
@pytest.mark.parametrize("rate", [8_000, 16_000, 24_000, 44_100, 48_000])
def test_any_format_and_rate_is_brought_to_the_sessions_rate(tmp_path: Path, name: str, rate: int) -> None:
    soundfile.write(tmp_path / name, tone(rate), rate)

    source = open_file(tmp_path / name, 24_000)
    seconds = source.seconds
    samples = all_of(source)

    assert seconds == pytest.approx(1.5, abs=0.1)
    assert samples.size / 24_000 == pytest.approx(1.5, abs=0.1)
    middle = samples[12_000:24_000]
    assert np.argmax(np.abs(np.fft.rfft(middle))) * 2 == pytest.approx(440, abs=4)


def test_channels_are_mixed_down(tmp_path: Path) -> None:
    left, right = np.full(4800, 0.5, np.float32), np.full(4800, -0.25, np.float32)
    soundfile.write(tmp_path / "stereo.wav", np.column_stack([left, right]), 24_000, subtype="FLOAT")

    assert all_of(open_file(tmp_path / "stereo.wav", 24_000)) == pytest.approx(0.125)


def test_samples_that_are_no_numbers_are_silence(tmp_path: Path) -> None:
    broken = np.array([0.5, np.nan, np.inf, -np.inf] * 600, np.float32)
    soundfile.write(tmp_path / "nan.wav", broken, 24_000, subtype="FLOAT")

    assert all_of(open_file(tmp_path / "nan.wav", 24_000))[:4].tolist() == [0.5, 0.0, 1.0, -1.0]


def test_a_long_file_is_read_in_pieces(tmp_path: Path) -> None:
    source = open_file(speech_file(tmp_path / "long.wav", 30.0, 8_000), 24_000)

    assert 0 < source.read().size <= 24_000


def missing(path: Path) -> None:
    """Leave it out."""


def folder(path: Path) -> None:
    path.mkdir()


def empty(path: Path) -> None:
    path.touch()


def no_sound(path: Path) -> None:
    path.write_text("My question is as follows.\n" * 50)


def no_samples(path: Path) -> None:
    speech_file(path, 0.0)


def half_a_wav(path: Path) -> None:
    whole = speech_file(path, 1.0).read_bytes()
    path.write_bytes(whole[: len(whole) // 2])


def wav_with_more_behind_and_half_its_sound(path: Path) -> None:
    whole = speech_file(path, 1.0).read_bytes()
    extra = b"LIST" + (5).to_bytes(4, "little") + b"hello\0"
    path.write_bytes(whole[:36] + extra + whole[36:20_000])


def header_of_a_wav(path: Path) -> None:
    path.write_bytes(speech_file(path, 1.0).read_bytes()[:20])


def wav_without_its_sound(path: Path) -> None:
    path.write_bytes(speech_file(path, 1.0).read_bytes()[:38])


def converted(format: str) -> Callable[[Path], None]:
    """Half a file of another format."""

    def write(path: Path) -> None:
        soundfile.write(path, np.random.default_rng(1).normal(0, 0.1, 48_000), 24_000, format=format)
        whole = path.read_bytes()
        path.write_bytes(whole[: len(whole) * 2 // 3])

    return write


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (missing, "cannot be read: No such file or directory"),
        (folder, "cannot be read: Is a directory"),
        (empty, "the file is empty; record it again"),
        (no_sound, "not a sound file .*; give WAV, FLAC"),
        (no_samples, "there is no sound in it"),
        (half_a_wav, "the file is cut off"),
        (wav_with_more_behind_and_half_its_sound, "the file is cut off"),
        (header_of_a_wav, "not a sound file"),
        (wav_without_its_sound, "not a sound file"),
        (converted("AIFF"), "the file is cut off"),
        (converted("FLAC"), "the file is cut off"),
        (converted("OGG"), "the file is cut off"),
        (converted("MP3"), "the file is cut off"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_cannot_be_spoken_is_named_with_its_mend_before_anything_begins(
    tmp_path: Path, make: Callable[[Path], None], what: str
) -> None:
    path = tmp_path / "question.wav"
    make(path)

    with pytest.raises(UsageError, match=f"question.wav: .*{what}"), open_all([JFK, path]):
        pytest.fail("it began")


def test_a_file_whose_size_was_not_known_when_it_was_written_is_whole(tmp_path: Path) -> None:
    path = speech_file(tmp_path / "streamed.wav", 1.0)
    wav = bytearray(path.read_bytes())
    wav[4:8] = wav[40:44] = b"\xff\xff\xff\xff"
    path.write_bytes(wav)

    assert all_of(open_file(path, 24_000)).size == 24_000


def test_a_file_that_is_damaged_inside_is_named_when_it_is_found(tmp_path: Path) -> None:
    path = tmp_path / "question.flac"
    soundfile.write(path, np.random.default_rng(1).normal(0, 0.1, 480_000), 24_000)
    source = open_file(path, 24_000)
    source._sound.close()

    class Damaged:
        samplerate = 24_000

        def read(self, *args: object, **more: object) -> Samples:
            raise soundfile.LibsndfileError(3)

    source._sound = Damaged()

    with pytest.raises(UsageError, match=r"question\.flac: damaged"):
        source.read()


# --- standard input -------------------------------------------------------------------------------------------


@contextmanager
def standard_input(monkeypatch: pytest.MonkeyPatch, content: bytes) -> Iterator[None]:
    """Standard input that holds so much, and ends."""
    reader, writer = os.pipe()
    with os.fdopen(writer, "wb", buffering=0) as pipe:
        pipe.write(content)
    with os.fdopen(reader) as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        yield


def test_raw_pcm_from_standard_input_is_24_khz_mono(monkeypatch: pytest.MonkeyPatch) -> None:
    pcm = np.arange(-6000, 6000, dtype="<i2").tobytes()

    with standard_input(monkeypatch, pcm + b"\x01"), open_all([STANDARD]) as opener:
        samples = all_of(opener(STANDARD, 24_000))

    assert (samples * 32768).astype("<i2").tobytes() == pcm


def test_raw_pcm_is_brought_to_the_sessions_rate_too(monkeypatch: pytest.MonkeyPatch) -> None:
    with standard_input(monkeypatch, bytes(24_000)), open_all([STANDARD]) as opener:
        assert all_of(opener(STANDARD, 8_000)).size == 4_000


def test_a_sound_file_on_standard_input_is_read_as_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    flac = tmp_path / "question.flac"
    soundfile.write(flac, tone(16_000, 0.5), 16_000)

    with standard_input(monkeypatch, flac.read_bytes()), open_all([STANDARD, flac]) as opener:
        assert all_of(opener(STANDARD, 24_000)).size == 12_000
        assert all_of(opener(flac, 24_000)).size == 12_000


def test_a_sound_file_that_is_cut_off_is_found_on_standard_input_too(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    wav = speech_file(tmp_path / "question.wav", 0.5).read_bytes()

    with (
        standard_input(monkeypatch, wav[:-100]),
        pytest.raises(UsageError, match="standard input: the file is cut off"),
        open_all([STANDARD]),
    ):
        pytest.fail("it began")


def test_an_empty_standard_input_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        standard_input(monkeypatch, b""),
        pytest.raises(UsageError, match="standard input is empty"),
        open_all([STANDARD]),
    ):
        pytest.fail("it began")


def test_standard_input_is_spoken_once() -> None:
    with pytest.raises(UsageError, match="once"), open_all([STANDARD, STANDARD]):
        pytest.fail("it began")


def test_a_terminal_is_no_sound(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = os.openpty()
    with os.fdopen(theirs) as stdin, os.fdopen(ours, "rb", buffering=0):
        monkeypatch.setattr(sys, "stdin", stdin)

        with pytest.raises(UsageError, match="from a pipe"), open_all([STANDARD]):
            pytest.fail("it began")


def test_a_pipe_that_gives_little_at_a_time_is_read_on() -> None:
    reader, writer = os.pipe()
    with io.FileIO(reader) as pipe, os.fdopen(writer, "wb", buffering=0) as far_end:
        far_end.write(b"\x01\x02")
        from transports.wav.sources import PipeSource

        source = PipeSource(pipe, 24_000, b"\x03\x04\x05\x06")
        far_end.write(bytes(4794))

        assert source.read().size == 2_400
