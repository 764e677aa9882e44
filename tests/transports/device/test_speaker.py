"""How much is heard of what is played, by the card's clock."""

from math import inf

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime_engine.audio import PCM16, PCMU
from realtime_engine.sound import from_pcm16, to_pcm16
from tests.transports.device.blocks import FakeCard, steady
from transports.aloud.ear import Place
from transports.device.speaker import Speaker

LATENCY = 0.03


class Clock:
    """The card's clock and the session's, which is 5 s behind."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        monkeypatch.setattr("transports.device.duplex.perf_counter", lambda: self.now + 5.0)


def told(silenced: tuple[str, Place | None] | None) -> tuple[str, str, object]:
    """What told to fall silent, of which item, and how many milliseconds."""
    assert silenced is not None
    return silenced[0], *heard(silenced[1])


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def speaker_of(card: FakeCard) -> Speaker:
    card.duplex.latency = LATENCY
    return Speaker(card.duplex, PCM16, offset=-5.0)


def seconds(length: float, level: int = 1000) -> bytes:
    return steady(round(length * 24_000), level).tobytes()


def play(card: FakeCard, clock: Clock, length: float, speaker: Speaker | None = None) -> None:
    """Let the card run for a while, in blocks of 10 ms, and the speaker look at it after each."""
    for _ in range(round(length * 100)):
        card.turn(card.duplex.rate // 100)
        clock.now = round(clock.now + 0.01, 6)
        if speaker is not None:
            speaker.hear(clock.now)


def heard(place: Place | None) -> tuple[str, object]:
    """Of which item, and how many milliseconds."""
    assert place is not None
    return place.item_id, place.heard_ms


def test_nothing_is_heard_before_there_is_any() -> None:
    speaker = speaker_of(FakeCard())

    assert (speaker.place, speaker.end) == (None, -inf)


def test_what_was_played_and_has_passed_the_latency_is_heard(clock: Clock) -> None:
    card = FakeCard()
    speaker = speaker_of(card)
    speaker.play(0.0, "a", 0, seconds(1.0))
    assert heard(speaker.place) == ("a", 0.0)
    assert speaker.unheard
    play(card, clock, 0.5)
    speaker.hear(0.5)
    assert heard(speaker.place) == ("a", pytest.approx(470, abs=0.1))
    assert speaker.end == pytest.approx(1.03, abs=1e-3)
    play(card, clock, 0.54)
    speaker.hear(1.04)
    assert heard(speaker.place) == ("a", 1000.0)
    assert not speaker.unheard


def test_time_in_which_the_card_plays_nothing_does_not_count(clock: Clock) -> None:
    card = FakeCard()
    speaker = speaker_of(card)
    speaker.play(0.0, "a", 0, seconds(0.1))
    play(card, clock, 1.0)
    speaker.play(1.0, "a", 0, seconds(0.1))
    play(card, clock, 0.06)
    speaker.hear(1.06)

    assert heard(speaker.place) == ("a", pytest.approx(130, abs=0.1))


def test_a_card_that_stands_still_lets_heard_time_stand_still(clock: Clock) -> None:
    card = FakeCard()
    speaker = speaker_of(card)
    speaker.play(0.0, "a", 0, seconds(1.0))
    play(card, clock, 0.2)
    speaker.hear(60.0)

    assert heard(speaker.place) == ("a", pytest.approx(200))
    assert speaker.end > 60.0, "it is looked again"


def test_a_cut_counts_what_the_card_had_been_given_for_that_is_heard(clock: Clock) -> None:
    card = FakeCard()
    speaker = speaker_of(card)
    speaker.play(0.0, "a", 0, seconds(0.2))
    speaker.play(0.0, "b", 0, seconds(5.0))
    play(card, clock, 0.5)

    speaker.fall_silent(0.5, "cleared_1")
    assert (speaker.silenced(), speaker.unheard) == (None, False)
    play(card, clock, 0.01)
    assert told(speaker.silenced()) == ("cleared_1", "b", pytest.approx(300))
    assert speaker.silenced() is None
    assert heard(speaker.place) == ("b", pytest.approx(300))
    assert not card.turn(240).any()


def test_speech_that_comes_after_a_cut_is_played_though_the_cut_is_not_made_yet(clock: Clock) -> None:
    card = FakeCard()
    speaker = speaker_of(card)
    speaker.play(0.0, "a", 0, seconds(5.0))
    play(card, clock, 0.1)
    speaker.fall_silent(0.1, "one")
    speaker.fall_silent(0.1, "two")
    speaker.play(0.1, "b", 0, seconds(0.1, 7))
    play(card, clock, 0.01, speaker)

    assert told(speaker.silenced()) == ("one", "a", pytest.approx(100))
    assert told(speaker.silenced()) == ("two", "a", pytest.approx(100))
    play(card, clock, 0.2, speaker)
    assert speaker.place == Place("b", 0, 100.0)
    assert np.count_nonzero(card.heard == 7) == 2400


def test_a_cut_of_nothing_names_nothing(clock: Clock) -> None:
    card = FakeCard()
    speaker = speaker_of(card)
    speaker.fall_silent(0.0, "cleared")
    play(card, clock, 0.01)

    assert speaker.silenced() == ("cleared", None)


def test_half_a_sample_is_no_sound(clock: Clock) -> None:
    speaker = speaker_of(FakeCard())
    speaker.play(0.0, "a", 0, b"\x01")

    assert not speaker.unheard


def test_telephone_speech_is_heard_in_its_own_time(clock: Clock) -> None:
    card = FakeCard()
    card.duplex.latency = LATENCY
    speaker = Speaker(card.duplex, PCMU, offset=-5.0)
    speaker.play(0.0, "a", 0, b"\x10" * 8000)
    play(card, clock, 0.53)
    speaker.hear(0.53)

    assert heard(speaker.place) == ("a", pytest.approx(500, abs=0.2))


@pytest.mark.parametrize("rate", [16_000, 24_000, 44_100, 48_000])
def test_at_any_rate_all_of_it_is_played_and_its_length_is_exact(clock: Clock, rate: int) -> None:
    card = FakeCard(rate)
    speaker = speaker_of(card)
    tone = (np.sin(2 * np.pi * 300 * np.arange(24_000) / 24_000) / 2).astype(np.float32)
    for start in range(0, 24_000, 2_000):
        speaker.play(clock.now, "a", 0, to_pcm16(tone[start : start + 2_000]))
        play(card, clock, 0.05, speaker)
    play(card, clock, 1.0, speaker)

    assert heard(speaker.place) == ("a", pytest.approx(1000))
    assert not speaker.unheard
    played = from_pcm16(card.heard.tobytes())
    expected = np.sin(2 * np.pi * 300 * np.arange(rate) / rate) / 2
    start = int(np.flatnonzero(np.abs(played) > 0.05)[0])
    begin = int(np.flatnonzero(np.abs(expected) > 0.05)[0])
    whole = played[start - begin :][: rate * 9 // 10]
    assert np.corrcoef(whole, expected[: whole.size])[0, 1] > 0.99


def test_another_card_goes_on_where_the_last_one_broke_off(clock: Clock) -> None:
    first, second = FakeCard(), FakeCard(48_000)
    speaker = speaker_of(first)
    speaker.play(0.0, "a", 0, seconds(0.2))
    speaker.play(0.0, "a", 0, seconds(0.8))
    play(first, clock, 0.53)
    speaker.hear(0.53)
    second.duplex.latency = LATENCY

    assert speaker.use(second.duplex) == []
    assert heard(speaker.place) == ("a", pytest.approx(500, abs=0.1))
    play(second, clock, 0.6, speaker)
    assert heard(speaker.place) == ("a", pytest.approx(1000, abs=0.1))
    assert not speaker.unheard
    assert np.count_nonzero(second.heard > 500) == pytest.approx(24_000, abs=100)


def test_a_cut_that_the_last_card_has_not_made_is_made_by_its_end(clock: Clock) -> None:
    first, second = FakeCard(), FakeCard()
    speaker = speaker_of(first)
    speaker.play(0.0, "a", 0, seconds(1.0))
    play(first, clock, 0.23)
    speaker.fall_silent(0.23, "cleared")

    (silenced,) = speaker.use(second.duplex)
    assert told(silenced) == ("cleared", "a", pytest.approx(200, abs=0.1))
    assert not speaker.unheard


@given(st.lists(st.tuples(st.sampled_from(["play", "run", "cut"]), st.integers(1, 60)), max_size=25))
def test_never_is_more_heard_than_was_played_and_in_the_end_all_is_that_was_not_cut(
    steps: list[tuple[str, int]],
) -> None:
    with pytest.MonkeyPatch.context() as monkeypatch:
        clock, card = Clock(monkeypatch), FakeCard()
        speaker = speaker_of(card)
        sent: dict[str, float] = {}
        item = 0
        for what, amount in steps:
            if what == "play":
                speaker.play(clock.now, f"item_{item}", 0, seconds(amount / 100))
                sent[f"item_{item}"] = sent.get(f"item_{item}", 0.0) + amount * 10
            elif what == "cut":
                speaker.fall_silent(clock.now, "cleared")
                item += 1
            else:
                play(card, clock, amount / 100, speaker)
            while (silenced := speaker.silenced()) is not None:
                assert silenced[1] is None or silenced[1].heard_ms <= sent[silenced[1].item_id] + 1e-3
            place = speaker.place
            assert place is None or place.heard_ms <= sent[place.item_id] + 1e-3
        play(card, clock, sum(sent.values()) / 1000 + 0.1, speaker)
        assert not speaker.unheard
        if (last := f"item_{item}") in sent:
            assert heard(speaker.place) == (last, pytest.approx(sent[last]))
