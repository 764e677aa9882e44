"""The person at the terminal: what their keys do to the conversation, and what they see."""

from math import inf, nan
from typing import Literal

import msgspec
import numpy as np
import pytest

from realtime_engine import events as ev
from realtime_engine.errors import UsageError
from realtime_engine.machine import Close
from realtime_engine.options import SessionOptions
from realtime_engine.show import Scene, Who
from tests.script import session_created, speech_started
from tests.transports.device.blocks import steady
from tests.transports.device.test_front import Person, delta
from tests.transports.wav_script import Shown
from transports.device import Device, DeviceOptions

TICK = 0.01


@pytest.fixture
def person(monkeypatch: pytest.MonkeyPatch) -> Person:
    person = Person(shown=Shown(lively=True))
    monkeypatch.setattr("transports.device.duplex.perf_counter", lambda: person.now)
    return person


def goes_on(person: Person, seconds: float, level: int = 1000) -> None:
    """Time passes, and the microphone hears so much."""
    for _ in range(round(seconds / TICK)):
        person.card.turn(steady(240, level))
        person.wakes(person.now + TICK)


def press(person: Person, keys: str) -> None:
    for key in keys:
        person.front.press(person.now, key)
    person.wakes(person.now)


def last_scene(person: Person) -> Scene:
    scene = person.shown.scenes[-1]
    assert scene is not None
    return scene


@pytest.fixture
def talker(monkeypatch: pytest.MonkeyPatch) -> Person:
    """With push-to-talk."""
    person = Person(push_to_talk=True, shown=Shown(lively=True))
    monkeypatch.setattr("transports.device.duplex.perf_counter", lambda: person.now)
    person.hears(session_created(turn_detection=None))
    return person


def test_with_push_to_talk_only_a_turn_is_heard_and_its_end_is_answered(talker: Person) -> None:
    goes_on(talker, 0.5)
    assert not talker.spoken()
    press(talker, " ")
    goes_on(talker, 1.0)
    press(talker, " ")
    goes_on(talker, 1.0)

    assert len(talker.spoken()) == pytest.approx(1.1 * 48_000, abs=480), "and a word's end"
    assert talker.said() == [
        ev.OutputAudioBufferClear(),
        ev.InputAudioBufferStopped(),
        ev.InputAudioBufferCommit(),
        ev.ResponseCreate(),
    ]
    assert talker.shown.of(Who.ENGINE)[0].startswith("press space and speak, and space again when you have spoken; ")


def test_a_turn_that_is_too_short_is_taken_back(talker: Person) -> None:
    press(talker, " ")
    goes_on(talker, 0.02)
    assert last_scene(talker).state == "you speak"
    press(talker, " ")
    goes_on(talker, 0.5)

    assert talker.said() == [ev.OutputAudioBufferClear(), ev.InputAudioBufferClear()]
    assert last_scene(talker).state == "press space, and speak"


def test_a_turn_ends_though_the_card_stands_still(talker: Person) -> None:
    press(talker, " ")
    goes_on(talker, 1.0)
    press(talker, " ")
    assert talker.front.deadline == pytest.approx(talker.now + 0.1)
    talker.wakes(talker.front.deadline)

    assert talker.said()[-1] == ev.ResponseCreate()
    assert talker.front.deadline == inf


def test_what_a_closed_microphone_hears_is_silence(person: Person) -> None:
    person.hears(session_created())
    press(person, "m")
    goes_on(person, 0.3)
    assert np.count_nonzero(np.frombuffer(person.spoken(), np.int16)) == 0
    assert len(person.spoken()) == 0.3 * 48_000, "so that a turn under way ends"
    assert last_scene(person).state == "the microphone is off"
    press(person, "m")
    goes_on(person, 0.1)

    assert np.count_nonzero(np.frombuffer(person.spoken(), np.int16)) == 2400


def test_a_key_cuts_the_answer_short(person: Person) -> None:
    person.hears(session_created(), delta(5.0))
    press(person, "i")

    assert person.said() == [ev.OutputAudioBufferClear()]


def test_what_is_written_is_said_and_answered(person: Person) -> None:
    person.hears(session_created())
    press(person, "tHello?")
    goes_on(person, 0.1)
    assert last_scene(person).typed == "Hello?"
    press(person, "\r")

    cleared, item, asked = person.said()
    assert isinstance(item, ev.ConversationItemCreate)
    assert [part.text for part in item.item.content or ()] == ["Hello?"]
    assert (cleared, asked) == (ev.OutputAudioBufferClear(), ev.ResponseCreate())
    assert person.shown.of(Who.PERSON) == ["Hello?"]


