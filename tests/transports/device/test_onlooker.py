"""What can be seen of a conversation at one moment."""

import json
from math import inf
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime_engine import events as ev
from realtime_engine.show import Scene, Who
from realtime_engine.sound import Samples
from tests.script import created, done, session_created, speech, speech_started, speech_stopped
from transports.aloud.ear import Place
from transports.device.onlooker import Onlooker, decibels

NOTHING: Samples = np.zeros(0, np.float32)
LOUD: Samples = np.full(240, 0.1, np.float32)


class Watching:
    """An onlooker that a test tells what happens."""

    def __init__(self) -> None:
        self.onlooker = Onlooker()
        self.sees(0.0, session_created())

    def sees(self, now: float, *events: dict[str, Any]) -> None:
        for event in events:
            self.onlooker.see(now, ev.decode(json.dumps(event).encode()))

    def hears(self, now: float, ms: float, item: str = "item_1") -> None:
        self.onlooker.listens(now, Place(item, 0, ms))

    def scene(self, now: float, sound: Samples = NOTHING) -> Scene:
        return self.onlooker.scene(now, sound, idle="speak")


def words(delta: str, response: str = "resp_1") -> dict[str, Any]:
    ids = {"response_id": response, "item_id": "item_1", "output_index": 0, "content_index": 0}
    return {"type": "response.output_audio_transcript.delta", "delta": delta} | ids


def playback(state: str, response: str = "resp_1") -> dict[str, Any]:
    return {"type": f"output_audio_buffer.{state}", "event_id": "event_1", "response_id": response}


def transcription(state: str, **fields: Any) -> dict[str, Any]:
    return {"type": f"conversation.item.input_audio_transcription.{state}", "item_id": "item_u"} | fields


def test_a_turn_and_its_answer_are_seen_as_they_go_on() -> None:
    watching = Watching()
    states = [watching.scene(0.1).state]
    watching.sees(1.0, speech_started())
    states.append(watching.scene(1.1).state)
    watching.sees(3.0, speech_stopped(), created())
    states.append(watching.scene(3.1).state)
    watching.sees(3.5, speech(1.0), playback("started"))
    watching.hears(3.6, 100.0)
    states.append(watching.scene(3.6).state)
    watching.sees(4.5, done(), playback("stopped"))
    states.append(watching.scene(4.6).state)

    assert states == ["speak", "you speak", "the model thinks", "the model speaks", "speak"]


def test_before_the_session_and_without_a_model_or_a_card_it_is_said() -> None:
    onlooker = Onlooker()
    assert onlooker.scene(0.0, NOTHING, idle="speak").state == "the session begins"

    watching = Watching()
    watching.sees(1.0, {"type": "engine.upstream", "state": "reconnecting", "attempt": 1, "reason": "lost"})
    assert watching.scene(1.0).state == "the model is away"
    watching.sees(2.0, {"type": "engine.upstream", "state": "connected", "attempt": 1, "reason": ""})
    assert watching.scene(2.0).state == "speak"
    watching.onlooker.card = False
    assert watching.scene(3.0).state == "the sound card is gone"


def test_the_answer_grows_until_it_has_been_heard() -> None:
    watching = Watching()
    watching.sees(1.0, created(), words("It is "), speech(1.0), words("sunny."), done())
    assert watching.scene(1.1).words == ((Who.MODEL, "It is sunny."),)
    watching.sees(2.0, playback("stopped"))
    assert watching.scene(2.1).words == ()


def test_an_answer_that_is_cut_or_has_no_sound_grows_no_more() -> None:
    watching = Watching()
    watching.sees(1.0, created(), speech(1.0), words("It is"), playback("cleared"))
    assert watching.scene(1.1).words == ()
    watching.sees(2.0, created("resp_2"), words("Written", "resp_2"), done("resp_2"))
    assert watching.scene(2.1).words == ()


