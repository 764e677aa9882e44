"""What an application says becomes parts of a message."""

import struct
from array import array
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from realtime_engine.audio import PCM16, PCMU, AudioFormat, decode_base64, encode_base64
from realtime_engine.content import Image, parts_of, pcm
from realtime_engine.errors import UsageError
from realtime_engine.objects import ContentPart

PNG = b"\x89PNG\r\n\x1a\n and so on"


def parts(*content: Any, role: str = "user", audio: AudioFormat = PCM16) -> list[ContentPart]:
    return parts_of(content, role=role, format=audio)


def sound_of(part: ContentPart) -> bytes:
    assert isinstance(part.audio, str)
    return decode_base64(part.audio)


def test_a_text_is_input_and_what_an_assistant_has_said_is_output() -> None:
    assert parts("Hello") == [ContentPart(type="input_text", text="Hello")]
    assert parts("Hello", role="system") == [ContentPart(type="input_text", text="Hello")]
    assert parts("Hello", role="assistant") == [ContentPart(type="output_text", text="Hello")]


def test_sound_may_be_bytes_or_arrays_of_samples() -> None:
    samples = [0, 1, -1, 32767, -32768]
    raw = struct.pack("<5h", *samples)

    for sound in (raw, bytearray(raw), memoryview(raw), array("h", samples), np.array(samples, np.int16)):
        (part,) = parts(sound)
        assert (part.type, sound_of(part)) == ("input_audio", raw)


@pytest.mark.parametrize("sound", [array("f", [0.0, 0.5, -1.0, 2.0]), np.array([0.0, 0.5, -1.0, 2.0])])
def test_floating_point_samples_are_scaled_and_clipped(sound: Any) -> None:
    assert pcm(sound) == struct.pack("<4h", 0, 16384, -32768, 32767)


@pytest.mark.parametrize("sound", [np.array([0, 8031], np.int16), array("f", [0.0, 8031 / 32767])])
def test_samples_are_written_as_the_session_has_them_and_bytes_are_as_they_are(sound: Any) -> None:
    assert pcm(sound, PCMU) == sound_of(parts(sound, audio=PCMU)[0]) == b"\xff\xa0"
    assert pcm(b"\1\2\3", PCMU) == b"\1\2\3"


def test_half_a_sample_at_the_end_is_no_sound() -> None:
    assert sound_of(parts(b"\1\0\2")[0]) == b"\1\0"
    assert sound_of(parts({"type": "input_audio", "audio": encode_base64(b"\1\0\2").decode()})[0]) == b"\1\0"
    assert sound_of(parts(b"\1\0\2", audio=PCMU)[0]) == b"\1\0\2"


def test_a_part_may_be_given_as_the_protocol_has_it() -> None:
    given = {"type": "input_image", "image_url": "data:image/png;base64,AAAA", "detail": "low"}

    assert parts(given, {"type": "input_audio", "audio": array("h", [1])}) == [
        ContentPart(type="input_image", image_url="data:image/png;base64,AAAA", detail="low"),
        ContentPart(type="input_audio", audio="AQA="),
    ]


def test_a_picture_is_a_data_uri() -> None:
    (part,) = parts(Image(PNG))
    assert part.image_url == f"data:image/png;base64,{encode_base64(PNG).decode()}"
    assert (part.type, part.detail, part.text) == ("input_image", "auto", UNSET)

    assert Image(b"\xff\xd8\xff\xe0").url.startswith("data:image/jpeg;base64,")
    assert parts(Image("data:image/png;base64,AA", detail="high"))[0].detail == "high"


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ((), "a message says something"),
        ((Image(b"GIF89a"),), "a picture is a PNG or JPEG file"),
        ((7,), "sound is bytes, or an array of samples, not int"),
        ((np.zeros((2, 2), np.int16),), "sound is mono: an array of one dimension, not 2"),
        ((array("i", [1]),), "not of the format 'i'"),
        ((np.array([1], ">i2"),), "not of the format '>h'"),
        (({"type": "input_audio", "audio": "no base64!"},), "the audio of a part that is text is base64"),
        (({"text": "Hello"},), "a part of a message cannot be said: "),
        (({"type": "input_audio", "audio": 7},), "sound is bytes"),
    ],
)
def test_what_cannot_be_said_is_the_applications_mistake(content: Any, problem: str) -> None:
    with pytest.raises(UsageError) as raised:
        parts(*content)
    assert problem in str(raised.value)


@given(st.binary(max_size=50))
def test_bytes_arrive_as_they_are_but_for_half_a_sample(sound: bytes) -> None:
    assert sound_of(parts(sound)[0]) == sound[: len(sound) // 2 * 2]
