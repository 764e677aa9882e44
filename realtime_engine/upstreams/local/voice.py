"""The two voices of the embedded model: espeak-ng, and without it a short tone a word.

Both are functions of their arguments alone: the same text sounds the same, sample for sample. They are outside of
the machine, which is given one of them and has it called as `realtime_engine.machine.Work`.
"""

import subprocess
import sys
from hashlib import blake2b
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import numpy as np

from realtime_engine.sound import Samples, from_pcm16, resample, to_pcm16

RATE: Final = 24_000
WORDS_A_MINUTE: Final = 175  # at speed 1.0, espeak-ng's own default
SLOWEST: Final = 80  # words a minute: espeak-ng speaks no slower
SEED: Final = 1  # of what espeak-ng leaves to chance
TIMEOUT: Final = 30.0  # seconds for an utterance that takes milliseconds

ESPEAK_VOICES: Final = {
    "alloy": "en-us+f3",
    "ash": "en-us+m1",
    "ballad": "en-us+m2",
    "cedar": "en-us+m7",
    "coral": "en-us+f2",
    "echo": "en-us+m3",
    "marin": "en-us+f4",
    "sage": "en-us+f1",
    "shimmer": "en-us+f5",
    "verse": "en-us+m4",
}
"""The protocol's voices, and what espeak-ng has that may pass for them. Any other voice sounds like the first."""


def can_speak() -> bool:
    """Whether the extra ``speech`` is installed."""
    return find_spec("espeakng_loader") is not None


def espeak(text: str, voice: str, speed: float) -> bytes:
    """Speak with espeak-ng: PCM16, 24 kHz.

    Raises:
        RuntimeError: It cannot; the message says why.
        subprocess.TimeoutExpired: It takes longer than `TIMEOUT`.
    """
    import espeakng_loader

    from realtime_engine.upstreams.local import espeak as program

    command = [
        sys.executable,
        "-I",
        str(program.__file__),
        espeakng_loader.get_library_path(),
        str(Path(espeakng_loader.get_data_path()).parent),
        ESPEAK_VOICES.get(voice, ESPEAK_VOICES["alloy"]),
        str(max(SLOWEST, round(WORDS_A_MINUTE * speed))),
        str(SEED),
    ]
    child = subprocess.run(  # noqa: S603 - our own program, and arguments that are not the peer's
        command, input=text.encode(errors="replace"), capture_output=True, timeout=TIMEOUT, check=False
    )
    if child.returncode != 0:
        raise RuntimeError(child.stderr.decode(errors="replace").strip().rpartition("\n")[2])
    rate, _, pcm = child.stdout.partition(b"\n")
    return to_pcm16(resample(from_pcm16(pcm), int(rate), RATE))


def tones(text: str, voice: str, speed: float) -> bytes:  # noqa: ARG001 - a tone has no voice
    """A tone a word, as high as the word decides and as long as the word is: PCM16, 24 kHz."""
    sounds = [_tone(word, speed) for word in text.split()]
    return to_pcm16(np.concatenate(sounds)) if sounds else b""


_SCALE: Final = (262.0, 294.0, 330.0, 392.0, 440.0, 523.0, 587.0, 659.0)  # Hz, pentatonic: no two sound wrong together
_LOUDNESS: Final = 0.2
_FADE: Final = 240  # samples, 10 ms


def _tone(word: str, speed: float) -> Samples:
    """A word of n letters lasts 80 + 30 n ms, and 50 ms of silence follow."""
    digest = blake2b(word.encode(errors="replace"), digest_size=1).digest()
    size = int(RATE * (0.08 + 0.03 * len(word)) / speed)
    wave = np.sin(np.arange(size) * (2 * np.pi * _SCALE[digest[0] % len(_SCALE)] / RATE)) * _LOUDNESS
    ramp = np.minimum(1.0, np.minimum(np.arange(size), np.arange(size)[::-1]) / _FADE)
    return np.concatenate((wave * ramp, np.zeros(int(RATE * 0.05 / speed)))).astype(np.float32)
