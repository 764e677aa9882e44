"""A conversation at a sound card that is not there: what the microphone hears, and what the speaker plays."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from realtime_engine.sound import Samples, resample
from tests.cli.fake import engine
from tests.soundcard import RATE, VirtualCard, open_card, wait_for

ROOT = Path(__file__).parents[2]
JFK = ROOT / "tests" / "audio" / "jfk.flac"


@pytest.fixture
def card() -> Iterator[VirtualCard]:
    with open_card() as card:
        yield card


@pytest.fixture(scope="module")
def question() -> Samples:
    """Two seconds of speech, and the silence in which it ends."""
    sound, rate = soundfile.read(JFK, dtype="float32", always_2d=True)
    speech = resample(sound[: int(2.3 * rate), 0], rate, RATE)
    return np.concatenate([speech, np.zeros(RATE, np.float32)])


class Talk:
    """``engine run`` at the card, as it goes on."""

    def __init__(self, process: subprocess.Popen[bytes], said: Path, folder: Path) -> None:
        self.process = process
        self._said = said
        self._folder = folder

    @property
    def said(self) -> str:
        """All that was printed so far."""
        return self._said.read_text()

    def wait_for(self, words: str, times: int = 1) -> None:
        """Wait until something was printed so often."""
        wait_for(lambda: self.said.count(words) >= times or self.process.poll() is not None, words)
        assert self.said.count(words) >= times, self.said

    def end(self) -> int:
        """Ctrl-C, if it has not ended; the exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        return self.process.wait(60)

    def recording(self) -> Path:
        (recording,) = self._folder.iterdir()
        return recording

    def events(self, kind: str) -> list[dict[str, Any]]:
        """The recorded events of a type, each with its time."""
        lines = map(json.loads, (self.recording() / "events.jsonl").read_text().splitlines())
        return [line["event"] | {"at": line["at"]} for line in lines if line.get("event", {}).get("type") == kind]


