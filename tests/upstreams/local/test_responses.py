"""Responses: what they consist of, how they are ordered, paced, cancelled, counted and cut."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime_engine.audio import PCM16, PCMA, PCMU, AudioFormat, decode_base64
from realtime_engine.sound import decode, rms
from realtime_engine.upstreams.local.replies import Act, Call, Complain, Fail, Leave, Play, Say
from tests.upstreams.local.harness import Client, noise

TRANSCRIPT = "response.output_audio_transcript"
AUDIO = "response.output_audio"


def client_for(*acts: Act, **changes: Any) -> Client:
    """A client of a model that does this."""
    return Client(reply=lambda _prompt: acts, **changes)


def sound(seconds: float) -> Play:
    return Play(noise(200)[: PCM16.size(seconds)], PCM16, "la la la")


def times(client: Client, kind: str) -> list[float]:
    return [at for at, event in zip(client.times, client.events, strict=True) if event["type"] == kind]


# --- speech ---------------------------------------------------------------------------------------------------


def test_speech_is_announced_given_and_closed_in_the_protocols_order() -> None:
    client = client_for(Say("Hi."))
    client.type("Hello.")
    client.forget()

    client.respond()

    assert client.types == [
        "response.created",
        "response.output_item.added",
        "conversation.item.added",
        "response.content_part.added",
        f"{TRANSCRIPT}.delta",
        f"{AUDIO}.delta",
        f"{AUDIO}.done",
        f"{TRANSCRIPT}.done",
        "response.content_part.done",
        "conversation.item.done",
        "response.output_item.done",
        "response.done",
        "rate_limits.updated",
    ]


def test_audio_comes_at_four_times_real_time() -> None:
    client = client_for(sound(4.0))

    client.respond()

    at = times(client, f"{AUDIO}.delta")
    assert at[1] - at[0] == pytest.approx(0.05)
    assert times(client, "response.done")[0] - at[0] == pytest.approx(1.0, abs=1e-5)


def test_audio_comes_as_fast_as_it_is_wanted() -> None:
    slow, at_once = client_for(sound(4.0), pace=1.0), client_for(sound(4.0), pace=float("inf"))

    slow.respond()
    at_once.respond()

    assert times(slow, "response.done")[0] - times(slow, f"{AUDIO}.delta")[0] == pytest.approx(4.0, abs=1e-5)
    assert times(at_once, "response.done")[0] == times(at_once, f"{AUDIO}.delta")[0]


@given(st.integers(100, 3000))
def test_deltas_are_100_to_400_ms_long_and_together_the_speech(ms: int) -> None:
    play = sound(ms / 1000)
    client = client_for(play)

    client.respond()

    sizes = [PCM16.ms(len(decode_base64(delta["delta"]))) for delta in client.all(f"{AUDIO}.delta")]
    assert client.speech == play.audio
    assert all(100 <= size <= 400 for size in sizes)


def test_the_transcript_runs_ahead_of_the_audio() -> None:
    client = client_for(Play(sound(4.0).audio, PCM16, "one two three four five six"))

    client.respond()

    texts, sounds = times(client, f"{TRANSCRIPT}.delta"), times(client, f"{AUDIO}.delta")
    assert client.types.index(f"{TRANSCRIPT}.delta") < client.types.index(f"{AUDIO}.delta")
    assert texts[-1] - texts[0] < (sounds[-1] - sounds[0]) / 2
    said = "".join(delta["delta"] for delta in client.all(f"{TRANSCRIPT}.delta"))
    assert said == client.last(f"{TRANSCRIPT}.done")["transcript"] == "one two three four five six"


def test_nothing_to_hear_is_no_delta() -> None:
    client = client_for(Play(b"", PCM16, "  "))

    response = client.respond()

    assert client.all(f"{AUDIO}.delta") == []
    assert response["output"][0]["content"] == [{"type": "output_audio", "transcript": "  "}]


@pytest.mark.parametrize("format", [PCMU, PCMA], ids=lambda f: f.type)
def test_speech_comes_in_the_sessions_format(format: AudioFormat) -> None:
    client = client_for(sound(1.0))
    client.update(audio={"output": {"format": {"type": format.type}}})

    response = client.respond()

    assert response["audio"]["output"]["format"] == {"type": format.type}
    assert len(client.speech) == format.size(1.0)
    heard = rms(decode(client.speech, format))
    assert heard == pytest.approx(rms(decode(sound(1.0).audio, PCM16)), rel=0.05)


def test_a_response_may_have_a_format_and_a_voice_of_its_own() -> None:
    client = client_for(sound(1.0))

    response = client.respond(audio={"output": {"format": {"type": "audio/pcmu"}, "voice": "cedar"}})

    assert response["audio"]["output"] == {"format": {"type": "audio/pcmu"}, "voice": "cedar"}
    assert len(client.speech) == PCMU.size(1.0)


def test_the_voice_of_the_conversation_stays_once_it_was_heard() -> None:
    client = client_for(sound(1.0))
    client.respond()

    client.send("response.create", response={"audio": {"output": {"voice": "cedar"}}})
    assert (client.error["code"], client.error["param"]) == ("cannot_update_voice", "response.audio.output.voice")
    client.send("response.create", response={"conversation": "none", "audio": {"output": {"voice": "cedar"}}})
    client.run_to("response.done")


def test_the_voice_is_given_the_text_the_voices_name_and_the_speed() -> None:
    asked: list[tuple[str, str, float]] = []

    def voice(text: str, name: str, speed: float) -> bytes:
        asked.append((text, name, speed))
        return noise(3)

    client = client_for(Say("Hi. " * 2000), voice=voice)
    client.update(audio={"output": {"voice": "verse", "speed": 0.5}})
    client.respond()

    assert asked == [(("Hi. " * 2000)[:4096], "verse", 0.5)]


def test_a_voice_that_fails_fails_the_response() -> None:
    def voice(_text: str, _name: str, _speed: float) -> bytes:
        raise AssertionError

    client = client_for(Say("Hi."), voice=voice, lazy=True)
    client.send("response.create")
    client.run()
    client.finish(error=OSError("no such library"))

    response = client.last("response.done")["response"]
    assert response["status"] == "failed"
    assert response["status_details"]["error"] == {
        "type": "server_error",
        "code": "voice_failed",
        "message": "The voice failed: no such library",
    }


def test_what_the_voice_says_after_a_cancel_is_not_heard() -> None:
    client = client_for(Say("Hi."), lazy=True)
    client.send("response.create")
    client.run()
    assert client.model.waits_for == "its voice"

    client.send("response.cancel")
    client.finish(noise(10))
    client.run()

    assert client.all(f"{AUDIO}.delta") == []
    assert client.last("response.done")["response"]["output"] == []


# --- text and calls -------------------------------------------------------------------------------------------


def test_text_is_written_word_by_word() -> None:
    client = client_for(Say("Good day to you."))

    response = client.respond(output_modalities=["text"])

    deltas = [delta["delta"] for delta in client.all("response.output_text.delta")]
    assert deltas == ["Good", " day", " to", " you."]
    assert client.types[-6:-1] == [
        "response.output_text.done",
        "response.content_part.done",
        "conversation.item.done",
        "response.output_item.done",
        "response.done",
    ]
    assert response["output"][0]["content"] == [{"type": "output_text", "text": "Good day to you."}]
    assert response["output_modalities"] == ["text"]


def test_what_would_be_played_is_written_by_its_transcript() -> None:
    client = client_for(sound(1.0))

    response = client.respond(output_modalities=["text"])

    assert response["output"][0]["content"] == [{"type": "output_text", "text": "la la la"}]


def test_a_call_has_arguments_and_no_parts() -> None:
    client = client_for(Call("get_weather", '{"city": "Paris", "days": 3}'))

    response = client.respond()

    done = client.last("response.function_call_arguments.done")
    assert (done["name"], done["arguments"]) == ("get_weather", '{"city": "Paris", "days": 3}')
    deltas = client.all("response.function_call_arguments.delta")
    assert "".join(delta["delta"] for delta in deltas) == done["arguments"]
    assert not [name for name in client.types if "content_part" in name]
    assert response["output"] == [client.last("conversation.item.done")["item"]]
    assert response["output"][0]["status"] == "completed"


def test_a_response_may_hold_a_message_and_several_calls() -> None:
    client = client_for(Say("One moment."), Call("f", "{}"), Call("g", "{}"))

    response = client.respond()

    assert [item["type"] for item in response["output"]] == ["message", "function_call", "function_call"]
    assert [event["output_index"] for event in client.all("response.output_item.added")] == [0, 1, 2]
    assert len({item["call_id"] for item in response["output"][1:]}) == 2


def test_a_call_that_is_cut_short_never_has_its_arguments_done() -> None:
    client = client_for(Call("f", "{ 1 : 2 , 3 : 4 }"))
    client.send("response.create")
    client.run_to("response.function_call_arguments.delta")

    client.send("response.cancel")

    assert "response.function_call_arguments.done" not in client.types
    assert client.last("response.done")["response"]["output"][0]["status"] == "incomplete"


# --- orders ---------------------------------------------------------------------------------------------------


def test_a_response_echoes_what_was_ordered() -> None:
    client = client_for(Say("Hi."))
    metadata = {f"{n:064}": "x" * 512 for n in range(16)}

    response = client.respond(metadata=metadata, max_output_tokens=500)

    assert response["object"] == "realtime.response"
    assert response["metadata"] == metadata
    assert response["max_output_tokens"] == 500
    assert response["conversation_id"].startswith("conv_")
    assert client.last("response.created")["response"]["metadata"] == metadata


@pytest.mark.parametrize(
    ("response", "code"),
    [
        ({"metadata": {str(n): "" for n in range(17)}}, "object_above_max_properties"),
        ({"metadata": {"x" * 65: ""}}, "string_above_max_length"),
        ({"metadata": {"x": "y" * 513}}, "string_above_max_length"),
        ({"metadata": {"x": 1}}, "invalid_type"),
        ({"max_output_tokens": 5000}, "integer_above_max_value"),
        ({"conversation": "mine"}, "invalid_value"),
        ({"input": [{"type": "item_reference", "id": "nobody"}]}, "invalid_value"),
        ({"input": [{"type": "song"}]}, "invalid_value"),
        ({"bogus": 1}, "unknown_parameter"),
    ],
)
def test_a_wrong_order_is_refused(response: dict[str, Any], code: str) -> None:
    client = client_for(Say("Hi."))

    client.send("response.create", response=response)

    assert client.error["code"] == code
    assert client.error["param"].startswith("response.")
    client.run()
    assert "response.created" not in client.types


def test_only_one_response_at_a_time_writes_to_the_conversation() -> None:
    client = client_for(sound(1.0))
    client.send("response.create")
    client.run_to("response.created")

    client.send("response.create", event_id="mine")

    assert client.error["code"] == "conversation_already_has_active_response"
    active = client.last("response.created")["response"]["id"]
    assert client.error["message"].startswith(f"Conversation already has an active response in progress: {active}.")
    client.run()
    client.send("response.create")
    client.run()
    assert len(client.all("response.done")) == 2


def test_responses_out_of_band_run_beside_it_and_leave_no_trace() -> None:
    client = client_for(sound(1.0))
    client.send("response.create")
    client.run_to("response.created")
    client.send("response.create", response={"conversation": "none", "metadata": {"topic": "x"}, "input": []})
    client.run()

    beside = next(event["response"] for event in client.all("response.done") if event["response"]["metadata"])
    assert beside["conversation_id"] is None
    assert len(client.all("response.done")) == 2
    added = [event["item"]["id"] for event in client.all("conversation.item.added")]
    assert beside["output"][0]["id"] not in added
    assert len(added) == 1


def test_there_are_only_so_many_responses_out_of_band() -> None:
    client = client_for(sound(1.0))

    for _ in range(17):
        client.send("response.create", response={"conversation": "none"})

    assert client.error["code"] == "rate_limit_exceeded"
    client.run()
    assert len(client.all("response.done")) == 16


# --- cancellation ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("by_name", [True, False])
def test_a_cancelled_response_closes_what_it_has_begun(by_name: bool) -> None:
    client = client_for(sound(2.0))
    client.send("response.create")
    client.run_for(0.2)
    created = client.last("response.created")["response"]
    client.forget()

    client.send("response.cancel", **({"response_id": created["id"]} if by_name else {}))

    assert client.types == [
        f"{AUDIO}.done",
        f"{TRANSCRIPT}.done",
        "response.content_part.done",
        "conversation.item.done",
        "response.output_item.done",
        "response.done",
    ]
    response = client.last("response.done")["response"]
    assert response["status_details"] == {"type": "cancelled", "reason": "client_cancelled"}
    assert response["output"][0]["status"] == "incomplete"
    assert response["usage"]["output_tokens"] > 0
    client.run()
    assert client.types[6:] == ["rate_limits.updated"]


def test_a_response_that_is_not_there_cannot_be_cancelled() -> None:
    client = client_for(sound(2.0))
    client.send("response.cancel")
    assert client.error["code"] == "response_cancel_not_active"
    assert client.error["message"] == "Cancellation failed: no active response found"

    client.send("response.create")
    client.send("response.cancel", response_id="nobody")
    assert client.error["code"] == "response_cancel_not_active"
    client.run()
    assert client.last("response.done")["response"]["status"] == "completed"


def test_a_response_is_announced_even_if_it_is_cancelled_at_once() -> None:
    client = client_for(sound(2.0))
    client.send("response.create")

    client.send("response.cancel")

    assert client.types[-2:] == ["response.created", "response.done"]
    assert client.last("response.done")["response"]["output"] == []


def test_a_response_out_of_band_is_cancelled_by_its_id() -> None:
    client = client_for(sound(2.0))
    client.send("response.create", response={"conversation": "none"})
    created = client.run_to("response.created")

    client.send("response.cancel")
    assert client.error["code"] == "response_cancel_not_active"
    client.send("response.cancel", response_id=created["response"]["id"])

    assert client.last("response.done")["response"]["status"] == "cancelled"


# --- tokens ---------------------------------------------------------------------------------------------------


def test_usage_is_counted_by_the_rates_of_the_protocol() -> None:
    client = client_for(Play(noise(200)[: PCM16.size(2.0)], PCM16, "x" * 10))
    client.update(instructions="i" * 9, audio={"input": {"turn_detection": None}})
    client.type("t" * 7)
    client.append(noise(200)[: PCM16.size(1.55)])
    client.send("input_audio_buffer.commit")

    usage = client.respond()["usage"]

    assert usage == {
        "total_tokens": 3 + 2 + 15 + 3 + 40,
        "input_tokens": 3 + 2 + 15,
        "output_tokens": 3 + 40,
        "input_token_details": {
            "text_tokens": 3 + 2,
            "audio_tokens": 15,
            "image_tokens": 0,
            "cached_tokens": 0,
            "cached_tokens_details": {"text_tokens": 0, "audio_tokens": 0, "image_tokens": 0},
        },
        "output_token_details": {"text_tokens": 3, "audio_tokens": 40},
    }
    more = client.respond()["usage"]["input_token_details"]
    assert (more["text_tokens"], more["audio_tokens"]) == (3 + 2 + 3, 15 + 20)


def test_tools_calls_and_their_outputs_cost_tokens_too() -> None:
    client = client_for(Say("Hi."))
    client.update(instructions="")
    item = {"type": "function_call", "name": "f" * 4, "arguments": "a" * 8, "call_id": "c"}
    client.send("conversation.item.create", item=item)
    client.send("conversation.item.create", item={"type": "function_call_output", "call_id": "c", "output": "o" * 12})
    tool = {"type": "function", "name": "f"}  # {"type":"function","name":"f"}: 30 characters

    usage = client.respond(tools=[tool])["usage"]

    assert usage["input_token_details"]["text_tokens"] == 3 + 3 + 8


@pytest.mark.parametrize("modality", ["audio", "text"])
@given(most=st.integers(1, 60))
def test_a_response_never_costs_more_tokens_than_it_may(modality: str, most: int) -> None:
    client = client_for(Play(noise(200)[: PCM16.size(2.0)], PCM16, "la " * 30))

    response = client.respond(max_output_tokens=most, output_modalities=[modality])

    assert response["usage"]["output_tokens"] <= most
    if response["status"] == "incomplete":
        assert response["status_details"] == {"type": "incomplete", "reason": "max_output_tokens"}
        assert response["output"][0]["status"] == "incomplete"


def test_a_response_that_may_cost_enough_is_complete() -> None:
    client = client_for(Play(noise(200)[: PCM16.size(1.0)], PCM16, "12345678"))

    assert client.respond(max_output_tokens=22)["status"] == "completed"
    assert client.respond(max_output_tokens=21)["status"] == "incomplete"


def test_even_without_a_limit_the_model_has_one() -> None:
    client = client_for(Play(bytes(PCM16.size(300.0)), PCM16, ""))

    response = client.respond()

    assert response["max_output_tokens"] == "inf"
    assert response["status_details"]["reason"] == "max_output_tokens"
    assert response["usage"]["output_tokens"] == 4096


def test_rate_limits_follow_a_response_a_little_later() -> None:
    client = client_for(sound(1.0))

    total = client.respond()["usage"]["total_tokens"]

    limit = client.last("rate_limits.updated")["rate_limits"][0]
    assert client.times[-1] - client.times[-2] == pytest.approx(0.035, abs=1e-5)
    assert limit == {
        "name": "tokens",
        "limit": 15_000_000,
        "remaining": 15_000_000 - total,
        "reset_seconds": pytest.approx(total / 250_000, abs=0.001),
    }


# --- failures -------------------------------------------------------------------------------------------------


def test_a_response_that_fails_at_once_is_created_and_done_and_costs_nothing() -> None:
    client = client_for(Fail("rate_limit_exceeded", "Too much.", "rate_limit_error"))
    client.type("Hello.")
    client.forget()

    response = client.respond()

    assert client.types[:2] == ["response.created", "response.done"]
    assert response["status"] == "failed"
    assert response["status_details"] == {
        "type": "failed",
        "error": {"type": "rate_limit_error", "code": "rate_limit_exceeded", "message": "Too much."},
    }
    assert response["output"] == []
    assert response["usage"]["total_tokens"] == 0


def test_a_response_may_fail_after_it_has_said_something() -> None:
    client = client_for(Say("Well…"), Fail("server_error", "Oops."))

    response = client.respond()

    assert response["status"] == "failed"
    assert response["output"][0]["status"] == "completed"
    assert response["usage"]["output_tokens"] > 0


def test_an_error_event_may_come_in_place_of_a_response() -> None:
    client = client_for(Complain("insufficient_quota", "No money.", "insufficient_quota"))
    client.send("response.create")
    client.run()

    assert "response.created" not in client.types
    assert client.error["code"] == "insufficient_quota"
    client.send("response.create")
    client.run()
    assert len(client.all("error")) == 2


def test_an_error_event_may_come_after_something_was_said() -> None:
    client = client_for(Say("Hi."), Complain("oops", "Oops."))

    assert client.respond()["status"] == "completed"
    assert client.types[-3:] == ["error", "response.done", "rate_limits.updated"]


@pytest.mark.parametrize("acts", [(), (Say("Hi."),)])
def test_the_connection_may_close_before_or_after_something_was_said(acts: tuple[Act, ...]) -> None:
    client = client_for(*acts, Leave(1011, "tired"))
    client.send("response.create")
    client.run()

    assert client.closed is not None
    assert (client.closed.code, client.closed.reason) == (1011, "tired")
    assert "response.done" not in client.types
    assert ("response.output_item.done" in client.types) is bool(acts)
    client.send("response.create")
    client.run()
