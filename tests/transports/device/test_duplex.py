"""What passes between the card's thread and the engine."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.transports.device.blocks import FakeCard, Fine, steady

FADE = 480  # samples of 20 ms at 24 kHz
CUT = 60  # of 2.5 ms


def test_what_is_recorded_is_taken_once_and_the_engine_is_woken_for_each_block() -> None:
    card = FakeCard()
    card.turn(steady(240, 1))
    card.turn(steady(240, 2))

    recorded, given = card.duplex.take()
    assert recorded.tolist() == [1] * 240 + [2] * 240
    assert given.tolist() == [0] * 480
    assert card.duplex.take()[0].size == 0
    assert (card.woken, card.duplex.blocks) == (2, 2)


def test_a_microphone_is_behind_by_what_waits_for_long_not_by_what_a_single_block_says() -> None:
    card = FakeCard()
    assert card.duplex.behind == 0.0
    card.turn(240, delay=0.0, waited=0.0)
    assert card.duplex.behind == 0.0, "it is not known yet"
    for _ in range(20):
        for waited in (0.07, 0.06, 0.05):
            card.turn(240, delay=0.1, waited=waited)
    assert card.duplex.behind == 0.0

    for _ in range(49):
        card.turn(240, delay=0.1, waited=0.27)
    assert card.duplex.behind == 0.0, "it may be over in a moment"
    card.turn(240, delay=0.1, waited=0.27)
    assert card.duplex.behind == pytest.approx(0.2)
    card.turn(240, delay=0.1, waited=0.05)
    assert card.duplex.behind == 0.0


def test_speech_is_played_to_its_end_then_there_is_silence_on_every_channel() -> None:
    card = FakeCard(channels=2)
    assert card.duplex.write(steady(300)) == 300

    assert card.turn(240).tolist() == [1000] * 240
    assert card.turn(240).tolist() == [1000] * 60 + [0] * 180
    assert card.duplex.underruns == 0, "there was no more to say"


@given(st.lists(st.tuples(st.integers(0, 400), st.integers(1, 400)), max_size=200))
def test_whatever_the_sizes_all_is_played_in_order_and_nothing_else(sizes: list[tuple[int, int]]) -> None:
    card = FakeCard(rate=400)  # the ring goes round many times
    said = np.zeros(0, np.int16)
    for written, block in sizes:
        speech = np.arange(said.size, said.size + written, dtype=np.int16) % 1000 + 1
        said = np.concatenate([said, speech[: card.duplex.write(speech)]])
        card.turn(block)
    for _ in range(4):
        card.turn(400)

    assert card.heard[card.heard != 0].tolist() == said.tolist()
    assert sum(note.size for note in card.duplex.notes()) <= said.size


@given(st.lists(st.tuples(st.integers(1, 400), st.booleans()), max_size=200))
def test_whatever_is_recorded_is_heard_in_order_or_counted_as_lost(blocks: list[tuple[int, bool]]) -> None:
    card = FakeCard(rate=400)
    recorded, heard = np.zeros(0, np.int16), np.zeros(0, np.int16)
    for size, taken in blocks:
        block = np.arange(recorded.size, recorded.size + size, dtype=np.int16) % 1000
        before = card.duplex.overruns
        card.turn(block)
        if card.duplex.overruns == before:
            recorded = np.concatenate([recorded, block])
        if taken:
            heard = np.concatenate([heard, card.duplex.take()[0]])
    heard = np.concatenate([heard, card.duplex.take()[0]])

    assert heard.tolist() == recorded.tolist()


def test_what_is_recorded_comes_with_what_was_played_meanwhile() -> None:
    card = FakeCard()
    card.duplex.write(steady(300, 7))
    card.turn(steady(240, 1))
    card.turn(steady(240, 2))

    recorded, given = card.duplex.take()
    assert recorded.tolist() == [1] * 240 + [2] * 240
    assert given.tolist() == [7] * 300 + [0] * 180


def test_what_goes_wrong_is_counted() -> None:
    card = FakeCard()
    card.turn(240, Fine(input_overflow=True))
    card.turn(240, Fine(output_underflow=True))
    card.duplex.more = True  # the engine has more to say, and was not quick enough
    card.turn(240)

    assert (card.duplex.overruns, card.duplex.underruns) == (1, 2)


def test_a_cut_is_silence_within_the_block_and_says_where_it_was() -> None:
    card = FakeCard()
    card.duplex.write(steady(2400))
    card.turn(240)
    number = card.duplex.cut()
    assert card.duplex.cut_at(number) is None

    fading = card.turn(240)
    assert card.duplex.cut_at(number) == 240
    assert np.all(np.diff(fading) <= 0)
    assert fading[0] == 1000
    assert fading[-1] < 10, "not torn off half-way"
    assert not card.turn(240).any()
    assert card.duplex.write(steady(240, 7)) == 240
    assert card.turn(240).tolist() == [7] * 240, "what comes later is heard"


def test_a_cut_is_a_whole_fade_however_long_the_block_is() -> None:
    card = FakeCard()
    card.duplex.write(steady(2400))
    card.duplex.cut()

    fading = card.turn(960)
    assert 0 < fading[CUT - 1] < 20
    assert not fading[CUT:].any()


def test_a_cut_of_silence_is_done_with_the_next_block() -> None:
    card = FakeCard()
    number = card.duplex.cut()
    assert not card.turn(240).any()
    assert card.duplex.cut_at(number) == 0


def test_held_speech_fades_in_20_ms_and_goes_on_where_it_was() -> None:
    card = FakeCard()
    card.duplex.write(np.arange(1, 4801, dtype=np.int16))
    card.turn(240)
    card.duplex.hold(True)

    fading = np.concatenate([card.turn(240), card.turn(240)])
    assert fading[0] == 241
    assert np.all(np.diff(fading[:240].astype(int)) <= 1)
    assert fading[-2] <= 2
    assert not card.turn(240).any()
    assert card.duplex.played == 240, "none of it counts as heard"
    card.duplex.hold(False)
    rising = np.concatenate([card.turn(240) for _ in range(4)])
    assert rising[0] == 0
    assert np.all(np.diff(rising) >= 0), "over as many blocks as it takes"
    assert rising[FADE:].tolist() == list(range(241 + FADE, 241 + 960))


def test_held_speech_that_ends_while_it_fades_is_followed_by_silence_and_not_by_what_was_there_before() -> None:
    card = FakeCard()
    card.duplex.write(np.concatenate([steady(48_000 - 100, 7), steady(100)]))  # the ring is full
    while card.duplex.written - card.duplex.played > 300:
        card.turn(100)
    card.duplex.hold(True)

    fading = np.concatenate([card.turn(240), card.turn(240)])
    assert fading[:300].any()
    assert not fading[300:].any()


def test_held_speech_may_be_cut_without_another_sound() -> None:
    card = FakeCard()
    card.duplex.write(steady(4800))
    card.duplex.hold(True)
    for _ in range(2):
        card.turn(240)
    number = card.duplex.cut()

    assert not card.turn(240).any()
    assert card.duplex.cut_at(number) == 0


@pytest.mark.parametrize(("delay", "latency"), [(0.05, 0.05), (-1.0, 0.03), (5.0, 0.03)])
def test_each_block_is_noted_with_when_it_is_heard_by_the_card_or_by_its_latency(
    monkeypatch: pytest.MonkeyPatch, delay: float, latency: float
) -> None:
    monkeypatch.setattr("transports.device.duplex.perf_counter", lambda: 10.0)
    card = FakeCard()
    card.duplex.latency = 0.03
    card.duplex.write(steady(300))
    card.turn(240, delay=delay)
    card.turn(240, delay=delay)

    assert list(card.duplex.notes()) == [(0, 240, 10.0 + latency), (240, 60, 10.0 + latency)]
    assert list(card.duplex.notes()) == []
