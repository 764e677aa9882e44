"""A spoken question, and the silence after it: PCM16 at 24 kHz, in pieces of 100 ms."""

import wave
from pathlib import Path

with wave.open(str(Path(__file__).parents[3] / "examples" / "question.wav")) as _file:
    _sound = _file.readframes(_file.getnframes()) + bytes(48_000)

QUESTION = [_sound[at : at + 4800] for at in range(0, len(_sound) - 4799, 4800)]
