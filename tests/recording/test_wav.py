"""The headers are those that every program reads, and are understood again."""

import io

import pytest
import soundfile

from realtime_engine.audio import PCM16, PCMA, PCMU, AudioFormat
from realtime_engine.recording.wav import audio_start, is_pcm16, wav_header


@pytest.mark.parametrize(
    ("format", "subtype", "rate"), [(PCM16, "PCM_16", 24000), (PCMU, "ULAW", 8000), (PCMA, "ALAW", 8000)]
)
def test_a_header_says_the_format_and_the_size(format: AudioFormat, subtype: str, rate: int) -> None:
    audio = format.silence(0.5)
    header = wav_header(format, len(audio))

    info = soundfile.info(io.BytesIO(header + audio))

    assert (info.subtype, info.samplerate, info.channels, info.frames) == (subtype, rate, 1, rate // 2)
    assert audio_start((header + audio)[:64]) == len(header)
    assert is_pcm16(header) is (format is PCM16)


def test_a_header_is_as_long_for_any_size_and_at_its_limit_says_as_much_as_it_can() -> None:
    assert len(wav_header(PCMU, 0)) == len(wav_header(PCMU, 1 << 40))
    assert wav_header(PCM16, 1 << 40).endswith(b"data\xff\xff\xff\xff")


@pytest.mark.parametrize(
    "head", [b"", b"RIFF", b"RIFF1234WAVE", b"RIFF1234WAVEdata", b"FORM1234WAVEdata1234", b"RIFF1234AVI data1234"]
)
def test_other_files_are_refused(head: bytes) -> None:
    with pytest.raises(ValueError, match="no WAV"):
        audio_start(head)
