"""The speaker in the microphone, and how it is kept out."""

from collections.abc import Sequence
from math import inf
from pathlib import Path

import numpy as np
import pytest
import soundfile

from realtime_engine.errors import UsageError
from realtime_engine.sound import Samples, from_pcm16, resample, rms
from realtime_engine.upstreams.local.frames import Silero
from tests.transports.device.blocks import block, steady
from transports.device.echo import Cancel, Echo, Mute, check_echo, make_echo
from transports.device.listener import Decision, Listener

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


@pytest.fixture(scope="module")
def speech() -> Samples:
    sound, rate = soundfile.read(JFK, dtype="float32", always_2d=True)
    return resample(sound[:, 0], rate, RATE)


def test_speech_that_is_fed_back_is_cancelled_and_what_the_person_says_is_not(speech: Samples) -> None:
    played = np.tile(speech, 2)[: 20 * RATE]
    echo = fed_back(played, [(0.0, LATENCY)])
    person = np.zeros_like(played)
    person[15 * RATE : 17 * RATE] = speech[8 * RATE : 10 * RATE]

    said = cleaned(Cancel(RATE, LATENCY), echo + person, played)

    learnt, spoken = slice(5 * RATE, 14 * RATE), slice(15 * RATE, 17 * RATE)
    assert rms(said[learnt]) < rms(echo[learnt]) / 100
    assert rms(said[spoken]) > rms(person[spoken]) / 2


def test_until_it_has_learnt_and_after_each_stumble_the_microphone_is_closed_while_the_model_is_heard(
    speech: Samples,
) -> None:
    played = np.tile(speech[int(3.3 * RATE) :], 4)[: 24 * RATE]
    recorded = fed_back(played, [(0.0, LATENCY), (12.0, LATENCY + 0.2)])
    person = np.zeros_like(played)
    for second in (0, 9, 13, 21):
        person[second * RATE : (second + 1) * RATE] = speech[RATE : 2 * RATE]
    recorded += person
    cancel = Cancel(RATE, LATENCY)

    said = cleaned(cancel, recorded[: 12 * RATE], played[: 12 * RATE])
    cancel.stumble()
    said = np.concatenate([said, cleaned(cancel, recorded[12 * RATE :], played[12 * RATE :])])

    heard = {second: rms(said[second * RATE : (second + 1) * RATE]) for second in (0, 9, 13, 21)}
    assert heard[0] == heard[13] == 0.0
    assert min(heard[9], heard[21]) > rms(person[9 * RATE : 10 * RATE]) / 2


@pytest.mark.parametrize("seed", range(4))
def test_however_the_way_jumps_without_a_word_the_model_does_not_interrupt_itself(speech: Samples, seed: int) -> None:
    chance = np.random.default_rng(seed)
    begins, ways = np.cumsum(chance.uniform(3, 9, 5)), chance.uniform(0.05, 0.4, 5)
    played = np.tile(speech[int(3.3 * RATE) :], 8)[: int((begins[-1] + 5) * RATE)]
    echo = fed_back(played, [(0.0, 0.16), *zip(begins, ways, strict=True)], reverberant=seed % 2 == 1)

    said = cleaned(Cancel(RATE, 0.1), echo, played)

    listener = Listener(Silero(), RATE)
    decisions = [each for start in range(0, said.size, 240) for each in listener.hear(said[start : start + 240])]
    assert Decision.CONFIRMED not in decisions


def test_a_headset_is_trusted_though_its_microphone_is_noisy(speech: Samples) -> None:
    played, noise = speech[3 * RATE : 8 * RATE], np.random.default_rng(1).normal(0, 0.01, 5 * RATE).astype(np.float32)

    said = cleaned(Cancel(RATE, LATENCY), noise, played)

    assert not said[RATE : 2 * RATE].any()
    assert said[4 * RATE :].any(), "nobody need wait for the model's end"


@pytest.mark.parametrize("rate", [16_000, 24_000, 44_100, 48_000])
def test_at_the_rate_of_any_card_all_that_is_recorded_comes_in_whole_frames(rate: int) -> None:
    cancel = Cancel(rate, LATENCY)

    sizes = [cancel.clean(steady(size), steady(size)).size for size in (1, rate // 100 - 1, rate // 50, 7)]

    assert sizes == [0, rate // 100, rate // 50, 0]


def fed_back(played: Samples, ways: Sequence[tuple[float, float]], *, reverberant: bool = False) -> Samples:
    """What comes back at -10 dB, by a way that takes so many seconds from a second on."""
    if reverberant:
        tail = np.random.default_rng(1).normal(size=RATE // 4) * np.exp(-np.arange(RATE // 4) / (0.05 * RATE))
        room = np.concatenate([[1.0], tail / np.sqrt(np.sum(tail**2))])
        played = (np.convolve(played, room)[: played.size] / np.sqrt(2)).astype(np.float32)
    out, ends = np.zeros_like(played), [*(begin for begin, _ in ways[1:]), inf]
    for (begin, way), end in zip(ways, ends, strict=True):
        at = np.arange(int(begin * RATE), int(min(end * RATE, played.size)))
        out[at] = np.where(at >= way * RATE, played[at - int(way * RATE)], 0.0)
    return out * np.float32(10 ** (-10 / 20))


def cleaned(echo: Echo, recorded: Samples, played: Samples) -> Samples:
    """All of it, in blocks of 20 ms."""
    ends = range(480, recorded.size + 1, 480)
    blocks = [echo.clean(block(recorded[end - 480 : end]), block(played[end - 480 : end])) for end in ends]
    return from_pcm16(np.concatenate(blocks).tobytes())


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
    with pytest.raises(UsageError, match=r"^--echo cancel needs the extra echo: .*pip install '\.\[echo\]'"):
        check_echo("cancel")
