"""What a session was asked to be, and what has become of each change."""

from collections import deque
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET, Raw

from realtime_engine.errors import UsageError
from realtime_engine.options import ToolSchema
from realtime_engine.session_settings import AskedSettings

LAMP = ToolSchema(name="lamp", description="A lamp.", parameters=Raw(b'{"type":"object"}'))
TOLD = {"type": "function", "name": "lamp", "description": "A lamp.", "parameters": {"type": "object"}}
BY_HAND = {"type": "function", "name": "door"}


def heard(**given: Any) -> dict[str, Any]:
    return {"audio": {"input": given}}


def test_changes_are_merged_at_any_depth() -> None:
    asked = AskedSettings({"instructions": "Be brief.", "audio": {"output": {"voice": "marin", "speed": 1.5}}})

    asked.change({"audio": {"output": {"speed": 1.0}}}, "event_1")
    asked.change(heard(transcription={"model": "whisper-1"}), "event_2")

    assert asked.whole([]) == {
        "type": "realtime",
        "instructions": "Be brief.",
        "audio": {"output": {"voice": "marin", "speed": 1.0}, "input": {"transcription": {"model": "whisper-1"}}},
    }


def test_a_change_that_is_refused_is_as_if_it_had_never_been_asked_for() -> None:
    asked = AskedSettings({"instructions": "Be brief."})
    asked.change({"instructions": "Be rude."}, "event_1")
    asked.change({"max_output_tokens": 100}, "event_2")

    asked.refused("event_1")
    asked.granted()

    assert asked.current == {"instructions": "Be brief.", "max_output_tokens": 100}
    assert not asked.awaited


def test_what_is_granted_stays_whatever_is_refused_later() -> None:
    asked = AskedSettings()
    asked.change({"instructions": "Be brief."}, "event_1")
    asked.granted()
    asked.granted()
    asked.refused("event_1")

    assert asked.current == {"instructions": "Be brief."}


def test_a_server_that_never_answers_makes_nobody_remember_without_end() -> None:
    asked = AskedSettings()
    for number in range(200):
        asked.change({"max_output_tokens": number}, f"event_{number}")

    asked.refused("event_0")
    assert asked.current == {"max_output_tokens": 199}


@pytest.mark.parametrize("manual", ["none", "disabled", None, {"type": "none"}, {"type": "disabled"}])
def test_none_disabled_and_null_are_the_same(manual: Any) -> None:
    asked = AskedSettings(heard(turn_detection=manual))

    assert asked.whole([])["audio"] == {"input": {"turn_detection": None}}
    assert asked.turn_detection is None


@pytest.mark.parametrize("kind", ["server_vad", "semantic_vad"])
def test_a_kind_of_turn_detection_can_be_named_alone(kind: str) -> None:
    assert AskedSettings(heard(turn_detection=kind)).turn_detection == {"type": kind}


@pytest.mark.parametrize("settings", [{}, {"audio": {}}, {"audio": None}, heard(), {"audio": {"input": 7}}])
def test_nothing_may_be_said_of_turn_detection(settings: dict[str, Any]) -> None:
    assert AskedSettings(settings).turn_detection is UNSET


def test_tools_set_by_hand_stay_beside_those_that_are_added() -> None:
    asked = AskedSettings({"tools": [BY_HAND]})

    assert asked.whole([LAMP])["tools"] == [BY_HAND, TOLD]
    assert asked.by_hand == {"door"}

    asked.change({"tools": []}, "event_1")
    assert asked.whole([LAMP])["tools"] == [TOLD]


def test_a_server_that_was_told_of_tools_is_told_when_there_are_none_any_more() -> None:
    asked = AskedSettings({"instructions": "x"})

    assert "tools" not in asked.whole([])
    assert asked.whole([LAMP])["tools"] == [TOLD]
    assert asked.whole([])["tools"] == []


def test_no_two_tools_have_one_name() -> None:
    asked = AskedSettings({"tools": [{"type": "function", "name": "lamp"}]})

    with pytest.raises(UsageError, match=r"^there is a tool 'lamp' among the session's own: remove it, or rename one$"):
        asked.whole([LAMP])


def test_a_voice_that_was_told_is_not_told_again_for_a_server_may_refuse_to_hear_it() -> None:
    asked = AskedSettings({"audio": {"output": {"voice": "marin", "speed": 1.0}}, "tracing": "auto"})

    assert asked.whole([])["audio"] == {"output": {"voice": "marin", "speed": 1.0}}
    assert asked.whole([]) == {"type": "realtime", "audio": {"output": {"speed": 1.0}}}

    asked.change({"audio": {"output": {"voice": "cedar"}}}, "event_1")
    assert asked.whole([])["audio"] == {"output": {"voice": "cedar", "speed": 1.0}}


def test_objects_that_hold_nothing_else_are_left_out_with_it() -> None:
    asked = AskedSettings({"audio": {"output": {"voice": "marin"}}})
    asked.whole([])

    assert asked.whole([]) == {"type": "realtime"}


def test_a_voice_is_told_until_the_server_has_it_and_not_again_whatever_else_it_refuses() -> None:
    asked = AskedSettings({"audio": {"output": {"voice": "marin"}}})
    asked.begin("event_1")
    assert "audio" in asked.whole([])
    asked.change({"nonsense": True}, "event_2")
    assert "audio" in asked.whole([])

    asked.granted()
    asked.refused("event_2")
    asked.change({"instructions": "Be brief."}, "event_3")
    assert "audio" not in asked.whole([])


