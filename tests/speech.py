"""Make speech for a test: ``python -m tests.speech "What time is it?" question.wav``.

It speaks with espeak-ng as the embedded model does: the same text gives the same samples every time.
"""

import argparse
from pathlib import Path
from typing import Final

import soundfile

from realtime_engine.sound import from_pcm16
from realtime_engine.upstreams.local.voice import ESPEAK_VOICES, RATE, espeak

VOICE: Final = "marin"


def write_speech(path: Path, text: str, *, voice: str = VOICE, speed: float = 1.0, pause: float = 0.5) -> None:
    """Write a text as speech: 24 kHz, mono, with a pause before and after it.

    Args:
        path: The file; its ending decides the format, anything libsndfile writes.
        text: What is said.
        voice: One of the protocol's voices.
        speed: 1.0 is 175 words a minute.
        pause: Seconds of silence at either end.
    """
    silence = bytes(int(RATE * pause) * 2)
    soundfile.write(path, from_pcm16(silence + espeak(text, voice, speed) + silence), RATE)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.speech", description="Write a text as speech.")
    parser.add_argument("text")
    parser.add_argument("path", type=Path)
    parser.add_argument("--voice", choices=sorted(ESPEAK_VOICES), default=VOICE)
    parser.add_argument("--speed", type=float, default=1.0)
    given = parser.parse_args()
    write_speech(given.path, given.text, voice=given.voice, speed=given.speed)


if __name__ == "__main__":
    main()
