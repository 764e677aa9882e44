"""The session object: what may be changed, and what is said about what may not."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime_engine.upstreams.local.updates import merged
from tests.upstreams.local.harness import Client, noise

DETECTION = ("audio", "input", "turn_detection")


def at(session: dict[str, Any], *path: str) -> Any:
    for key in path:
        session = session[key]
    return session


def under(value: object, *path: str) -> dict[str, Any]:
    """A session with one field."""
    for key in reversed(path):
        value = {key: value}
    assert isinstance(value, dict)
    return value


def test_the_first_event_is_the_whole_session_with_the_protocols_defaults() -> None:
    client = Client(model="my-model")

    session = client.events[0]["session"]

    assert client.types == ["session.created"]
    assert session["model"] == "my-model"
    assert session["id"].startswith("sess_")
    assert len(session["id"]) == len("sess_") + 21
    assert session["expires_at"] == 0


def test_an_update_changes_only_the_fields_that_are_present() -> None:
    client = Client()
    before = client.events[0]["session"]

    client.update(instructions="Be brief.", audio={"input": {"noise_reduction": {"type": "near_field"}}})

    after = client.last("session.updated")["session"]
    assert after["instructions"] == "Be brief."
    assert after["audio"]["input"]["noise_reduction"] == {"type": "near_field"}
    after["instructions"] = before["instructions"]
    after["audio"]["input"]["noise_reduction"] = None
    assert after == before


def test_an_update_of_one_turn_detection_field_keeps_the_others() -> None:
    client = Client()
    client.configure(turn_detection={"type": "server_vad", "threshold": 0.7})

    client.configure(turn_detection={"type": "server_vad", "silence_duration_ms": 900})

    detection = at(client.last("session.updated")["session"], *DETECTION)
    assert (detection["threshold"], detection["silence_duration_ms"]) == (0.7, 900)


def test_turn_detection_of_another_type_takes_the_place_of_the_old() -> None:
    client = Client()

    client.configure(turn_detection={"type": "semantic_vad"})

    assert at(client.last("session.updated")["session"], *DETECTION) == {
        "type": "semantic_vad",
        "eagerness": "auto",
        "create_response": True,
        "interrupt_response": True,
    }


@pytest.mark.parametrize("field", ["turn_detection", "transcription", "noise_reduction"])
def test_null_switches_a_part_of_listening_off(field: str) -> None:
    client = Client()
    client.configure(transcription={"model": "any"}, noise_reduction={"type": "far_field"})

    client.configure(**{field: None})

    assert client.last("session.updated")["session"]["audio"]["input"][field] is None


def test_null_leaves_what_cannot_be_switched_off_as_it_is() -> None:
    client = Client()
    client.update(instructions="Be brief.", audio={"input": {"noise_reduction": {"type": "near_field", "strength": 1}}})
    before = client.last("session.updated")["session"]

    client.update(
        **dict.fromkeys(("object", "id", "expires_at", "model", "instructions", "tools", "max_output_tokens")),
        reasoning=None,
        audio={
            "input": {
                "format": None,
                "noise_reduction": {"type": None, "strength": None},
                "turn_detection": {"type": "server_vad", "threshold": None},
            },
            "output": None,
        },
    )

    assert client.last("session.updated")["session"] == before


def test_null_in_turn_detection_of_another_type_means_the_default() -> None:
    client = Client()

    client.configure(turn_detection={"type": "semantic_vad", "eagerness": None, "threshold": None})

    assert at(client.last("session.updated")["session"], *DETECTION)["eagerness"] == "auto"


def test_a_tool_may_have_null_fields_and_its_schema_keeps_its_nulls() -> None:
    client = Client()
    schema = {"type": "object", "properties": {"a": {"default": None, "enum": [None, 1]}}}

    client.update(tools=[{"type": "function", "name": "f", "description": None, "parameters": schema}])

    assert client.last("session.updated")["session"]["tools"] == [
        {"type": "function", "name": "f", "parameters": schema}
    ]


def test_the_strength_of_noise_reduction_outlives_a_change_of_its_type() -> None:
    client = Client()
    client.configure(noise_reduction={"type": "near_field", "strength": 0.5})

    client.configure(noise_reduction={"type": "far_field"})

    session = client.last("session.updated")["session"]
    assert session["audio"]["input"]["noise_reduction"] == {"type": "far_field", "strength": 0.5}


def test_a_transcription_is_echoed_with_language_and_prompt() -> None:
    client = Client()

    client.configure(transcription={"model": "any"})

    session = client.last("session.updated")["session"]
    assert session["audio"]["input"]["transcription"] == {"model": "any", "language": None, "prompt": None}


@pytest.mark.parametrize(
    ("session", "code", "param"),
    [
        ({"bogus_field": 1}, "unknown_parameter", "session.bogus_field"),
        (under(1, "audio", "input", "bogus"), "unknown_parameter", "session.audio.input.bogus"),
        ({"id": "sess_1"}, "unknown_parameter", "session.id"),
        (
            under({"type": "audio/pcm", "rate": 16_000}, "audio", "input", "format"),
            "integer_below_min_value",
            "session.audio.input.format.rate",
        ),
        (
            under({"type": "audio/pcm", "rate": 48_000}, "audio", "output", "format"),
            "integer_above_max_value",
            "session.audio.output.format.rate",
        ),
        (under({"type": "audio/opus"}, "audio", "input", "format"), "invalid_value", "session.audio.input.format.type"),
        (under({"threshold": 2}, *DETECTION), "decimal_above_max_value", f"session.{'.'.join(DETECTION)}.threshold"),
        (under({"threshold": -1}, *DETECTION), "decimal_below_min_value", f"session.{'.'.join(DETECTION)}.threshold"),
        (under({"threshold": "high"}, *DETECTION), "invalid_type", f"session.{'.'.join(DETECTION)}.threshold"),
        (under("nobody", "audio", "output", "voice"), "invalid_value", "session.audio.output.voice"),
        (under(2.0, "audio", "output", "speed"), "decimal_above_max_value", "session.audio.output.speed"),
        ({"output_modalities": ["text", "audio"]}, "invalid_value", "session.output_modalities"),
        ({"output_modalities": ["smell"]}, "invalid_value", "session.output_modalities[0]"),
        ({"max_output_tokens": 0}, "integer_below_min_value", "session.max_output_tokens"),
        ({"max_output_tokens": 4097}, "integer_above_max_value", "session.max_output_tokens"),
        ({"tools": [{"type": "function"}]}, "missing_required_parameter", "session.tools[0].name"),
        ({"tools": [{"type": "mcp", "server_label": "x"}]}, "invalid_value", "session.tools[0].type"),
        ({"tool_choice": {"type": "mcp", "server_label": "x"}}, "invalid_value", "session.tool_choice.type"),
        ({"tool_choice": "sometimes"}, "invalid_value", "session.tool_choice"),
        ({"model": "another"}, "invalid_value", "session.model"),
        ({"type": "translation"}, "invalid_value", "session.type"),
        ({"instructions": 7}, "invalid_type", "session.instructions"),
    ],
)
def test_a_wrong_update_gives_one_error_and_changes_nothing(session: dict[str, Any], code: str, param: str) -> None:
    client = Client()
    before = client.events[0]["session"]

    client.send("session.update", event_id="mine", session={"type": "realtime", "instructions": "New.", **session})

    assert client.types == ["session.created", "error"]
    assert (client.error["code"], client.error["param"], client.error["event_id"]) == (code, param, "mine")
    client.update()
    assert client.last("session.updated")["session"] == before


def test_a_client_that_has_named_no_model_when_it_connected_may_name_one_later_and_once() -> None:
    client = Client(named=False)

    client.update(instructions="Be brief.")
    client.update(model="another")
    client.update(model="another", instructions="Be long.")

    assert client.last("session.updated")["session"]["model"] == "another"
    client.update(model="a third")
    assert client.error["param"] == "session.model"


def test_an_update_without_a_type_is_refused() -> None:
    client = Client()

    client.send("session.update", session={"instructions": "New."})

    assert client.error["code"] == "missing_required_parameter"
    assert client.error["param"] == "session.type"
    assert client.error["message"] == "Missing required parameter: 'session.type'."


def test_an_update_that_is_no_object_is_refused() -> None:
    client = Client()

    client.send("session.update", session=["realtime"])

    assert (client.error["code"], client.error["param"]) == ("invalid_type", "session")


def test_the_error_names_the_values_that_would_do() -> None:
    client = Client()

    client.update(output_modalities=["audio", "text"])
    assert client.error["message"].endswith("Supported values are: '[audio]' and '[text]'.")

    client.configure(turn_detection={"type": "vad"})
    assert client.error["message"] == "Invalid value: 'vad'. Supported values are: 'server_vad' and 'semantic_vad'."

    client.update(type="song")
    assert client.error["message"] == "Invalid value: 'song'. Supported values are: 'realtime' and 'transcription'."


def test_the_error_of_an_mcp_tool_says_why_there_is_none_and_what_to_use() -> None:
    client = Client()

    client.update(tools=[{"type": "mcp", "server_label": "x", "server_url": "https://example.org"}])

    assert client.error["message"] == (
        "Invalid value: 'mcp'. The embedded model reaches no network, and so no MCP server: use function tools "
        "instead. Supported values are: 'function'."
    )


def test_the_voice_can_change_until_the_assistant_was_heard() -> None:
    client = Client()
    client.update(audio={"output": {"voice": "marin"}})
    client.ask("Hello.")

    client.update(audio={"output": {"voice": "cedar"}}, instructions="New.")

    assert client.error["code"] == "cannot_update_voice"
    client.update(audio={"output": {"voice": "marin"}})
    assert client.last("session.updated")["session"]["instructions"] != "New."


def test_a_voice_can_be_named_by_id() -> None:
    client = Client()

    client.update(audio={"output": {"voice": {"id": "voice_1"}}})

    assert client.last("session.updated")["session"]["audio"]["output"]["voice"] == {"id": "voice_1"}
    assert client.ask("Hello.")["audio"]["output"]["voice"] == "voice_1"


def test_the_speed_cannot_change_while_a_response_is_under_way() -> None:
    client = Client()
    client.type("Hello.")
    client.send("response.create")

    client.update(audio={"output": {"speed": 1.5}})
    assert (client.error["code"], client.error["param"]) == ("invalid_value", "session.audio.output.speed")

    client.run()
    client.update(audio={"output": {"speed": 1.5}})
    assert client.types[-1] == "session.updated"


def test_tracing_cannot_change_once_it_is_on() -> None:
    client = Client()
    client.update(tracing={"workflow_name": "mine"})
    client.update(tracing={"workflow_name": "mine"})
    assert client.types[-1] == "session.updated"

    client.update(tracing="auto")

    assert client.error["param"] == "session.tracing"


@pytest.mark.parametrize(
    "session",
    [
        {"tools": [{"type": "function", "name": "f", "parameters": "DEEP"}]},
        {"tracing": {"metadata": "DEEP"}},
    ],
)
def test_what_is_nested_too_deeply_to_be_sent_back_is_refused(session: dict[str, Any]) -> None:
    client = Client()
    text = json.dumps({"type": "session.update", "session": {"type": "realtime", **session}})

    client.send_raw(text.replace('"DEEP"', '{"a":' * 70 + "[]" + "}" * 70).encode())
    assert client.error["code"] == "invalid_value"
    assert "nested too deeply" in client.error["message"]

    client.send_raw(text.replace('"DEEP"', '{"a":' * 30 + "[1]" + "}" * 30).encode())
    assert client.types[-1] == "session.updated"


def test_a_tool_of_one_response_that_is_nested_too_deeply_is_refused() -> None:
    client = Client()
    tools = '{"type":"response.create","response":{"tools":[{"type":"function","name":"f","parameters":DEEP}]}}'

    client.send_raw(tools.replace("DEEP", '{"a":' * 70 + "1" + "}" * 70).encode())

    assert (client.error["code"], client.error["param"]) == ("invalid_value", "response.tools[0]")


def test_json_that_is_nested_beyond_all_bounds_is_no_json() -> None:
    client = Client()

    for raw in (
        b'{"type":"session.update","session":' + b'{"a":' * 200_000 + b"1" + b"}" * 200_001,
        b'{"type":"session.update","session":{"type":"realtime","a":"\\ud800"}}',
    ):
        client.send_raw(raw)
        assert client.error["code"] == "invalid_json"


def test_all_that_can_be_set_is_echoed() -> None:
    given: dict[str, Any] = {
        "output_modalities": ["text"],
        "instructions": "",
        "tools": [{"type": "function", "name": "f", "description": "d", "parameters": {"type": "object"}}],
        "tool_choice": {"type": "function", "name": "f"},
        "max_output_tokens": 100,
        "tracing": "auto",
        "truncation": {"type": "retention_ratio", "retention_ratio": 0.5, "token_limits": {"post_instructions": 9}},
        "prompt": {"id": "pmpt_1", "version": "2", "variables": {"a": "b"}},
        "include": ["item.input_audio_transcription.logprobs"],
        "reasoning": {"effort": "low"},
        "parallel_tool_calls": False,
        "audio": {
            "input": {
                "format": {"type": "audio/pcmu"},
                "transcription": {"model": "m", "language": "en", "prompt": "p", "keywords": ["k"]},
                "noise_reduction": {"type": "near_field", "strength": 1.0},
                "turn_detection": {"type": "semantic_vad", "eagerness": "low", "create_response": False,
                                   "interrupt_response": False},
            },
            "output": {"format": {"type": "audio/pcma"}, "voice": "echo", "speed": 0.5},
        },
    }  # fmt: skip
    client = Client()

    client.update(**given)

    session = client.last("session.updated")["session"]
    for key, value in given.items():
        assert session[key] == value


def test_the_session_goes_on_after_a_change_of_format_in_the_middle_of_a_turn() -> None:
    client = Client()
    client.append(noise(10))

    client.configure(format={"type": "audio/pcmu"})
    client.append(b"\x00" * 256 * 20 + b"\xff" * 256 * 20)

    first, second = (event["audio_start_ms"] for event in client.all("input_audio_buffer.speech_started"))
    assert (first, second) == (0, 320)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.dictionaries(st.sampled_from(["type", "a", "b", "tracing"]), inner, max_size=3),
    max_leaves=10,
)


@given(JSON, JSON)
def test_merging_the_same_patch_twice_is_merging_it_once(old: Any, patch: Any) -> None:
    once = merged(old, patch)

    assert merged(once, patch) == once


@given(JSON)
def test_merging_nothing_changes_nothing(old: Any) -> None:
    assert merged(old, {} if isinstance(old, dict) else old) == old