def test_settings_may_have_the_names_that_they_had_in_the_beta() -> None:
    asked = AskedSettings(
        {
            "modalities": ["text", "audio"],
            "voice": "alloy",
            "input_audio_format": "pcm16",
            "turn_detection": "none",
            "max_response_output_tokens": 100,
            "temperature": 0.8,
            "tools": [{"name": "door"}],
        }
    )

    assert asked.whole([]) == {
        "type": "realtime",
        "output_modalities": ["audio"],
        "max_output_tokens": 100,
        "audio": {
            "input": {"format": {"type": "audio/pcm", "rate": 24000}, "turn_detection": None},
            "output": {"voice": "alloy"},
        },
        "tools": [{"type": "function", "name": "door"}],
    }
    assert asked.lost == {"temperature"}


def test_a_change_may_name_the_kind_of_the_session() -> None:
    asked = AskedSettings({"instructions": "Be brief."})
    asked.change({"type": "realtime", "max_output_tokens": 9}, "event_1")
    assert asked.whole([]) == {"type": "realtime", "instructions": "Be brief.", "max_output_tokens": 9}

    asked.change({"type": "transcription", "audio": {}}, "event_2")
    asked.granted()
    asked.granted()
    assert asked.whole([]) == {"type": "transcription", "audio": {}}


def test_another_kind_of_session_can_be_asked_for() -> None:
    assert AskedSettings({"type": "transcription"}).whole([]) == {"type": "transcription"}


@pytest.mark.parametrize("settings", [{"instructions": object()}, {"metadata": {1j: 2}}])
def test_what_cannot_be_written_as_json_is_the_applications_mistake(settings: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=r"^a session's settings cannot be written as JSON: "):
        AskedSettings(settings)


def test_settings_are_an_object() -> None:
    with pytest.raises(UsageError, match="an object: a dict of its fields"):
        AskedSettings([])  # type: ignore[arg-type]  # as somebody without a type checker would


def test_tools_that_are_none_are_left_to_the_server() -> None:
    assert AskedSettings({"tools": "all", "audio": 7}).by_hand == frozenset()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=3),
    lambda inner: st.dictionaries(st.sampled_from(["audio", "input", "output", "a", "b"]), inner, max_size=3),
    max_leaves=8,
)
SETTINGS = st.dictionaries(st.sampled_from(["audio", "instructions", "b"]), JSON, max_size=3)


@given(SETTINGS, st.lists(st.tuples(SETTINGS, st.booleans()), max_size=6))
def test_what_holds_is_what_was_granted_and_nothing_else(
    first: dict[str, Any], changes: list[tuple[dict[str, Any], bool]]
) -> None:
    asked, only_granted = AskedSettings(first), AskedSettings(first)
    for number, (change, granted) in enumerate(changes):
        asked.change(change, f"event_{number}")
        asked.whole([])
        if granted:
            only_granted.change(change, "event")
            only_granted.granted()
    for number, (_, granted) in enumerate(changes):
        if granted:
            asked.granted()
        else:
            asked.refused(f"event_{number}")

    assert asked.current == only_granted.current
    assert not asked.awaited


class Strict:
    """A server that refuses nonsense, and to hear a voice once it has one; it answers when it likes."""

    def __init__(self) -> None:
        self.has: dict[str, Any] = {}
        self._told: deque[tuple[str, dict[str, Any]]] = deque()

    def tell(self, asked: AskedSettings, event_id: str) -> None:
        self._told.append((event_id, asked.whole([])))

    def answer(self, asked: AskedSettings) -> None:
        if self._told:
            event_id, session = self._told.popleft()
            spoken = "voice" in self.has.get("audio", {}).get("output", {})
            if "nonsense" in session or (spoken and "voice" in session.get("audio", {}).get("output", {})):
                again = asked.refused(event_id)
                if again is not None:
                    asked.change(again, f"{event_id}_again", again=True)
                    self.tell(asked, f"{event_id}_again")
            else:
                self.has = {**self.has, **session}
                asked.granted()


WISHES = st.sampled_from(
    [
        {"instructions": "Be brief."},
        {"nonsense": 1},
        {"audio": {"output": {"voice": "marin"}}},
        {"audio": {"output": {"voice": "cedar"}}},
        {"audio": {"output": {"voice": "cedar"}}, "nonsense": 1},
    ]
)


@given(WISHES, st.lists(WISHES | st.none(), max_size=12))
def test_whatever_a_server_refuses_and_whenever_it_says_so_it_is_asked_for_what_it_can_grant(
    first: dict[str, Any], steps: list[dict[str, Any] | None]
) -> None:
    server, asked = Strict(), AskedSettings(first)
    asked.begin("event")
    server.tell(asked, "event")
    for number, wish in enumerate(steps):
        if wish is None:
            server.answer(asked)
        else:
            asked.change(wish, f"event_{number}")
            server.tell(asked, f"event_{number}")
    while asked.awaited:
        server.answer(asked)

    asked.change({"max_output_tokens": 9}, "event_last")
    server.tell(asked, "event_last")
    server.answer(asked)
    assert server.has["max_output_tokens"] == 9
    assert {name: server.has[name] for name in asked.current} == asked.current
