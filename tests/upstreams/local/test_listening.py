"""The input audio buffer: turns, commits, offsets, idle times, transcripts."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime_engine.audio import PCM16, PCMA, PCMU, AudioFormat, decode_base64
from realtime_engine.sound import encode, from_pcm16, resample
from realtime_engine.upstreams.local.listening import KEEP_SECONDS, MOST_BYTES
from tests.upstreams.local.harness import SILENCE, Client, Hears, noise

STARTED = "input_audio_buffer.speech_started"
STOPPED = "input_audio_buffer.speech_stopped"
COMMITTED = "input_audio_buffer.committed"


def hearing(*spans: tuple[int, int], **session: object) -> Client:
    """A client whose user speaks in these frames."""
    client = Client(detector=lambda: Hears(*spans))
    if session:
        client.configure(**session)
    client.forget()
    return client


def test_a_spoken_turn_becomes_an_item_and_is_answered() -> None:
    client = hearing((20, 60))

    client.append(SILENCE * 80)
    client.run()

    started, stopped = client.last(STARTED), client.last(STOPPED)
    assert started["audio_start_ms"] == 20 * 32 - 300
    assert stopped["audio_end_ms"] == (60 + 7) * 32
    assert started["item_id"] == stopped["item_id"] == client.last(COMMITTED)["item_id"]
    assert client.types[:6] == [
        STARTED,
        STOPPED,
        COMMITTED,
        "conversation.item.added",
        "conversation.item.done",
        "response.created",
    ]


def test_the_committed_audio_reaches_from_the_padding_to_the_end_of_the_silence() -> None:
    client = hearing((20, 60))
    audio = noise(100)

    client.append(audio)
    client.send("conversation.item.retrieve", item_id=client.last(STARTED)["item_id"])

    part = client.last("conversation.item.retrieved")["item"]["content"][0]
    assert decode_base64(part["audio"]) == audio[340 * 48 : 2144 * 48]


def test_the_padding_never_reaches_into_the_turn_before() -> None:
    client = hearing((20, 40), (50, 70))

    client.append(SILENCE * 100)

    assert [event["audio_start_ms"] for event in client.all(STARTED)] == [340, 47 * 32]
    assert [event["audio_end_ms"] for event in client.all(STOPPED)] == [47 * 32, 77 * 32]


def test_the_padding_never_reaches_before_the_beginning() -> None:
    client = hearing((2, 20))

    client.append(SILENCE * 40)

    assert client.last(STARTED)["audio_start_ms"] == 0


@given(st.lists(st.integers(0, 60 * 1536), max_size=10))
def test_the_events_of_a_spoken_turn_do_not_depend_on_how_the_audio_was_cut(places: list[int]) -> None:
    audio = SILENCE * 10 + noise(30) + SILENCE * 20
    whole, pieces = Client(), Client()
    edges = [0, *sorted(places), len(audio)]

    whole.append(audio)
    for start, stop in pairwise(edges):
        pieces.append(audio[start:stop])
    whole.run()
    pieces.run()

    assert pieces.frames == whole.frames
    assert STOPPED in whole.types


@pytest.mark.parametrize("format", [PCMU, PCMA], ids=lambda f: f.type)
def test_g711_is_heard_as_well_as_pcm(format: AudioFormat) -> None:
    client = Client()
    client.configure(format={"type": format.type})
    audio = SILENCE * 10 + noise(30) + SILENCE * 20

    client.append(encode(resample(from_pcm16(audio), 24_000, 8_000), format))

    assert client.last(STARTED)["audio_start_ms"] == 20
    assert abs(client.last(STOPPED)["audio_end_ms"] - 47 * 32) <= 32


def test_offsets_count_all_audio_over_commits_and_clears() -> None:
    client = hearing((60, 80))

    client.append(SILENCE * 20)
    client.send("input_audio_buffer.commit")
    client.append(SILENCE * 20)
    client.send("input_audio_buffer.clear")
    client.append(SILENCE * 60)

    assert client.last(STARTED)["audio_start_ms"] == 60 * 32 - 300
    assert client.last(STOPPED)["audio_end_ms"] == 87 * 32


def test_a_clear_during_speech_forgets_the_turn() -> None:
    client = hearing((10, 20))
    client.append(SILENCE * 23)

    client.send("input_audio_buffer.clear")
    client.append(SILENCE * 40)
    client.run()

    assert client.types == [STARTED, "input_audio_buffer.cleared"]


def test_a_commit_during_speech_uses_the_item_of_the_turn_and_no_stop_follows() -> None:
    client = hearing((10, 20))
    client.append(SILENCE * 23)

    client.send("input_audio_buffer.commit")
    client.append(SILENCE * 40)
    client.run()

    assert client.types == [STARTED, COMMITTED, "conversation.item.added", "conversation.item.done"]
    assert client.last(COMMITTED)["item_id"] == client.last(STARTED)["item_id"]


@pytest.mark.parametrize(("ms", "said"), [(0, "0.00"), (99, "99.00")])
def test_a_commit_needs_100_ms_of_audio(ms: int, said: str) -> None:
    client = hearing()
    client.append(bytes(48 * ms))

    client.send("input_audio_buffer.commit")

    assert client.error["code"] == "input_audio_buffer_commit_empty"
    assert client.error["message"] == (
        "Error committing input audio buffer: buffer too small. Expected at least 100ms of audio, "
        f"but buffer only has {said}ms of audio."
    )


def test_a_manual_turn_is_committed_by_the_client_and_answered_when_it_asks() -> None:
    client = Client()
    client.manual()
    client.forget()

    client.append(noise(10))
    client.run()
    assert client.events == []
    client.send("input_audio_buffer.commit")
    client.run()
    assert client.types == [COMMITTED, "conversation.item.added", "conversation.item.done"]
    assert client.respond()["status"] == "completed"


def test_half_a_sample_at_the_end_of_a_commit_belongs_to_the_next() -> None:
    client = Client()
    client.manual()
    audio = noise(20)
    for piece in (audio[:15_001], audio[15_001:]):
        client.append(piece)
        client.send("input_audio_buffer.commit")
        client.send("conversation.item.retrieve", item_id=client.last(COMMITTED)["item_id"])

    parts = [event["item"]["content"][0] for event in client.all("conversation.item.retrieved")]

    assert [decode_base64(part["audio"]) for part in parts] == [audio[:15_000], audio[15_000:]]


def test_turn_detection_that_is_switched_on_late_keeps_to_the_grid() -> None:
    client = Client(detector=lambda: Hears((0, 10)))
    client.manual()
    client.append(bytes(1536 * 10 + 768))

    client.configure(turn_detection={"type": "server_vad", "prefix_padding_ms": 0})
    client.append(SILENCE * 30)

    assert client.last(STARTED)["audio_start_ms"] == 320
    assert client.last(STOPPED)["audio_end_ms"] == (10 + 10 + 7) * 32


def test_manual_turns_forget_the_turn_under_way_and_keep_its_audio() -> None:
    client = hearing((5, 30))
    client.append(SILENCE * 20)

    client.manual()
    client.append(SILENCE * 30)
    client.send("input_audio_buffer.commit")

    assert client.all(STOPPED) == []
    assert client.last(COMMITTED)["item_id"] != client.last(STARTED)["item_id"]


def test_the_item_of_a_turn_gets_another_id_if_the_client_has_taken_it() -> None:
    client = hearing((5, 20))
    client.append(SILENCE * 15)
    taken = client.last(STARTED)["item_id"]
    item = {"id": taken, "type": "message", "role": "user", "content": []}
    client.send("conversation.item.create", item=item)

    client.append(SILENCE * 30)

    assert client.last(STOPPED)["item_id"] == taken
    assert client.last(COMMITTED)["item_id"] != taken


def test_nothing_is_answered_where_the_session_says_so() -> None:
    client = hearing((5, 20), turn_detection={"type": "server_vad", "create_response": False})

    client.append(SILENCE * 40)
    client.run()

    assert client.types[-1] == "conversation.item.done"


def test_silence_is_kept_for_a_while_only() -> None:
    client = hearing()
    for _ in range(40):
        client.append(bytes(48_000))

    client.send("input_audio_buffer.commit")
    client.send("conversation.item.retrieve", item_id=client.last(COMMITTED)["item_id"])

    part = client.last("conversation.item.retrieved")["item"]["content"][0]
    assert len(decode_base64(part["audio"])) == KEEP_SECONDS * 48_000


def test_a_buffer_that_is_full_says_so_until_it_is_cleared() -> None:
    client = Client()
    client.manual()
    client.forget()
    piece = bytes(8 << 20)
    for _ in range(MOST_BYTES // len(piece)):
        client.append(piece)
    assert client.events == []

    client.append(bytes(2))
    assert client.error["code"] == "input_audio_buffer_full"

    client.send("input_audio_buffer.clear")
    client.append(piece)
    assert client.types[-1] == "input_audio_buffer.cleared"


def test_semantic_turns_wait_longer() -> None:
    client = hearing((5, 20), turn_detection={"type": "semantic_vad", "eagerness": "high"})

    client.append(SILENCE * 60)

    assert client.last(STOPPED)["audio_end_ms"] == (20 + 16) * 32


# --- transcripts ----------------------------------------------------------------------------------------------

TRANSCRIPT = "conversation.item.input_audio_transcription"


def test_a_transcript_says_how_much_was_said() -> None:
    client = hearing((20, 60), transcription={"model": "any"})

    client.append(SILENCE * 80)
    client.run()

    completed = client.last(f"{TRANSCRIPT}.completed")
    assert completed["transcript"] == "[1.3 s of speech]"
    assert completed["usage"] == {"type": "duration", "seconds": 2}
    assert "".join(delta["delta"] for delta in client.all(f"{TRANSCRIPT}.delta")) == completed["transcript"]
    assert client.types.index(f"{TRANSCRIPT}.completed") > client.types.index("conversation.item.done")
    client.send("conversation.item.retrieve", item_id=completed["item_id"])
    part = client.last("conversation.item.retrieved")["item"]["content"][0]
    assert part["transcript"] == completed["transcript"]
    assert part["audio"]


def test_without_transcription_there_is_none() -> None:
    client = hearing((20, 60))

    client.append(SILENCE * 80)
    client.run()

    assert not [name for name in client.types if name.startswith(TRANSCRIPT)]


@pytest.mark.parametrize(("audio", "transcript"), [(noise(10), "[0.3 s of speech]"), (SILENCE * 10, "")])
def test_the_speech_of_a_manual_turn_is_what_is_louder_than_silence(audio: bytes, transcript: str) -> None:
    client = Client()
    client.configure(turn_detection=None, transcription={"model": "any"})
    client.append(SILENCE * 5 + audio + SILENCE * 5)

    client.send("input_audio_buffer.commit")
    client.run()

    assert client.last(f"{TRANSCRIPT}.completed")["transcript"] == transcript


# --- interruption ---------------------------------------------------------------------------------------------


def speaking_over_an_answer(**detection: object) -> Client:
    client = hearing((20, 60), turn_detection={"type": "server_vad", **detection})
    client.type("Tell me a long story about nothing at all, please.")
    client.send("response.create")
    client.run_for(0.2)
    client.forget()
    return client


def test_speech_interrupts_the_answer() -> None:
    client = speaking_over_an_answer()

    client.append(SILENCE * 40)

    done = client.last("response.done")["response"]
    assert client.types[0] == STARTED
    assert (done["status"], done["status_details"]) == ("cancelled", {"type": "cancelled", "reason": "turn_detected"})
    assert done["output"][0]["status"] == "incomplete"
    client.run()
    assert "rate_limits.updated" not in client.types


def test_speech_does_not_interrupt_where_the_session_says_so() -> None:
    client = speaking_over_an_answer(interrupt_response=False)

    client.append(SILENCE * 40)
    client.run()

    assert client.last("response.done")["response"]["status"] == "completed"


def test_a_turn_that_ends_during_an_answer_that_goes_on_is_not_answered() -> None:
    client = speaking_over_an_answer(interrupt_response=False)

    client.append(SILENCE * 80)

    assert client.error["code"] == "conversation_already_has_active_response"
    assert client.error["event_id"] is None


def test_an_answer_out_of_band_is_not_interrupted() -> None:
    client = hearing((20, 60))
    client.send("response.create", response={"conversation": "none", "input": []})
    client.run_for(0.05)

    client.append(SILENCE * 40)
    client.run()

    assert client.last("response.done")["response"]["status"] == "completed"


# --- idle times -----------------------------------------------------------------------------------------------

TIMEOUT = "input_audio_buffer.timeout_triggered"


def idle(*spans: tuple[int, int], **detection: object) -> Client:
    """A client that has had an answer, of a second, and has been silent since."""
    client = hearing(*spans, turn_detection={"type": "server_vad", "idle_timeout_ms": 5000, **detection})
    client.ask("Hello.")
    return client


def test_the_model_speaks_up_when_nobody_has_spoken_for_long_after_the_answer_was_heard() -> None:
    client = Client()
    client.configure(turn_detection={"type": "server_vad", "idle_timeout_ms": 5000}, transcription={"model": "any"})
    client.type("Hello.")
    client.send("response.create")
    client.run_to("response.done")
    done, heard = client.now, PCM16.seconds(len(client.speech))
    client.append(SILENCE * 200)

    triggered = client.run_to(TIMEOUT)

    assert client.now == pytest.approx(done + heard + 5.0, abs=1e-5)
    assert (triggered["audio_start_ms"], triggered["audio_end_ms"]) == (6400 - 5024, 6400)
    assert client.events[-4]["item"]["role"] == "system"
    client.run_to("response.done")
    assert client.last("response.output_audio_transcript.done")["transcript"] == "Are you still there?"
    completed = client.last(f"{TRANSCRIPT}.completed")
    assert (completed["transcript"], completed["usage"]["seconds"]) == ("", 0)
    assert completed["item_id"] == triggered["item_id"]


def test_speech_ends_the_wait() -> None:
    client = Client(detector=lambda: Hears((20, 900)))
    client.configure(turn_detection={"type": "server_vad", "idle_timeout_ms": 5000})
    client.type("Hello.")
    client.send("response.create")
    client.run_to("response.done")

    client.append(SILENCE * 30)
    client.run()

    assert TIMEOUT not in client.types


def test_nobody_is_idle_while_they_speak_over_an_answer_that_goes_on() -> None:
    client = Client(detector=lambda: Hears((20, 900)))
    client.configure(turn_detection={"type": "server_vad", "idle_timeout_ms": 1, "interrupt_response": False})
    client.type("Hello.")
    client.send("response.create")
    client.run_for(0.1)
    client.append(SILENCE * 30)

    client.run()

    assert "response.done" in client.types
    assert TIMEOUT not in client.types


def test_without_an_idle_timeout_nobody_waits() -> None:
    client = Client()
    client.configure(turn_detection={"type": "server_vad", "idle_timeout_ms": 5000})
    client.type("Hello.")
    client.send("response.create")
    client.run_to("rate_limits.updated")

    client.configure(turn_detection={"type": "server_vad", "idle_timeout_ms": None})
    client.run()

    assert TIMEOUT not in client.types


def test_an_answer_out_of_band_does_not_end_the_wait() -> None:
    client = Client()
    client.configure(turn_detection={"type": "server_vad", "idle_timeout_ms": 5000})
    client.type("Hello.")
    client.send("response.create")
    client.run_to("rate_limits.updated")

    client.send("response.create", response={"conversation": "none", "input": []})

    assert client.run_to(TIMEOUT)["audio_end_ms"] == 0
