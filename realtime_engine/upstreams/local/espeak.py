"""Speak one text with espeak-ng, in a process of its own: text on standard input, PCM16 on standard output.

espeak-ng keeps state between utterances and takes its seed from the time of day, so only a fresh process with a seed of
its own says the same text the same way twice. This file is run by its path and imports nothing but the standard
library, so that the process starts quickly.

Arguments: the library, the folder that holds ``espeak-ng-data``, a voice, words a minute, a seed. The first line of
output is the sample rate.
"""

import ctypes
import sys
from pathlib import Path
from typing import Final

_SYNCHRONOUS: Final = 2  # speak_lib.h: AUDIO_OUTPUT_SYNCHRONOUS, and so on
_DONT_EXIT: Final = 0x8000
_RATE: Final = 1
_UTF8: Final = 1
_CALLBACK: Final = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)


def speak(library: Path, data: Path, voice: str, words_a_minute: int, seed: int, text: str) -> tuple[int, bytes]:
    """Speak a text.

    Returns:
        The sample rate, and PCM16 in this machine's byte order.

    Raises:
        OSError: The library, its data or the voice cannot be loaded.
    """
    espeak = ctypes.CDLL(str(library))
    rate: int = espeak.espeak_Initialize(_SYNCHRONOUS, 0, str(data).encode(), _DONT_EXIT)
    if rate <= 0:
        raise OSError(f"espeak-ng finds no data in {data}")
    espeak.espeak_ng_SetRandSeed(ctypes.c_long(seed))
    audio = bytearray()

    def keep(samples: object, count: int, _events: object) -> int:
        if count > 0:
            audio.extend(ctypes.string_at(samples, count * 2))  # type: ignore[arg-type]  # a pointer, as declared
        return 0

    callback = _CALLBACK(keep)  # must live as long as espeak-ng may call it
    espeak.espeak_SetSynthCallback(callback)
    if espeak.espeak_SetVoiceByName(voice.encode()) != 0:
        raise OSError(f"espeak-ng has no voice {voice!r}")
    espeak.espeak_SetParameter(_RATE, words_a_minute, 0)
    spoken = text.replace("\0", " ").encode(errors="replace")
    espeak.espeak_Synth(spoken, len(spoken) + 1, 0, 0, 0, _UTF8, None, None)
    espeak.espeak_Synchronize()
    return rate, bytes(audio)


if __name__ == "__main__":
    library, data, voice, words_a_minute, seed = sys.argv[1:]
    text = sys.stdin.buffer.read().decode()
    rate, audio = speak(Path(library), Path(data), voice, int(words_a_minute), int(seed), text)
    sys.stdout.buffer.write(b"%d\n" % rate + audio)
