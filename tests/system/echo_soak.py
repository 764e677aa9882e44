"""The model's own voice in the microphone, at -10 dB: ``python -m tests.system.echo_soak [SECONDS]``, in ``make soak``.

Five minutes of conversation: the model speaks for a minute, and must not hear itself; then the person interrupts it,
and must get through. A person speaks again where the way has just stumbled and the microphone was closed.
"""

import os
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import numpy as np
import soundfile

from realtime_engine.sound import Samples, resample
from tests.soundcard import RATE, open_card
from tests.system.test_device import JFK, Talk, chatter, talk

SECONDS: Final = 300.0
SPEAKS_FOR: Final = 60.0  # seconds
TRIES: Final = 10


def cuts(talking: Talk) -> int:
    """How often an answer was cut so far."""
    return talking.said.count("[interrupted after")


def main(seconds: float = SECONDS) -> int:
    """Talk so long. Exit status 1: the model has heard itself, or the person was not heard."""
    sound, rate = soundfile.read(JFK, dtype="float32", always_2d=True)
    speech: Samples = resample(sound[: int(2.3 * rate), 0], rate, RATE)
    question = np.concatenate([speech, np.zeros(RATE, np.float32)])
    with open_card() as card, TemporaryDirectory() as name:
        folder = Path(name)
        script = chatter(folder, SPEAKS_FOR * 2)
        card.feed_back(-10)
        heard_itself, unheard, tries = 0, 0, list[int]()
        with talk(card, folder, "--script", script, "--echo", "cancel") as talking:
            talking.wait_for("speak; Ctrl-C ends the conversation")
            card.speak(question)
            talking.wait_for("you ")
            until = time.monotonic() + seconds
            while (left := until - time.monotonic()) > 0:
                before = cuts(talking)
                time.sleep(min(SPEAKS_FOR, left))
                heard_itself += cuts(talking) - before
                before, tried = cuts(talking), 0
                while cuts(talking) == before and tried < TRIES:
                    card.speak(question)
                    tried += 1
                tries.append(tried)
                unheard += cuts(talking) == before
            talking.end()
            said = talking.said
            print(said)
    print(f"{seconds:.0f} s: it has interrupted itself {heard_itself} times; the person got through at try {tries}")
    print(
        f"paused for nothing: {said.count('that was no speech')} times; opened anew: {said.count('opened anew')} times"
    )
    print(f"load of the computer: {os.getloadavg()[0]:.1f}")
    return 1 if heard_itself or unheard else 0


if __name__ == "__main__":
    sys.exit(main(*map(float, sys.argv[1:])))
