"""What the operator has set, and what a front may then no longer set."""

import json
import re
from collections.abc import Iterator
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import pytest
from msgspec import Raw
from openai.types.realtime import RealtimeSessionCreateRequest
from pydantic import BaseModel

from realtime_engine.errors import UsageError
from realtime_engine.options import NO_SETTINGS, Policy, ToolSchema
from realtime_engine.policy import Changed, Pass, judge
from realtime_engine.settings import (
    BY_OPERATOR,
    ELSEWHERE,
    FIELDS,
    for_transcription,
    foretold,
    functions_of,
    has_manual_turns,
    input_format,
    may_set,
    pins,
    with_manual_turns,
    with_tools,
    with_turns,
)

WEATHER = ToolSchema(name="weather", description="The weather.", parameters=Raw(b'{"type":"object"}'))
TOLD = {"type": "function", "name": "weather", "description": "The weather.", "parameters": {"type": "object"}}


def fields_of(model: type[BaseModel], path: str = "") -> Iterator[str]:
    """The fields of a model of the `openai` package, and of the models in it, as paths."""
    for name, field in model.model_fields.items():
        yield f"{path}{name}"
        for inner in models_in(field.annotation):
            yield from fields_of(inner, f"{path}{name}.")


def models_in(annotation: object) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    elif get_origin(annotation) in (Annotated, Union, UnionType):
        for part in get_args(annotation):
            yield from models_in(part)


def raw(**settings: Any) -> Raw:
    return Raw(json.dumps({"type": "realtime"} | settings).encode())


def read(settings: Raw) -> Any:
    return json.loads(bytes(settings))


def test_what_the_operator_sets_is_pinned_setting_by_setting() -> None:
    detection = {"type": "server_vad", "threshold": 0.7}
    settings = raw(
        instructions="Be brief.",
        tools=[],
        audio={"input": {"turn_detection": detection}, "output": {"voice": {"id": "v"}, "speed": 1}},
    )

    assert pins(settings) == dict.fromkeys(
        ["instructions", "tools", "audio.input.turn_detection", "audio.output.voice", "audio.output.speed"], BY_OPERATOR
    )


def test_null_is_a_setting_and_nothing_set_pins_nothing() -> None:
    assert list(pins(raw(audio={"input": {"turn_detection": None}}))) == ["audio.input.turn_detection"]
    assert list(pins(raw(audio=None))) == ["audio"]
    assert pins(raw(audio={"input": {}})) == {}
    assert pins(NO_SETTINGS) == {}


def test_people_are_told_before_a_session_how_it_will_sound_and_nothing_that_may_be_secret() -> None:
    settings = raw(
        instructions="Be brief.",
        tools=[{"type": "mcp", "server_label": "house", "authorization": "a-secret"}],
        prompt={"id": "pmpt_1"},
        audio={"input": {"turn_detection": None, "noise_reduction": None}, "output": {"voice": "cedar"}},
    )

    told = {"instructions": "Be brief.", "audio.input.turn_detection": None, "audio.output.voice": "cedar"}
    assert foretold(settings) == told
    assert foretold(NO_SETTINGS) == {}


def test_a_turn_detection_of_another_type_is_no_way_around_a_pinned_one() -> None:
    policy = Policy(pinned=pins(raw(audio={"input": {"turn_detection": {"type": "server_vad"}}})))
    asked = b'{"type":"session.update","session":{"audio":{"input":{"turn_detection":{"eagerness":"low"}}}}}'

    verdict = judge(asked, policy, managed=True)

    assert isinstance(verdict, Changed)
    assert json.loads(verdict.raw) == {"type": "session.update", "session": {}}


def test_tools_of_the_engine_come_behind_those_of_the_settings() -> None:
    mine = {"type": "function", "name": "mine"}

    assert read(with_tools(raw(tools=[mine]), [WEATHER])) == {"type": "realtime", "tools": [mine, TOLD]}
    assert read(with_tools(raw(tools=None), [WEATHER])) == {"type": "realtime", "tools": [TOLD]}
    assert read(with_tools(NO_SETTINGS, [WEATHER])) == {"type": "realtime", "tools": [TOLD]}
    assert with_tools(NO_SETTINGS, []) is NO_SETTINGS
    with pytest.raises(UsageError, match=r"^the session has a function 'weather' of its own: take it out, or rename"):
        with_tools(raw(tools=[mine, {"type": "function", "name": "weather"}]), [WEATHER])


@pytest.mark.parametrize(
    ("tools", "names"),
    [([{"type": "function", "name": "mine"}, {"type": "mcp"}, {"name": 5}, 5], ("mine",)), (None, ()), ("mine", ())],
)
def test_the_functions_that_settings_name_are_known(tools: Any, names: tuple[str, ...]) -> None:
    assert functions_of(raw(tools=tools)) == names
    assert functions_of(NO_SETTINGS) == ()


@pytest.mark.parametrize(
    ("given", "made"),
    [
        (NO_SETTINGS, {"type": "server_vad"}),
        (raw(voice="cedar", audio={"input": {"turn_detection": {"type": "semantic_vad"}}}), {"type": "semantic_vad"}),
    ],
)
def test_who_answers_and_interrupts_is_said_beside_what_else_is_set(given: Raw, made: dict[str, str]) -> None:
    settings = json.loads(bytes(with_turns(given, interrupt_response=False)))

    assert settings["audio"]["input"]["turn_detection"] == made | {"interrupt_response": False}
    assert settings.get("voice") == (json.loads(bytes(given)) or {}).get("voice")


