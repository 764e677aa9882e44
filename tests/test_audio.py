import base64
import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime_engine.audio import (
    PCM16,
    PCMA,
    PCMU,
    AudioFormat,
    base64_size,
    decode_base64,
    encode_base64,
    microseconds,
    whole_microseconds_after,
)

FORMATS = st.sampled_from([PCM16, PCMU, PCMA])


@pytest.mark.parametrize(
    ("format", "sample_rate", "sample_bytes", "bytes_per_ms", "silence"),
    [(PCM16, 24_000, 2, 48, b"\x00"), (PCMU, 8_000, 1, 8, b"\xff"), (PCMA, 8_000, 1, 8, b"\xd5")],
)
def test_a_format_knows_its_figures(
    format: AudioFormat, sample_rate: int, sample_bytes: int, bytes_per_ms: int, silence: bytes
) -> None:
    assert (format.sample_rate, format.sample_bytes) == (sample_rate, sample_bytes)
    assert format.bytes_per_ms == bytes_per_ms
    assert format.silence(0.001) == silence * bytes_per_ms


@given(FORMATS, st.integers(0, 10**9))
def test_milliseconds_and_bytes_are_two_names_for_one_length(format: AudioFormat, ms: int) -> None:
    size = ms * format.bytes_per_ms

    assert format.ms(size) == ms
    assert format.seconds(size) == pytest.approx(ms / 1000)
    assert format.size(ms / 1000) == size


@given(FORMATS, st.floats(0, 1e6))
def test_a_length_in_bytes_is_whole_samples_and_never_too_long(format: AudioFormat, seconds: float) -> None:
    size = format.size(seconds)

    assert size % format.sample_bytes == 0
    assert format.seconds(size) <= seconds + 1e-6
    assert seconds - format.seconds(size) < 1.001 / format.sample_rate


@given(st.integers(0, 10**12))
def test_a_time_in_microseconds_survives_being_written_down(number: int) -> None:
    at = microseconds(number / 1e6)

    assert microseconds(at) == at
    assert float(f"{at:.6f}") == at


@given(st.floats(0, 1e6))
def test_a_timer_fires_at_the_first_whole_microsecond_that_is_not_early(due: float) -> None:
    at = whole_microseconds_after(due)

    assert at >= due
    assert at - due < 1.001e-6
    assert microseconds(at) == at


def test_what_is_never_stays_never() -> None:
    assert microseconds(math.inf) == math.inf


def test_a_timer_that_is_never_due_never_fires() -> None:
    assert whole_microseconds_after(math.inf) == math.inf


@given(st.binary(max_size=1000))
def test_base64_is_the_standard_one(audio: bytes) -> None:
    text = encode_base64(audio)

    assert text == base64.b64encode(audio)
    assert decode_base64(text) == decode_base64(text.decode()) == audio


@given(st.binary(max_size=1000))
def test_the_size_of_audio_is_known_without_decoding_it(audio: bytes) -> None:
    text = b'"%b"' % encode_base64(audio)

    assert base64_size(text) == len(audio)
    assert base64_size(text.replace(b"/", b"\\/")) == len(audio)  # as PHP and others write it


@pytest.mark.parametrize("text", [b"", b"7", b"null", b"true", b"[]", b'""', b'"A"'])
def test_what_is_no_text_of_base64_has_no_size(text: bytes) -> None:
    assert base64_size(text) == 0


def test_a_text_with_a_broken_escape_is_refused() -> None:
    with pytest.raises(msgspec.DecodeError):
        base64_size(b'"AA\\q="')


@pytest.mark.parametrize("text", ["AAA", "AA A", "AA-_", "AAAA====", "AAAA\n", "é", "AA=A"])
def test_text_that_is_not_base64_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        decode_base64(text)
