"""What was said and heard is on file, at its place, from the moment it happened."""

import io
import os
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from realtime_engine.audio import PCM16, PCMA, PCMU
from realtime_engine.errors import UsageError
from realtime_engine.sound import encode
from tests.transports.wav_script import samples_of, speech_file
from transports.wav import STANDARD
from transports.wav.tape import Footage, Tape, open_tape
from transports.wav.timeline import Stretch

LOUD = b"\x00\x20"  # 8192
NOTHING = Footage((), (), 0.0)


def test_the_mix_has_the_person_left_and_the_model_right_each_at_its_time(tmp_path: Path) -> None:
    with open_tape(None, tmp_path / "mix.wav", []) as tape:
        tape.write(Footage([Stretch(2400, LOUD * 2400)], [], 0.2))
        tape.write(Footage([], [Stretch(7200, LOUD * 1200)], 0.4))
        tape.write(Footage([], [], 0.5), last=True)

    mix = samples_of(tmp_path / "mix.wav")
    assert mix.shape == (12_000, 2)
    assert np.flatnonzero(mix[:, 0]).tolist() == list(range(2400, 4800))
    assert np.flatnonzero(mix[:, 1]).tolist() == list(range(7200, 8400))


def test_the_output_has_what_was_heard_without_the_silence_between(tmp_path: Path) -> None:
    with open_tape(tmp_path / "answer.wav", None, []) as tape:
        tape.write(Footage([Stretch(0, LOUD * 2400)], [Stretch(7200, LOUD * 1200)], 0.4))
        tape.write(Footage([], [Stretch(90_000, LOUD * 1200)], 4.0), last=True)

    assert samples_of(tmp_path / "answer.wav").shape == (2400, 1)


@pytest.mark.parametrize("format", [PCMU, PCMA], ids=["pcmu", "pcma"])
def test_telephone_sound_is_written_at_24_khz(tmp_path: Path, format: object) -> None:
    assert format in (PCMU, PCMA)
    law = PCMU if format == PCMU else PCMA
    sound = encode(np.full(800, 0.25, np.float32), law)
    with open_tape(tmp_path / "answer.wav", tmp_path / "mix.wav", []) as tape:
        tape.use(law, law)
        for piece in range(10):
            tape.write(
                Footage([Stretch(80 * piece, sound[:80])], [Stretch(80 * piece + 800, sound[:80])], 0.01 * piece)
            )
        tape.write(Footage([], [], 0.2), last=True)

    answer, mix = samples_of(tmp_path / "answer.wav")[:, 0], samples_of(tmp_path / "mix.wav")
    assert answer.size == pytest.approx(2400, abs=4)
    assert mix.shape[0] == pytest.approx(4800, abs=4)
    assert answer[600:1800] == pytest.approx(8192, rel=0.05)
    assert mix[600:1800, 0] == pytest.approx(8192, rel=0.05)
    assert mix[3000:4200, 1] == pytest.approx(8192, rel=0.05)
    assert np.abs(mix[600:1800, 1]).max() < 100


def test_what_is_written_can_be_read_before_the_end(tmp_path: Path) -> None:
    with open_tape(tmp_path / "answer.wav", None, []) as tape:
        tape.write(Footage([], [Stretch(0, LOUD * 2400)], 0.1))

        assert samples_of(tmp_path / "answer.wav").shape == (2400, 1)


def test_a_pipe_gets_a_wav_file_of_unknown_length(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = os.pipe()
    with os.fdopen(reader, "rb") as far_end:
        with os.fdopen(writer, "w") as stdout:
            monkeypatch.setattr(sys, "stdout", stdout)
            with open_tape(STANDARD, None, []) as tape:
                tape.write(Footage([], [Stretch(0, LOUD * 2400)], 0.1))
        wav = far_end.read()

    samples, rate = soundfile.read(io.BytesIO(wav), dtype="int16")
    assert (rate, samples.tolist()) == (24_000, [8192] * 2400)


@pytest.mark.parametrize(
    ("output", "mix", "what"),
    [
        ("gone/answer.wav", None, "--output .*gone/answer.wav: cannot be written: No such file or directory"),
        (None, "gone/mix.wav", "--mix .*gone/mix.wav: cannot be written"),
        ("", None, "cannot be written: Is a directory"),
        ("answer.mp3", None, "only WAV can be written; name it answer.wav"),
        ("same.wav", "same.wav", "give each its own file"),
        ("question.wav", None, "this file is to be spoken"),
        ("link.wav", None, "this file is to be spoken"),
    ],
)
def test_a_path_that_cannot_be_written_is_said_before_the_conversation(
    tmp_path: Path, output: str | None, mix: str | None, what: str
) -> None:
    question = speech_file(tmp_path / "question.wav", 0.1)
    (tmp_path / "link.wav").symlink_to(question)
    before = question.read_bytes()

    with (
        pytest.raises(UsageError, match=what),
        open_tape(
            tmp_path / output if output is not None else None, tmp_path / mix if mix is not None else None, [question]
        ),
    ):
        pytest.fail("it began")
    assert question.read_bytes() == before


def test_a_disk_that_is_full_is_said_at_once(tmp_path: Path) -> None:
    (tmp_path / "answer.wav").symlink_to("/dev/full")

    with (
        pytest.raises(UsageError, match=r"answer\.wav: .*No space left on device"),
        open_tape(tmp_path / "answer.wav", None, []),
    ):
        pytest.fail("it began")


def test_a_tape_without_files_does_not_run() -> None:
    with open_tape(None, None, []) as tape:
        tape.write(NOTHING, last=True)

        assert not tape.running
        assert Tape(None, None).running is False


def test_formats_are_those_of_the_conversation(tmp_path: Path) -> None:
    with open_tape(tmp_path / "answer.wav", None, []) as tape:
        tape.use(PCM16, PCM16)
        tape.write(Footage([], [Stretch(0, LOUD * 10)], 0.1), last=True)

    assert samples_of(tmp_path / "answer.wav").shape == (10, 1)