@pytest.mark.parametrize("end", [transcription("completed", transcript="Hello."), transcription("failed", error={})])
def test_what_the_person_says_grows_until_it_is_written_down(end: dict[str, Any]) -> None:
    watching = Watching()
    watching.sees(1.0, transcription("delta", delta="Hel"), transcription("delta", delta="lo"))
    assert watching.scene(1.1).words == ((Who.PERSON, "Hello"),)
    watching.sees(2.0, end)
    assert watching.scene(2.1).words == ()


def test_it_is_measured_how_soon_an_answer_is_heard() -> None:
    watching = Watching()
    for start, soon in [(10.0, 0.5), (20.0, 0.7), (30.0, 1.5)]:
        item = f"item_{start}"
        watching.sees(start, speech_stopped(), created(), speech(1.0, item=item), playback("started"))
        watching.hears(start, 0.0, item)
        watching.hears(start + soon, 10.0, item)
        watching.hears(start + soon + 0.1, 110.0, item)
        watching.sees(start + 2, playback("stopped"))

    assert list(watching.scene(40.0).answered or ()) == pytest.approx([1.5, 0.7])


def test_who_speaks_again_before_the_answer_is_not_answered_yet() -> None:
    watching = Watching()
    watching.sees(1.0, speech_stopped(), speech_started(), speech(1.0), playback("started"))
    watching.hears(2.0, 10.0)
    assert watching.scene(2.0).answered is None

    watching.sees(3.0, speech_stopped(), playback("started"), playback("cleared"))
    watching.hears(4.0, 20.0)
    assert watching.scene(4.0).answered is None


def test_levels_are_those_of_the_last_tenth_of_a_second() -> None:
    watching = Watching()
    watching.onlooker.hears(LOUD)
    watching.onlooker.hears(NOTHING)
    watching.hears(1.0, 10.0)
    assert list(watching.scene(1.0, LOUD * np.float32(0.1)).levels) == pytest.approx([-20, -40])
    assert watching.scene(1.1, LOUD).levels == (-inf, -inf), "the ear stands still"


def test_the_next_scene_is_due_a_tenth_of_a_second_later() -> None:
    watching = Watching()
    assert watching.onlooker.is_due(1.0)
    watching.scene(1.0)
    assert not watching.onlooker.is_due(1.09)
    assert watching.onlooker.is_due(1.1)


def test_what_was_used_is_added_up() -> None:
    watching = Watching()
    for number in range(2):
        response = {"id": f"resp_{number}", "usage": {"total_tokens": 30, "input_tokens": 20, "output_tokens": 10}}
        watching.sees(1.0, {"type": "response.done", "response": response})

    assert watching.scene(2.0).tokens == (40, 20)


IDS = st.sampled_from(["resp_1", "resp_2", "resp_3"])
EVENTS = st.one_of(
    st.just(speech_started()),
    st.just(speech_stopped()),
    st.builds(created, IDS),
    st.builds(done, IDS),
    st.builds(lambda response: speech(0.1, response=response), IDS),
    st.builds(words, st.text(max_size=30), IDS),
    st.builds(playback, st.sampled_from(["started", "stopped", "cleared"]), IDS),
    st.builds(lambda number: transcription("delta", delta="x") | {"item_id": f"item_{number}"}, st.integers(0, 99)),
)


@given(st.lists(EVENTS, max_size=60))
def test_whatever_happens_there_is_a_scene_and_what_is_kept_is_bounded(events: list[dict[str, Any]]) -> None:
    watching = Watching()
    for at, event in enumerate(events, 1):
        watching.sees(at, event)
        watching.hears(at, at)
        scene = watching.scene(at)
        assert scene.state
        assert len(scene.words) <= 16
        if scene.answered is not None:
            assert min(scene.answered) >= 0


def test_of_a_turn_without_end_the_newest_words_are_kept() -> None:
    watching = Watching()
    watching.sees(1.0, created(), *[words(f"{number:05}") for number in range(1000)])

    ((_, kept),) = watching.scene(1.0).words
    assert len(kept) == 2000
    assert kept.endswith("00999")


def test_silence_is_infinitely_far_below_full_scale() -> None:
    assert decibels(1.0) == 0.0
    assert decibels(0.0) == -inf
