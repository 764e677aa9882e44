from typing import Final

import msgspec
import pytest
from msgspec import UNSET

from realtime_engine.audio import PCM16, PCMA, PCMU, AudioFormat
from realtime_engine.events import ResponseDone, SessionCreated, decode
from realtime_engine.objects import Item, Response, SessionConfig, StatusDetails, TurnDetection, Usage, text
from tests.sessions import FOLDER, frames, read


def ended(*vendors: str) -> list[ResponseDone]:
    events = [decode(frame.raw) for frame in frames(*vendors)]
    return [event for event in events if isinstance(event, ResponseDone)]


def responses(*vendors: str) -> list[Response]:
    return [event.response for event in ended(*vendors)]


def test_the_session_of_the_hosted_service_is_read() -> None:
    first = next(read(FOLDER / "openai" / "text_in_audio_out_turn.jsonl"))
    event = decode(first.raw)

    assert isinstance(event, SessionCreated)
    assert event.session.type == "realtime"
    assert event.session.input_format == event.session.output_format == PCM16
    assert event.session.turn_detection == TurnDetection(
        type="server_vad", prefix_padding_ms=300, silence_duration_ms=200
    )


@pytest.mark.parametrize(
    ("written", "format"),
    [
        (b'{"type":"audio/pcm","rate":24000}', PCM16),
        (b'{"type":"audio/pcmu"}', PCMU),
        (b'{"type":"audio/pcma"}', PCMA),
    ],
)
def test_a_format_is_read_and_written_as_the_protocol_names_it(written: bytes, format: AudioFormat) -> None:
    assert msgspec.json.decode(written, type=AudioFormat) == format
    assert msgspec.json.encode(format) == written


def session(written: bytes) -> SessionConfig:
    return msgspec.json.decode(written, type=SessionConfig)


def test_manual_turns_are_told_from_turns_that_are_not_mentioned() -> None:
    assert session(b'{"audio":{"input":{"turn_detection":null}}}').turn_detection is None
    assert session(b'{"audio":{"input":{}}}').turn_detection is UNSET


@pytest.mark.parametrize("written", [b"{}", b'{"audio":{}}', b'{"audio":{"input":{},"output":{}}}'])
def test_a_session_that_does_not_mention_audio_says_nothing_about_it(written: bytes) -> None:
    config = session(written)

    assert (config.turn_detection, config.input_format, config.output_format) == (UNSET, UNSET, UNSET)


def test_each_direction_has_a_format_of_its_own() -> None:
    config = session(b'{"audio":{"input":{"format":{"type":"audio/pcmu"}},"output":{"format":{"type":"audio/pcma"}}}}')

    assert (config.input_format, config.output_format) == (PCMU, PCMA)


def test_an_optional_text_is_a_text() -> None:
    assert [text("a"), text(None), text(UNSET)] == ["a", "", ""]


def test_the_usage_of_every_recorded_response_adds_up() -> None:
    usages = [response.usage for response in responses("openai", "azure") if response.usage]

    assert len(usages) == 23
    for usage in usages:
        assert isinstance(usage, Usage)
        assert usage.total_tokens == usage.input_tokens + usage.output_tokens


def test_what_a_response_has_used_is_known_also_where_it_is_said_beside_the_response() -> None:
    assert [event.response.usage for event in ended("xai")] == [Usage()] * 4
    assert sorted(event.used.total_tokens for event in ended("xai") if event.used) == [47, 47, 341, 384]
    assert [event.used for event in ended("openai")] == [response.usage or None for response in responses("openai")]


def test_a_response_says_why_it_did_not_complete() -> None:
    details = {
        response.status: response.status_details
        for response in responses("openai")
        if isinstance(response.status_details, StatusDetails)
    }

    assert details["cancelled"] == StatusDetails(type="cancelled", reason="turn_detected")
    failed = details["failed"]
    assert failed.type == "failed"
    assert failed.error
    assert failed.error.code


ITEM: Final = b'{"id":"i","type":"message","role":"user","content":[{"type":"hologram","depth":3}],"mood":"good"}'


def test_an_item_with_unknown_fields_and_content_is_read_as_far_as_it_is_known() -> None:
    item = msgspec.json.decode(ITEM, type=Item)

    assert (item.id, item.role, item.status) == ("i", "user", UNSET)
    assert item.content
    assert item.content[0].type == "hologram"


@pytest.mark.parametrize(
    ("audio", "transcribes"),
    [
        ("", False),
        (',"audio":{"input":{}}', False),
        (',"audio":{"input":{"transcription":null}}', False),
        (',"audio":{"input":{"transcription":{"model":"whisper-1"}}}', True),
    ],
)
def test_a_session_tells_whether_what_the_user_says_is_written_down(audio: str, transcribes: bool) -> None:
    event = decode(b'{"type":"session.created","session":{"type":"realtime"%b}}' % audio.encode())

    assert isinstance(event, SessionCreated)
    assert event.session.transcribes is transcribes
