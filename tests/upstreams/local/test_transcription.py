"""Sessions of transcription: the user is heard and written down, and never answered."""

from typing import Any

import pytest

from tests.upstreams.local.harness import SILENCE, Client, noise

HEARD = [
    "input_audio_buffer.speech_started",
    "input_audio_buffer.speech_stopped",
]
WRITTEN = [
    "input_audio_buffer.committed",
    "conversation.item.added",
    "conversation.item.done",
    *["conversation.item.input_audio_transcription.delta"] * 4,
    "conversation.item.input_audio_transcription.completed",
]
SPOKEN = SILENCE * 10 + noise(30) + SILENCE * 20


def transcribe(client: Client, **given: Any) -> None:
    """Ask for transcription."""
    client.send("session.update", session={"type": "transcription", "audio": {"input": given}})


@pytest.fixture
def client() -> Client:
    """A client that has asked for transcription with its first update."""
    client = Client()
    transcribe(client, transcription={"model": "any"})
    return client


def test_the_first_update_makes_it_a_transcription_session_with_the_same_id(client: Client) -> None:
    before, after = (event["session"] for event in client.events)

    assert client.types == ["session.created", "session.updated"]
    assert after == {
        "type": "transcription",
        "object": "realtime.transcription_session",
        "id": before["id"],
        "expires_at": 0,
        "audio": {
            "input": {
                "format": {"type": "audio/pcm", "rate": 24000},
                "transcription": {"model": "any", "language": None, "prompt": None},
                "noise_reduction": None,
                "turn_detection": {
                    **before["audio"]["input"]["turn_detection"],
                    "create_response": False,
                    "interrupt_response": False,
                },
            }
        },
        "include": None,
    }


def test_it_can_be_one_from_the_start_and_then_transcribes_with_its_own_model() -> None:
    client = Client(transcription=True, model="mine", expires_after=60.0, epoch=1000)

    session = client.events[0]["session"]

    assert (session["type"], session["object"]) == ("transcription", "realtime.transcription_session")
    assert (session["id"][:5], session["expires_at"]) == ("sess_", 1060)
    assert session["audio"]["input"]["transcription"]["model"] == "mine"


def test_a_spoken_turn_is_written_down_and_nothing_more(client: Client) -> None:
    client.forget()

    client.append(SPOKEN)
    client.run()

    assert client.types == HEARD + WRITTEN
    assert client.last(WRITTEN[-1])["transcript"] == "[1.0 s of speech]"


def test_two_turns_follow_one_another(client: Client) -> None:
    client.forget()

    client.append(SPOKEN + SPOKEN)
    client.run()

    first, second = client.all("input_audio_buffer.committed")
    assert (first["previous_item_id"], second["previous_item_id"]) == (None, first["item_id"])
    assert not [name for name in client.types if name.startswith(("response", "rate_limits"))]


@pytest.mark.parametrize("detection", ["server_vad", "semantic_vad"])
def test_it_answers_nobody_even_where_turn_detection_asks_for_it(client: Client, detection: str) -> None:
    transcribe(client, turn_detection={"type": detection, "create_response": True, "interrupt_response": True})
    client.forget()

    client.append(SPOKEN + SILENCE * 40)
    client.run()

    assert client.types == HEARD + WRITTEN


def test_a_manual_turn_is_written_down_when_the_client_commits_it(client: Client) -> None:
    transcribe(client, turn_detection=None)
    client.forget()

    client.append(SPOKEN)
    client.send("input_audio_buffer.commit")
    client.run()

    assert client.types == WRITTEN


def test_without_a_transcription_model_nothing_is_written(client: Client) -> None:
    transcribe(client, transcription=None)
    client.forget()

    client.append(SPOKEN)
    client.run()

    assert client.types == HEARD + WRITTEN[:3]


def test_a_response_is_refused(client: Client) -> None:
    client.send("response.create", event_id="mine")

    assert (client.error["code"], client.error["param"], client.error["event_id"]) == ("invalid_value", "type", "mine")
    assert client.error["message"] == "Invalid value: 'response.create'. A transcription session has no responses."
    client.send("response.cancel")
    assert client.error["code"] == "response_cancel_not_active"


def test_nobody_is_called_idle(client: Client) -> None:
    transcribe(client, turn_detection={"type": "server_vad", "create_response": True, "idle_timeout_ms": 5000})
    client.forget()

    client.append(SPOKEN)
    client.run()

    assert client.types == HEARD + WRITTEN


@pytest.mark.parametrize(
    ("session", "code", "param"),
    [
        ({"instructions": "Be brief."}, "unknown_parameter", "session.instructions"),
        ({"audio": {"output": {"voice": "alloy"}}}, "unknown_parameter", "session.audio.output"),
        ({"audio": {"input": {"format": {"type": "audio/opus"}}}}, "invalid_value", "session.audio.input.format.type"),
        ({"type": "realtime"}, "invalid_value", "session.type"),
        ({"include": ["all"]}, "invalid_value", "session.include[0]"),
    ],
)
def test_a_wrong_update_changes_nothing(client: Client, session: dict[str, Any], code: str, param: str) -> None:
    before = client.last("session.updated")["session"]

    client.send("session.update", session={"type": "transcription", **session})

    assert (client.error["code"], client.error["param"]) == (code, param)
    transcribe(client)
    assert client.last("session.updated")["session"] == before


def test_a_first_update_that_is_refused_leaves_the_choice() -> None:
    client = Client()
    transcribe(client, bogus=1)
    assert client.error["param"] == "session.audio.input.bogus"

    transcribe(client)

    assert client.last("session.updated")["session"]["type"] == "transcription"


def test_only_the_first_update_can_choose() -> None:
    client = Client()
    client.update()

    transcribe(client)

    assert client.error["message"] == "'session.type' cannot be changed now: it is 'realtime'."


def test_nothing_can_be_chosen_after_the_first_answer() -> None:
    client = Client()
    client.ask("Hello.")

    transcribe(client)

    assert (client.error["code"], client.error["param"]) == ("invalid_value", "session.type")


def test_a_session_that_transcribes_from_the_start_cannot_become_another() -> None:
    client = Client(transcription=True)

    client.update()

    assert client.error["message"] == "'session.type' cannot be changed now: it is 'transcription'."


@pytest.mark.parametrize("model", ["gpt-realtime-whisper", "gpt-live-transcribe"])
def test_a_model_that_detects_no_turns_has_none_and_can_be_given_none(client: Client, model: str) -> None:
    transcribe(client, transcription={"model": model}, turn_detection={"type": "server_vad"})
    assert (client.error["code"], client.error["param"]) == ("invalid_value", "session.audio.input.turn_detection")

    transcribe(client, transcription={"model": model})
    assert client.last("session.updated")["session"]["audio"]["input"]["turn_detection"] is None
    transcribe(client, turn_detection=None)
    assert client.types[-1] == "session.updated"