@pytest.mark.parametrize("audio", [{"input": {"turn_detection": None}}, {"input": 1}, 1])
def test_where_turns_are_manual_or_the_settings_are_none_nothing_is_said(audio: Any) -> None:
    assert bytes(with_turns(raw(audio=audio), interrupt_response=False)) == bytes(raw(audio=audio))


@pytest.mark.parametrize(
    "given", [NO_SETTINGS, raw(audio={"input": {"turn_detection": {"type": "semantic_vad"}}, "output": {"speed": 1.5}})]
)
def test_turns_are_manual_whatever_else_is_set(given: Raw) -> None:
    made = read(with_manual_turns(given))

    assert made["audio"]["input"] == {"turn_detection": None}
    assert made["audio"].get("output") == (read(given) or {}).get("audio", {}).get("output")


@pytest.mark.parametrize("audio", [{"input": 1}, 1])
def test_settings_that_are_none_have_no_manual_turns_either(audio: Any) -> None:
    assert bytes(with_manual_turns(raw(audio=audio))) == bytes(raw(audio=audio))


@pytest.mark.parametrize(
    ("given", "manual"),
    [
        (raw(audio={"input": {"turn_detection": None}}), True),
        (raw(audio={"input": {"turn_detection": {"type": "server_vad"}}}), False),
        (raw(audio={"input": {}}), False),
        (raw(audio={"input": 1}), False),
        (raw(audio=1), False),
        (NO_SETTINGS, False),
    ],
)
def test_turns_are_manual_where_the_settings_say_so(given: Raw, manual: bool) -> None:
    assert has_manual_turns(given) is manual


@pytest.mark.parametrize(
    ("given", "format_type"),
    [
        (NO_SETTINGS, "audio/pcm"),
        (raw(voice="cedar"), "audio/pcm"),
        (raw(audio={"input": {"format": {"type": "audio/pcma"}}}), "audio/pcma"),
        (raw(audio={"input": {"format": {"type": "audio/opus"}}}), "audio/pcm"),
        (raw(audio=1), "audio/pcm"),
    ],
)
def test_how_the_microphone_is_heard_is_known_where_it_is_said(given: Raw, format_type: str) -> None:
    assert input_format(given).type == format_type


def test_a_session_that_only_transcribes_gets_only_what_it_has() -> None:
    heard = {"transcription": {"model": "whisper"}}
    settings = raw(instructions="Be brief.", audio={"input": heard, "output": {"voice": "a"}}, include=["x"])

    assert read(for_transcription(settings)) == {"type": "transcription", "audio": {"input": heard}, "include": ["x"]}
    assert for_transcription(raw(instructions="Be brief.")) == NO_SETTINGS
    assert for_transcription(raw(audio={"output": {}})) == NO_SETTINGS
    assert for_transcription(NO_SETTINGS) == NO_SETTINGS


def test_where_only_this_computer_comes_in_all_may_be_set_and_elsewhere_little() -> None:
    assert may_set(None, local=True) == "all"
    assert may_set(None, local=False) == ELSEWHERE


@pytest.mark.parametrize("local", [True, False])
def test_what_the_operator_says_counts_wherever_people_come_from(local: bool) -> None:
    assert may_set("all", local=local) == "all"
    assert may_set("none", local=local) == "none"
    assert may_set("instructions, audio.output.voice", local=local) == ("instructions", "audio.output.voice")


def test_the_fields_of_a_session_are_those_of_the_protocol() -> None:
    assert {*fields_of(RealtimeSessionCreateRequest)} - {"type"} == FIELDS


@pytest.mark.parametrize("text", ["", "voice", "instructions,", "instructions,bogus.audio", "ALL", "audio.", "model.x"])
def test_what_is_no_field_of_a_session_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--client-may-set: a session has no field"):
        may_set(text, local=True)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("audio.input.turn_detecton", "did you mean audio.input.turn_detection?"),
        ("tools, audio.input.turn_detection.treshold", "did you mean audio.input.turn_detection.threshold?"),
        ("voice", "did you mean audio.output.voice?"),
        ("Instructions", "did you mean instructions?"),
        ("ALL", "did you mean all?"),
        ("bogus", "say all, none, or some of: audio.input.format, audio.input.noise_reduction, audio.input.transcript"),
    ],
)
def test_for_what_is_no_field_the_one_that_was_meant_is_named(text: str, hint: str) -> None:
    with pytest.raises(UsageError, match=re.escape(hint)):
        may_set(text, local=True)


def test_people_from_elsewhere_may_choose_how_they_are_heard_and_no_more() -> None:
    policy = Policy(may_set=may_set(None, local=False))
    heard = {"turn_detection": None, "transcription": {"model": "whisper"}}
    allowed = raw(audio={"input": heard}, output_modalities=["text"])
    asked = b'{"type":"session.update","session":{"model":"dear","instructions":"mine","tools":[],"tracing":"auto"}}'

    assert isinstance(judge(b'{"type":"session.update","session":%b}' % bytes(allowed), policy, managed=False), Pass)
    verdict = judge(asked, policy, managed=False)
    assert isinstance(verdict, Changed)
    assert json.loads(verdict.raw)["session"] == {}
