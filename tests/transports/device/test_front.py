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
from realtime_engine.upstreams.local.frames import Detector
from tests.script import created, done, session_created
from tests.transports.device.blocks import FakeCard, Fine, steady
from tests.transports.device.test_listener import Scripted
from tests.transports.wav_script import Shown
from transports.device.echo import Cancel, EchoMode
from transports.device.front import DeviceFront


@dataclass
class Person:
    """A front at a fake card, whose clock is the test's."""

    card: FakeCard = field(default_factory=FakeCard)
    detector: Detector | None = None
    push_to_talk: bool = False
    echo: EchoMode = "off"
    shown: Shown = field(default_factory=Shown)
    now: float = 0.0
    out: list[MachineOutput] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.front = DeviceFront(
            SessionOptions(),
            self.card.duplex,
            self.shown,
            0.0,
            self.detector,
            self.echo,
            has_keys=True,
            push_to_talk=self.push_to_talk,
        )
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


def test_the_canceller_is_told_of_each_time_that_the_card_was_not_served(monkeypatch: pytest.MonkeyPatch) -> None:
    person, told = Person(echo="cancel"), list[float]()
    monkeypatch.setattr(Cancel, "stumble", lambda _: told.append(person.now))
    person.card.turn(240, Fine(output_underflow=True))
    person.hears(session_created())
    for number in range(1, 10):
        person.card.turn(240, Fine(input_overflow=number == 3, output_underflow=number in (6, 7)))
        person.wakes(number / 10)

    assert told == [0.3, 0.6, 0.7], "what was before it began is none of its business"


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


@pytest.mark.parametrize("who", ["person", "model"])
def test_what_the_card_has_lost_at_last_is_told_before_the_end(person: Person, who: str) -> None:
    person.hears(session_created())
    for number in range(1, 4):
        person.card.turn(240, Fine(input_overflow=number > 1))
        person.wakes(number / 100)

    if who == "person":
        person.front.leave()
        person.wakes(0.05)
        told = [event for event in person.said() if isinstance(event, ev.EngineSoundCard)]
        assert told[-1].overruns == 2
    else:
        person.front.step(0.05, Disconnected(1011, "out of order"))

    lines = person.shown.of(Who.ENGINE)
    assert "the sound card was not served in time: 2 overruns, 0 underruns" in lines


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


def in_the_middle_of_an_answer(monkeypatch: pytest.MonkeyPatch, frames: str) -> Person:
    """Somebody who hears a long answer, and whose microphone gives these frames, # for speech, from 0.32 s on."""
    person = Person(detector=Scripted("." * 10 + frames))
    monkeypatch.setattr("transports.device.duplex.perf_counter", lambda: person.now)
    person.hears(session_created(), delta(5.0))
    return person


def goes_on(person: Person, until: float) -> None:
    """The card runs, in blocks of 10 ms."""
    for number in range(round(person.now * 100) + 1, round(until * 100) + 1):
        person.card.turn(240)
        person.wakes(number / 100)


def test_at_a_suspicion_the_answer_pauses_and_heard_time_stands_still(monkeypatch: pytest.MonkeyPatch) -> None:
    person = in_the_middle_of_an_answer(monkeypatch, "##" + "." * 100)
    goes_on(person, 0.6)

    assert ev.EngineSpeechSuspected() in person.said()
    assert not person.card.heard[-2400:].any()
    last = [event for event in person.said() if isinstance(event, ev.OutputAudioBufferPlayed)][-5:]
    assert len({event.audio_ms for event in last}) == 1
    assert last[0].audio_ms == pytest.approx(390, abs=21)


def test_a_false_alarm_lets_it_go_on_where_it_paused(monkeypatch: pytest.MonkeyPatch) -> None:
    person = in_the_middle_of_an_answer(monkeypatch, "##" + "." * 100)
    goes_on(person, 6.0)

    assert person.shown.of(Who.ENGINE)[-1] == "that was no speech: the answer goes on"
    kinds = [type(event) for event in person.said() if not isinstance(event, ev.OutputAudioBufferPlayed)]
    assert kinds == [ev.EngineSpeechSuspected, ev.EngineSpeechDismissed]
    played = [event for event in person.said() if isinstance(event, ev.OutputAudioBufferPlayed)]
    assert played[-1].audio_ms == pytest.approx(5000), "all of it is heard"
    full = person.card.heard == 1000
    assert full.sum() == pytest.approx(5 * 24_000 - 480, abs=5), "all but what rises again"