@contextmanager
def talk(card: VirtualCard, tmp_path: Path, *flags: str | Path) -> Iterator[Talk]:
    tmp_path.mkdir(exist_ok=True)
    said, folder = tmp_path / "said", tmp_path / "recordings"
    if "--echo" not in flags:
        flags = (*flags, "--echo", "off")  # as with a headset: what is heard is to the sample what was said
    command = [sys.executable, "-m", "cli", "run", "--transport", "device", "--upstream", "local", "--speech", "tones"]
    if "--latency" not in flags:
        flags = (*flags, "--latency", "0.1")  # the computer is busy with other tests
    with said.open("wb") as file:
        process = subprocess.Popen(
            [*command, "--record", folder, *flags],
            cwd=ROOT,
            env={**card.env, "PYTHONUNBUFFERED": "1"},
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    try:
        yield Talk(process, said, folder)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(60)


def alike(heard: Samples, spoken: Samples) -> int:
    """How many tenths of a second of the spoken sound are somewhere in what was heard."""
    found = 0
    for start in range(0, len(spoken) - RATE // 10 + 1, RATE // 10):
        part = spoken[start : start + RATE // 10]
        size = len(heard) + len(part)
        product = np.fft.irfft(np.fft.rfft(heard, size) * np.conj(np.fft.rfft(part, size)), size)
        at = int(np.argmax(product[: len(heard) - len(part)]))
        found += bool(np.corrcoef(heard[at : at + len(part)], part)[0, 1] > 0.95)
    return found


def loud(sound: Samples) -> tuple[int, int]:
    """The first and the last sample that is no silence."""
    (where,) = np.nonzero(np.abs(sound) > 0.003)
    return int(where[0]), int(where[-1]) + 1


@pytest.mark.parametrize("flags", [(), ("--device-rate", "44100", "--block-ms", "20")])
def test_speech_into_the_microphone_is_answered_through_the_speaker(
    card: VirtualCard, tmp_path: Path, question: Samples, flags: tuple[str, ...]
) -> None:
    with talk(card, tmp_path, *flags) as talking, card.hear() as heard:
        talking.wait_for("speak; Ctrl-C ends the conversation")
        card.speak(question)
        talking.wait_for("model  [")
        sound = heard()
        assert talking.end() == 130

    spoken = question[slice(*loud(question))]
    assert alike(sound, spoken[RATE // 2 : RATE * 3 // 2]) >= 7, "it is parroted; a busy computer may break some parts"
    assert json.loads((talking.recording() / "recording.json").read_text())["ended"]["complete"]
    assert engine("replay", talking.recording()) == 0


NOISE = np.random.default_rng(6).uniform(-0.3, 0.3, 30 * RATE).astype(np.float32)
"""An answer of 30 s of which every moment sounds different, so that each is known when it is heard."""


@pytest.fixture
def monologue(tmp_path: Path) -> Path:
    """A script by which the first thing said is answered for 30 s, by noise."""
    soundfile.write(tmp_path / "noise.wav", NOISE, RATE, subtype="PCM_16")
    script = tmp_path / "monologue.toml"
    script.write_text('[[reply]]\nturn = 1\nplay = "noise.wav"\ntranscript = "Well"\n[[reply]]\nsay = "Yes"\n')
    return script


def cuts(talking: Talk) -> list[int]:
    """To how many milliseconds the answers were truncated."""
    return [event["audio_end_ms"] for event in talking.events("conversation.item.truncate")]


PIECE = RATE // 40
SIZE = 1 << len(NOISE).bit_length()


def until_ms(piece: Samples) -> float | None:
    """To how many milliseconds the noise was heard where it sounds like this; None: it does nowhere."""
    if np.abs(piece).max() < 0.05:
        return None
    product = np.fft.irfft(np.fft.rfft(NOISE, SIZE) * np.conj(np.fft.rfft(piece, SIZE)), SIZE)
    place = int(np.argmax(product[: len(NOISE) - PIECE]))
    alike = np.corrcoef(piece, NOISE[place : place + PIECE])[0, 1] > 0.8
    return (place + PIECE) * 1000 / RATE if alike else None


def heard_last_ms(sound: Samples) -> float:
    """To how many milliseconds it was heard, by what is heard of it last and not by the time that it took."""
    pieces = range(len(sound) - PIECE, -1, -PIECE)
    last = next(at for at in pieces if until_ms(sound[at : at + PIECE]) is not None)
    later = (until_ms(sound[at : at + PIECE]) for at in range(last, last + PIECE, RATE // 200))
    return max(until for until in later if until is not None)


@pytest.mark.parametrize("barge_in", ["local", "server"])
def test_who_speaks_over_the_answer_silences_it_and_the_model_is_told_what_was_heard(
    card: VirtualCard, tmp_path: Path, question: Samples, monologue: Path, barge_in: str
) -> None:
    with talk(card, tmp_path, "--script", monologue, "--barge-in", barge_in) as talking, card.hear() as heard:
        talking.wait_for("speak; Ctrl-C ends the conversation")
        card.speak(question)
        wait_for(lambda: np.abs(heard()[-RATE:]).max() > 0.1, "the answer")
        card.speak(question)
        talking.wait_for("model  Yes")
        sound = heard()
        assert talking.end() == 130

    assert cuts(talking)[0] == pytest.approx(heard_last_ms(sound), abs=40), "the fade is heard, and does not count"
    detected = "engine.speech_started" if barge_in == "local" else "input_audio_buffer.speech_started"
    assert len(talking.events(detected)) >= 2
    assert engine("replay", talking.recording()) == 0


def test_a_cough_pauses_the_answer_which_goes_on_where_it_was(
    card: VirtualCard, tmp_path: Path, question: Samples, monologue: Path
) -> None:
    cough = np.concatenate([question[round(0.37 * RATE) : round(0.53 * RATE)], np.zeros(RATE, np.float32)])
    with talk(card, tmp_path, "--script", monologue) as talking, card.hear() as heard:
        talking.wait_for("speak; Ctrl-C ends the conversation")
        card.speak(question)
        wait_for(lambda: np.abs(heard()[-RATE:]).max() > 0.1, "the answer")
        for _ in range(3):
            card.speak(cough)
            if "that was no speech" in talking.said:
                break
        talking.wait_for("that was no speech: the answer goes on")
        before = len(heard())
        wait_for(lambda: len(heard()) > before + RATE, "a second more")
        sound = heard()
        assert talking.end() == 130

    assert cuts(talking) == []
    assert len(talking.events("engine.speech_started")) == 1
    assert len(talking.events("engine.speech_suspected")) == len(talking.events("engine.speech_dismissed"))
    quiet = np.abs(sound[loud(sound)[0] : -RATE]) < 0.003
    pauses = np.flatnonzero(np.convolve(quiet, np.ones(RATE // 4), "valid") == RATE // 4)
    assert pauses.size, "it was silent for a while"
    assert np.abs(sound[-RATE // 2 :]).max() > 0.1, "and is no more"
    assert engine("replay", talking.recording()) == 0


def test_with_barge_in_off_nobody_interrupts(
    card: VirtualCard, tmp_path: Path, question: Samples, monologue: Path
) -> None:
    with talk(card, tmp_path, "--script", monologue, "--barge-in", "off") as talking, card.hear() as heard:
        talking.wait_for("speak; Ctrl-C ends the conversation")
        card.speak(question)
        wait_for(lambda: np.abs(heard()[-RATE:]).max() > 0.1, "the answer")
        card.speak(question)
        talking.wait_for("you ", 2)
        assert talking.end() == 130

    assert cuts(talking) == []
    assert not talking.events("output_audio_buffer.cleared")


def test_who_wears_no_headset_is_answered_and_can_interrupt_but_the_model_does_not_hear_itself(
    card: VirtualCard, tmp_path: Path, question: Samples
) -> None:
    script = chatter(tmp_path, 120)
    card.feed_back(-10)
    flags = ("--script", script, "--echo", "cancel", "--latency", "0.3")  # so much the computer may be held up
    with talk(card, tmp_path, *flags) as talking, card.hear() as heard:
        talking.wait_for("speak; Ctrl-C ends the conversation")
        card.speak(question)
        talking.wait_for("you ")
        wait_for(lambda: sounding(heard()) > 7 * RATE, "the answer")
        assert "interrupted" not in talking.said
        for _ in range(25):  # on a busy computer the way may stumble just then
            if "interrupted" not in talking.said:
                card.speak(question)
        talking.wait_for("[interrupted after")
        assert talking.end() == 130

    assert len(talking.events("engine.speech_started")) >= 2
    assert engine("replay", talking.recording()) == 0


def chatter(folder: Path, seconds: float) -> Path:
    """A script by which whatever is said is answered by speech, for so long."""
    sound, rate = soundfile.read(JFK, dtype="float32", always_2d=True)
    speech = resample(sound[int(3.3 * rate) :, 0], rate, RATE)
    soundfile.write(folder / "speech.wav", np.tile(speech, int(seconds * RATE / speech.size) + 1), RATE, "PCM_16")
    script = folder / "chatter.toml"
    script.write_text('[[reply]]\nplay = "speech.wav"\ntranscript = "Well"\n')
    return script


def sounding(sound: Samples) -> int:
    """How many samples there are from the first that is no silence."""
    (where,) = np.nonzero(np.abs(sound) > 0.003)
    return sound.size - int(where[0]) if where.size else 0


def test_a_card_that_is_unplugged_and_comes_back_is_taken_up_again(
    card: VirtualCard, tmp_path: Path, question: Samples
) -> None:
    with talk(card, tmp_path) as talking:
        talking.wait_for("speak; Ctrl-C ends the conversation")
        card.unplug()
        talking.wait_for("is gone: the conversation waits for another")
        card.plug_in()
        talking.wait_for("ms to the speaker", 2)
        with card.hear() as heard:
            card.speak(question)
            talking.wait_for("model  [")
            sound = heard()
        assert talking.end() == 130

    spoken = question[slice(*loud(question))]
    assert alike(sound, spoken[RATE // 2 : RATE * 3 // 2]) >= 7
    assert [event["state"] for event in talking.events("engine.sound_card")][:2] == ["lost", "there"]
    assert engine("replay", talking.recording()) == 0


def test_a_card_that_does_not_come_back_ends_the_conversation_with_its_recording(
    card: VirtualCard, tmp_path: Path
) -> None:
    with talk(card, tmp_path, "--card-wait", "0.5") as talking:
        talking.wait_for("speak; Ctrl-C ends the conversation")
        card.unplug()
        assert talking.process.wait(60) == 2

    assert "engine: the sound card is gone, and no other is there: " in talking.said.splitlines()[-1]
    assert json.loads((talking.recording() / "recording.json").read_text())["ended"]["complete"]
    assert engine("replay", talking.recording()) == 0


def test_a_device_that_is_not_there_is_one_line_and_no_recording(card: VirtualCard, tmp_path: Path) -> None:
    with talk(card, tmp_path, "--input-device", "Theremin") as talking:
        assert talking.process.wait(60) == 2

    (line,) = talking.said.splitlines()
    assert line.startswith("engine: --input-device Theremin: there is no such microphone; there ")
    assert not (tmp_path / "recordings").exists()