def test_before_the_session_is_there_one_can_only_leave(person: Person) -> None:
    press(person, "imt ")
    assert not person.out
    press(person, "q")
    assert person.out == [Close(1000, "the person has left")]
    assert not person.front.problems
    press(person, "qi")
    assert len(person.out) == 1


def test_ten_times_a_second_it_is_seen_who_speaks_and_how_loud(person: Person) -> None:
    person.hears(session_created(), delta(0.5), speech_started())
    goes_on(person, 0.4, level=3277)

    assert len(person.shown.scenes) == pytest.approx(4, abs=1)
    scene = last_scene(person)
    assert scene.speaking is Who.PERSON
    assert list(scene.levels) == pytest.approx([-20, -30.3], abs=0.1)
    goes_on(person, 0.4, level=0)
    assert last_scene(person).levels == (-inf, -inf)
    person.front.lost()
    goes_on(person, 0.1)
    assert last_scene(person).state == "the sound card is gone"
    person.front.use(person.card.duplex)
    goes_on(person, 0.2)
    assert last_scene(person).state == "you speak"


def test_where_nobody_watches_no_scene_is_made() -> None:
    person = Person()
    person.hears(session_created())
    goes_on(person, 0.3)

    assert not person.shown.scenes


def test_push_to_talk_needs_manual_turns_whatever_hears_speech_otherwise() -> None:
    session = Device(DeviceOptions(mode="ptt")).needs(SessionOptions())

    assert b'"turn_detection":null' in bytes(session.settings)
    assert not session.detects_speech


def test_where_the_server_hears_turns_it_is_told_to() -> None:
    session = Device(DeviceOptions(barge_in="server")).needs(SessionOptions())

    assert b'"turn_detection":{"type":"server_vad"}' in bytes(session.settings)


@pytest.mark.parametrize("barge_in", ["server", "off"])
def test_a_server_that_may_not_hear_turns_cannot_be_left_to_it(barge_in: Literal["server", "off"]) -> None:
    by_hand = SessionOptions(settings=msgspec.Raw(b'{"audio":{"input":{"turn_detection":null}}}'))

    with pytest.raises(UsageError, match=f"--barge-in {barge_in} leaves it to the server .* take --barge-in local"):
        Device(DeviceOptions(barge_in=barge_in)).needs(by_hand)
    assert Device(DeviceOptions()).needs(by_hand).detects_speech
    assert not Device(DeviceOptions(mode="ptt", barge_in=barge_in)).needs(by_hand).detects_speech


@pytest.mark.parametrize(
    ("options", "heard_as", "size"),
    [
        (DeviceOptions(), "audio/pcm", 480),
        (DeviceOptions(block_ms=25, barge_in="server"), "audio/pcm", 1200),
        (DeviceOptions(mode="ptt"), "audio/pcmu", 80),
        (DeviceOptions(block_ms=200), "audio/pcm", 8192),  # larger ones the session does not make
    ],
)
def test_what_the_microphone_hears_goes_to_the_model_block_by_block(
    options: DeviceOptions, heard_as: str, size: int
) -> None:
    settings = msgspec.Raw(b'{"audio":{"input":{"format":{"type":"%b"}}}}' % heard_as.encode())

    assert Device(options).needs(SessionOptions(settings=settings)).flush_bytes == size


def test_with_push_to_talk_nothing_keeps_the_speaker_out_of_the_microphone_who_speaks_has_silenced_it() -> None:
    assert Device(DeviceOptions(mode="ptt", echo="mute")).options.echo == "off"
    assert Device(DeviceOptions(echo="mute")).options.echo == "mute"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (DeviceOptions(block_ms=0.5), "--block-ms must be 1 to 200, not 0.5"),
        (DeviceOptions(card_wait=nan), "--card-wait must be 0 or more seconds, not nan"),
        (DeviceOptions(card_wait=-1), "--card-wait must be 0 or more seconds, not -1"),
        (DeviceOptions(device_rate=0), "--device-rate must be the samples a second that the card takes, not 0"),
    ],
)
def test_what_no_card_can_be_opened_with_is_refused(options: DeviceOptions, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        Device(options)
