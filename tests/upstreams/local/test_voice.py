"""The two voices: the same text sounds the same."""

from pathlib import Path

import espeakng_loader
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime_engine.sound import from_pcm16, rms
from realtime_engine.upstreams.local import voice

SENTENCE = "The quick brown fox jumps over the lazy dog."


def seconds(pcm: bytes) -> float:
    return len(pcm) / 2 / voice.RATE


def test_espeak_speaks_a_sentence_in_about_the_time_a_person_takes() -> None:
    pcm = voice.espeak(SENTENCE, "alloy", 1.0)

    assert 2.0 < seconds(pcm) < 4.0
    assert rms(from_pcm16(pcm)) > 0.02


def test_espeak_says_the_same_text_the_same_way_every_time() -> None:
    assert len({voice.espeak(SENTENCE, "alloy", 1.0) for _ in range(3)}) == 1


def test_what_espeak_leaves_to_chance_is_left_to_a_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    usual = voice.espeak(SENTENCE, "alloy", 1.0)

    monkeypatch.setattr(voice, "SEED", 2)

    assert voice.espeak(SENTENCE, "alloy", 1.0) != usual


def test_every_voice_of_the_protocol_sounds_different() -> None:
    spoken = {name: voice.espeak("Hello.", name, 1.0) for name in voice.ESPEAK_VOICES}

    assert len(set(spoken.values())) == len(voice.ESPEAK_VOICES) == 10
    assert voice.espeak("Hello.", "voice_1234", 1.0) == spoken["alloy"]


def test_espeak_speaks_as_fast_as_it_is_told() -> None:
    slow, fast = (seconds(voice.espeak(SENTENCE, "alloy", speed)) for speed in (0.25, 1.5))

    assert slow > 2 * fast


@pytest.mark.parametrize("text", ["", " ", "\0", "\ud800", "日本語 ñ"])
def test_espeak_takes_any_text(text: str) -> None:
    assert len(voice.espeak(text, "alloy", 1.0)) % 2 == 0


def test_a_voice_that_cannot_speak_says_why(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(espeakng_loader, "get_data_path", lambda: str(tmp_path / "espeak-ng-data"))

    with pytest.raises(RuntimeError, match="finds no data"):
        voice.espeak("Hello.", "alloy", 1.0)


def test_a_voice_that_espeak_does_not_have_is_told_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(voice.ESPEAK_VOICES, "alloy", "nobody")

    with pytest.raises(RuntimeError, match="no voice 'nobody'"):
        voice.espeak("Hello.", "alloy", 1.0)


@given(st.text(max_size=40), st.floats(0.25, 1.5))
def test_tones_are_the_same_for_the_same_text(text: str, speed: float) -> None:
    pcm = voice.tones(text, "alloy", speed)

    assert pcm == voice.tones(text, "marin", speed)
    assert (len(pcm) > 0) is bool(text.split())


def test_longer_words_are_longer_tones_and_other_words_other_tones() -> None:
    assert seconds(voice.tones("abcdefgh", "alloy", 1.0)) > seconds(voice.tones("abc", "alloy", 1.0))
    assert len({voice.tones(word, "alloy", 1.0) for word in ("abc", "bcd", "cde", "def")}) > 1
    normal, slow = (seconds(voice.tones("abc abc", "alloy", speed)) for speed in (1.0, 0.5))
    assert slow == pytest.approx(2 * normal, abs=0.001)
