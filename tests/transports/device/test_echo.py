"""The speaker in the microphone, and how it is kept out."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from realtime_engine.errors import UsageError
from realtime_engine.sound import Samples, from_pcm16, resample, rms, to_pcm16
from tests.transports.device.blocks import steady
from transports.device.duplex import Block
from transports.device.echo import Cancel, Echo, Mute, check_echo, make_echo

RATE = 24_000
LATENCY = 0.05
JFK = Path(__file__).parents[2] / "audio" / "jfk.flac"


def test_the_microphone_is_closed_from_the_first_sample_that_is_played_until_the_room_is_silent() -> None:
    mute = Mute(RATE, LATENCY)
    silence = np.zeros(240, np.int16)
    half = np.concatenate([np.zeros(120, np.int16), steady(120)])

    assert mute.clean(steady(240, 5), silence).tolist() == [5] * 240
    assert mute.clean(steady(240, 5), half).tolist() == [5] * 120 + [0] * 120
    assert not mute.clean(steady(240, 5), steady(240)).any()
    rest = np.concatenate([mute.clean(steady(240, 5), silence) for _ in range(40)])
    assert np.count_nonzero(rest == 0) == round(0.3 * RATE), "the latency, and a quarter of a second"
    assert rest[-1] == 5


def test_speech_that_is_fed_back_is_cancelled_and_what_the_person_says_is_not() -> None:
    sound, rate = soundfile.read(JFK, dtype="float32", always_2d=True)
    speech = resample(sound[:, 0], rate, RATE)
    played = np.tile(speech, 2)[: 20 * RATE]
    delay = round(LATENCY * RATE)
    echo = np.concatenate([np.zeros(delay, np.float32), played])[: played.size] * np.float32(10 ** (-10 / 20))
    person = np.zeros_like(played)
    person[15 * RATE : 17 * RATE] = speech[8 * RATE : 10 * RATE]

    said = cleaned(Cancel(RATE, LATENCY), echo + person, played)

    learnt, spoken = slice(5 * RATE, 14 * RATE), slice(15 * RATE, 17 * RATE)
    assert rms(said[learnt]) < rms(echo[learnt]) / 100
    assert rms(said[spoken]) > rms(person[spoken]) / 2


@pytest.mark.parametrize("rate", [16_000, 24_000, 44_100, 48_000])
def test_at_the_rate_of_any_card_all_that_is_recorded_comes_in_whole_frames(rate: int) -> None:
    cancel = Cancel(rate, LATENCY)

    sizes = [cancel.clean(steady(size), steady(size)).size for size in (1, rate // 100 - 1, rate // 50, 7)]

    assert sizes == [0, rate // 100, rate // 50, 0]


def cleaned(echo: Echo, recorded: Samples, played: Samples) -> Samples:
    """All of it, in blocks of 20 ms."""
    ends = range(480, recorded.size + 1, 480)
    blocks = [echo.clean(block(recorded[end - 480 : end]), block(played[end - 480 : end])) for end in ends]
    return from_pcm16(np.concatenate(blocks).tobytes())


def block(samples: Samples) -> Block:
    return np.frombuffer(to_pcm16(samples), np.int16)


def test_a_card_that_takes_longer_than_the_canceller_knows_is_cancelled_all_the_same() -> None:
    block = np.zeros(RATE // 10, np.int16)

    assert Cancel(RATE, latency=0.9).clean(block, block).size == block.size


def test_what_can_be_had_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(make_echo("auto", RATE, LATENCY), Cancel)
    assert isinstance(make_echo("cancel", RATE, LATENCY), Cancel)
    assert isinstance(make_echo("mute", RATE, LATENCY), Mute)
    assert make_echo("off", RATE, LATENCY) is None
    check_echo("cancel")

    monkeypatch.setattr("transports.device.echo.is_installed", lambda: False)
    assert make_echo("auto", RATE, LATENCY) is None
    for mode in ("auto", "mute", "off"):
        check_echo(mode)
    with pytest.raises(UsageError, match=r"--echo cancel needs the extra echo: pip install 'realtime-engine\[echo\]'"):
        check_echo("cancel")
