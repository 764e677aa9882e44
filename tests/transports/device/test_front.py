"""The person at a sound card, against a scripted session: what goes to the model, and what is said of the card."""

import json
from dataclasses import dataclass, field
from math import inf
from typing import Any

import pytest

from realtime_engine import events as ev
from realtime_engine.audio import encode_base64
from realtime_engine.errors import UpstreamError, UsageError
from realtime_engine.inputs import Kind
from realtime_engine.machine import Close, Connected, Disconnected, Frame, MachineOutput
from realtime_engine.options import SessionOptions
from realtime_engine.show import Who
from tests.script import session_created
from tests.transports.device.blocks import FakeCard, Fine, steady
from tests.transports.wav_script import Shown
from transports.device.front import DeviceFront


@dataclass
class Person:
    """A front at a fake card, whose clock is the test's."""

    card: FakeCard = field(default_factory=FakeCard)
    shown: Shown = field(default_factory=Shown)
    now: float = 0.0
    out: list[MachineOutput] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.front = DeviceFront(SessionOptions(), self.card.duplex, self.shown, offset=0.0)
        self.out += self.front.step(0.0, Connected())

    def hears(self, *events: dict[str, Any]) -> None:
        for event in events:
            self.out += self.front.step(self.now, Frame(json.dumps(event).encode()))

    def wakes(self, now: float) -> None:
        self.now = now
        self.out += self.front.advance(now)

    def said(self) -> list[ev.Event]:
        """The events so far."""
        return [ev.decode(each.raw) for each in self.out if isinstance(each, Frame) and each.kind is Kind.TEXT]

    def spoken(self) -> bytes:
        """The microphone's audio so far."""
        return b"".join(each.raw for each in self.out if isinstance(each, Frame) and each.kind is Kind.BINARY)


@pytest.fixture
def person(monkeypatch: pytest.MonkeyPatch) -> Person:
    person = Person()
    monkeypatch.setattr("transports.device.duplex.perf_counter", lambda: person.now)
    return person


def delta(length: float, item: str = "item_a") -> dict[str, Any]:
    audio = encode_base64(steady(round(length * 24_000)).tobytes()).decode()
    ids = {"response_id": "resp_1", "item_id": item, "output_index": 0, "content_index": 0}
    return {"type": "response.output_audio.delta", "delta": audio} | ids


def test_what_is_said_before_the_session_is_there_nobody_hears(person: Person) -> None:
    person.card.turn(steady(240, 5))
    person.wakes(0.01)
    person.card.turn(steady(240, 6))
    person.hears(session_created())
    person.card.turn(steady(240, 7))
    person.wakes(0.03)

    assert person.spoken() == steady(240, 7).tobytes()
    assert person.shown.of(Who.ENGINE) == ["speak; Ctrl-C ends the conversation"]


def test_the_model_hears_in_the_format_of_the_session(person: Person) -> None:
    person.hears(session_created(format={"type": "audio/pcmu"}))
    for _ in range(20):
        person.card.turn(240)
        person.wakes(person.now + 0.01)

    assert len(person.spoken()) == pytest.approx(0.2 * 8000, abs=200)
    assert set(person.spoken()) == {255}


def test_a_session_that_does_not_come_is_not_waited_for_for_ever(person: Person) -> None:
    assert person.front.deadline == 10.0
    person.wakes(10.0)

    assert person.out == [Close(1000, "the session was not there within 10 s")]
    assert isinstance(person.front.problems[0], UpstreamError)
    assert person.front.deadline == inf


def test_settings_that_are_refused_end_it(person: Person) -> None:
    person.hears({"type": "error", "error": {"type": "invalid_request_error", "message": "No such voice."}})

    assert isinstance(person.front.problems[0], UsageError)
    assert "refuses the session as it was asked for: No such voice." in str(person.front.problems[0])
    assert isinstance(person.out[-1], Close)


def test_what_is_heard_is_reported_ten_times_a_second_and_at_the_end(person: Person) -> None:
    person.hears(session_created(), delta(0.25))
    for number in range(1, 31):
        person.card.turn(240)
        person.wakes(number / 100)

    played = [event.audio_ms for event in person.said() if isinstance(event, ev.OutputAudioBufferPlayed)]
    assert played == [pytest.approx(100), pytest.approx(200), pytest.approx(250)]


def test_the_last_report_names_what_told_to_fall_silent(person: Person) -> None:
    person.hears(session_created(), delta(5.0))
    for number in range(1, 11):
        person.card.turn(240)
        person.wakes(number / 100)
    person.hears({"type": "output_audio_buffer.cleared", "event_id": "event_1", "response_id": "resp_1"})
    before = len(person.said())
    person.card.turn(240)
    person.wakes(0.11)

    (last,) = person.said()[before:]
    assert last == ev.OutputAudioBufferPlayed(item_id="item_a", audio_ms=100.0, cleared_event_id="event_1")
    assert not person.card.turn(240).any()


def test_sound_that_is_no_base64_is_said(person: Person) -> None:
    person.hears(session_created(), delta(0.1) | {"delta": "?"})

    assert "the model sent sound that is no base64: it is left out" in person.shown.of(Who.ENGINE)


def test_a_card_that_is_not_served_in_time_is_told_once_a_second_with_the_counts_so_far(person: Person) -> None:
    person.hears(session_created())
    for number in range(1, 151):
        person.card.turn(240, Fine(input_overflow=number in {3, 5, 7}, output_underflow=number == 9))
        person.wakes(number / 100)

    told = [event for event in person.said() if isinstance(event, ev.EngineSoundCard)]
    assert [(event.overruns, event.underruns) for event in told] == [(1, 0), (3, 1)]
    assert person.shown.of(Who.ENGINE)[-1] == "the sound card was not served in time: 3 overruns, 1 underruns"


def test_another_card_goes_on_and_the_counts_too(person: Person) -> None:
    person.hears(session_created(), delta(1.0))
    person.card.turn(240, Fine(input_overflow=True))
    person.wakes(0.01)
    person.hears({"type": "output_audio_buffer.cleared", "event_id": "event_1", "response_id": "resp_1"})
    person.front.lost()
    other = FakeCard(48_000)
    person.front.use(other.duplex)
    other.turn(480, Fine(input_overflow=True))
    person.wakes(2.0)

    told = [event for event in person.said() if isinstance(event, ev.EngineSoundCard)]
    assert [(event.state, event.overruns) for event in told] == [("there", 1), ("lost", 1), ("there", 1), ("there", 2)]
    assert any(isinstance(event, ev.OutputAudioBufferPlayed) for event in person.said()), "the cut is answered"


@pytest.mark.parametrize(("code", "failed"), [(1001, False), (1000, False), (1011, True)])
def test_who_hangs_up_is_told_and_is_a_failure_only_if_the_model_fails(person: Person, code: int, failed: bool) -> None:
    person.hears(session_created())
    person.front.step(1.0, Disconnected(code, "that is all"))

    assert person.shown.of(Who.ENGINE)[-1] == "the conversation ends: that is all"
    assert bool(person.front.problems) == failed
    assert person.front.advance(2.0) == []