def test_what_is_confirmed_is_cut_where_it_paused_without_another_sound(monkeypatch: pytest.MonkeyPatch) -> None:
    person = in_the_middle_of_an_answer(monkeypatch, "#" * 10 + "." * 100)
    while ev.EngineSpeechStarted() not in person.said():
        goes_on(person, person.now + 0.01)
    before = person.card.heard.size
    person.hears({"type": "output_audio_buffer.cleared", "event_id": "event_1", "response_id": "resp_1"})
    goes_on(person, person.now + 1.0)

    assert not person.card.heard[before:].any()
    answered = [event for event in person.said() if isinstance(event, ev.OutputAudioBufferPlayed)][-1]
    assert answered.cleared_event_id == "event_1"
    assert answered.audio_ms == pytest.approx(390, abs=21)
    assert ev.EngineSpeechStopped() in person.said()
    person.hears(delta(0.1, item="item_b"))
    goes_on(person, person.now + 0.1)
    assert (person.card.heard[-2400:] == 1000).all(), "the next answer is heard"


def test_where_no_answer_is_to_be_protected_no_word_is_too_short(monkeypatch: pytest.MonkeyPatch) -> None:
    person = Person(detector=Scripted("." * 10 + "##" + "." * 30 + "##" + "." * 30 + "#" * 10 + "." * 30))
    monkeypatch.setattr("transports.device.duplex.perf_counter", lambda: person.now)
    person.hears(session_created())
    goes_on(person, 4.0)

    speech = [ev.EngineSpeechStarted, ev.EngineSpeechStopped]
    cough = [ev.EngineSpeechSuspected, ev.EngineSpeechDismissed]
    assert [type(event) for event in person.said()] == [
        *speech,
        *cough,  # in the time in which the answer is awaited
        *(ev.EngineSpeechSuspected, *speech),
    ]


def committed() -> dict[str, Any]:
    return {"type": "input_audio_buffer.committed", "item_id": "item_1", "previous_item_id": None}


def test_who_goes_on_after_the_server_has_ended_the_turn_speaks_over_its_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    person = Person(detector=Scripted("." * 10 + "#" * 20 + "." * 5 + "#" * 20 + "." * 30))
    monkeypatch.setattr("transports.device.duplex.perf_counter", lambda: person.now)
    person.hears(session_created())
    goes_on(person, 34 * 0.032)
    assert [type(event) for event in person.said()] == [ev.EngineSpeechStarted]
    person.hears(committed())
    goes_on(person, 4.0)

    turn = [ev.EngineSpeechStarted, ev.EngineSpeechStopped]
    assert [type(event) for event in person.said()] == [*turn, ev.EngineSpeechSuspected, *turn]


def test_where_the_person_ends_each_turn_the_server_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    person = Person(detector=Scripted("." * 10 + "#" * 20 + "." * 30))
    monkeypatch.setattr("transports.device.duplex.perf_counter", lambda: person.now)
    person.hears(session_created(turn_detection=None))
    goes_on(person, 20 * 0.032)
    person.hears(committed())
    assert [type(event) for event in person.said()] == [ev.EngineSpeechStarted]


def test_an_answer_that_has_begun_and_cannot_be_heard_yet_is_protected(monkeypatch: pytest.MonkeyPatch) -> None:
    person = Person(detector=Scripted("." * 10 + "##" + "." * 30 + "##" + "." * 30))
    monkeypatch.setattr("transports.device.duplex.perf_counter", lambda: person.now)
    person.hears(session_created(), created())
    goes_on(person, 1.0)
    person.hears(done(), delta(0.1))
    goes_on(person, 1.1)

    assert [type(event) for event in person.said()][:2] == [ev.EngineSpeechSuspected, ev.EngineSpeechDismissed]
    assert (person.card.heard[-2400:] == 1000).all()
    goes_on(person, 2.5)
    assert [type(event) for event in person.said()][-2:] == [ev.EngineSpeechStarted, ev.EngineSpeechStopped]


def test_a_pause_lasts_though_another_card_is_taken_up(monkeypatch: pytest.MonkeyPatch) -> None:
    person = in_the_middle_of_an_answer(monkeypatch, "##" + "." * 100)
    goes_on(person, 0.5)
    other = FakeCard()
    person.front.use(other.duplex)

    assert other.turn(960)[480:].tolist() == [0] * 480
