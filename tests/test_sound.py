import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime_engine.audio import PCM16, PCMA, PCMU, AudioFormat
from realtime_engine.sound import (
    Quality,
    Resampler,
    Samples,
    decode,
    encode,
    from_pcm16,
    resample,
    rms,
    to_pcm16,
)

FULL_SCALE = 32768
ALL_CODES = bytes(range(256))


def sine(hertz: float, rate: int, seconds: float = 1.0, peak: float = 0.5) -> Samples:
    t = np.arange(int(rate * seconds)) / rate
    return (peak * np.sin(2 * math.pi * hertz * t)).astype(np.float32)


def values(audio: bytes, format: AudioFormat) -> list[int]:
    return [int(value) for value in decode(audio, format) * FULL_SCALE]


# --- PCM16 --------------------------------------------------------------------------------------------------


@given(st.binary(max_size=2000).filter(lambda pcm: len(pcm) % 2 == 0))
def test_pcm16_survives_as_samples(pcm: bytes) -> None:
    samples = from_pcm16(pcm)

    assert to_pcm16(samples) == pcm
    assert encode(decode(pcm, PCM16), PCM16) == pcm


def test_pcm16_is_little_endian_and_rounded_and_clipped() -> None:
    samples = np.array([0.0, 1 / FULL_SCALE, 1.6 / FULL_SCALE, 2.0, -2.0], np.float32)

    assert to_pcm16(samples) == bytes.fromhex("0000 0100 0200 ff7f 0080")


def test_half_a_sample_is_refused() -> None:
    with pytest.raises(ValueError, match="element size"):
        from_pcm16(b"abc")


# --- G.711 --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("format", "first", "decoded"),
    [
        (PCMU, 0x00, [-32124, -31100, -30076, -29052, -28028, -27004, -25980, -24956]),
        (PCMU, 0x6F, [-132, -120, -112, -104, -96, -88, -80, -72]),
        (PCMU, 0xF8, [56, 48, 40, 32, 24, 16, 8, 0]),
        (PCMA, 0x00, [-5504, -5248, -6016, -5760, -4480, -4224, -4992, -4736]),
        (PCMA, 0x2A, [-32256]),
        (PCMA, 0x50, [-88, -72, -120, -104, -24, -8, -56, -40]),
        (PCMA, 0xD0, [88, 72, 120, 104, 24, 8, 56, 40]),
    ],
)
def test_g711_is_decoded_by_the_tables_of_the_recommendation(
    format: AudioFormat, first: int, decoded: list[int]
) -> None:
    assert values(bytes(range(first, first + len(decoded))), format) == decoded


MILLIWATT = {  # one period of 1 kHz at 0 dBm0 (ITU-T G.711, tables 5 and 6)
    PCMU: ("1e0b0b1e9e8b8b9e", [-8828, -20860, -20860, -8828, 8828, 20860, 20860, 8828]),
    PCMA: ("34212134b4a1a1b4", [-8960, -20992, -20992, -8960, 8960, 20992, 20992, 8960]),
}


@pytest.mark.parametrize("format", [PCMU, PCMA])
def test_the_digital_milliwatt_is_read_and_written(format: AudioFormat) -> None:
    codes, wave = MILLIWATT[format]

    assert values(bytes.fromhex(codes), format) == wave
    assert encode(np.array(wave, np.float32) / np.float32(FULL_SCALE), format).hex() == codes


@pytest.mark.parametrize("format", [PCMU, PCMA])
def test_every_sample_gets_the_nearest_code(format: AudioFormat) -> None:
    samples = np.arange(-FULL_SCALE, FULL_SCALE).astype(np.float32) / np.float32(FULL_SCALE)
    levels = np.unique(decode(ALL_CODES, format))

    got = decode(encode(samples, format), format)

    nearest = np.array([np.abs(levels - sample).min() for sample in samples[::7]])
    np.testing.assert_array_equal(np.abs(got - samples)[::7], nearest)


@pytest.mark.parametrize("format", [PCMU, PCMA])
def test_a_code_survives_decoding(format: AudioFormat) -> None:
    again = encode(decode(ALL_CODES, format), format)

    changed = {hex(code) for code in range(256) if again[code] != code}
    assert changed == ({"0x7f"} if format is PCMU else set())  # mu-law has a zero of either sign


@pytest.mark.parametrize("format", [PCM16, PCMU, PCMA])
def test_silence_is_made_of_the_silent_byte(format: AudioFormat) -> None:
    assert encode(np.zeros(8, np.float32), format) == format.silent_byte * 8 * format.sample_bytes
    assert rms(decode(format.silence(0.1), format)) < 0.0003  # A-law has no zero: its least step


# --- levels and rates ---------------------------------------------------------------------------------------


def test_the_level_of_a_full_sine_is_three_decibels_down() -> None:
    assert rms(sine(1000, 24_000, peak=1.0)) == pytest.approx(math.sqrt(0.5), rel=1e-4)
    assert rms(np.zeros(0, np.float32)) == 0.0


@pytest.mark.parametrize(("from_rate", "to_rate"), [(44_100, 24_000), (8_000, 24_000), (24_000, 16_000)])
def test_a_tone_keeps_its_length_pitch_and_level(from_rate: int, to_rate: int) -> None:
    got = resample(sine(1000, from_rate), from_rate, to_rate)

    expected = sine(1000, to_rate)
    assert abs(len(got) - len(expected)) <= 1
    middle = slice(to_rate // 10, -to_rate // 10)  # the filter rings at the edges
    np.testing.assert_allclose(got[middle], expected[middle][: len(got[middle])], atol=1e-3)


@given(
    st.sampled_from([(44_100, 24_000), (8_000, 24_000), (24_000, 16_000), (24_000, 24_000)]),
    st.lists(st.integers(0, 4800), max_size=10),
)
def test_resampling_gives_the_same_samples_however_the_input_is_cut(rates: tuple[int, int], cuts: list[int]) -> None:
    whole = sine(440, rates[0], seconds=0.1)
    resampler = Resampler(*rates)

    pieces = [resampler.feed(piece) for piece in np.split(whole, sorted(min(cut, len(whole)) for cut in cuts))]
    pieces.append(resampler.feed(np.zeros(0, np.float32), last=True))

    np.testing.assert_array_equal(np.concatenate(pieces), resample(whole, *rates))


def test_at_the_same_rate_samples_pass_untouched() -> None:
    samples = sine(440, 24_000)

    assert Resampler(24_000, 24_000).feed(samples) is samples


@pytest.mark.parametrize(("quality", "most_ms"), [("HQ", 40), ("LQ", 21), ("QQ", 1)])
@pytest.mark.parametrize(
    ("from_rate", "to_rate"), [(24_000, 44_100), (48_000, 24_000), (16_000, 24_000), (8_000, 16_000)]
)
def test_how_much_a_resampler_holds_back_depends_on_its_quality(
    quality: Quality, most_ms: int, from_rate: int, to_rate: int
) -> None:
    resampler, given, held_back = Resampler(from_rate, to_rate, quality=quality), 0, 0.0
    for chunks in range(1, 101):
        given += resampler.feed(np.zeros(from_rate // 100, np.float32)).size
        held_back = max(held_back, chunks * 10 - given * 1000 / to_rate)

    assert held_back <= (3 if from_rate == 8_000 else 1) * most_ms
