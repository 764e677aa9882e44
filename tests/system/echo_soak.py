"""The model's own voice in the microphone, for minutes, on an idle computer: `make soak` runs it and tells.

    python -m tests.system.echo_soak SECONDS

The way from the speaker to the microphone stumbles where the computer is busy; so this is no test of every day.
"""

import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import soundfile

from realtime_engine.sound import Samples, resample
from tests.soundcard import RATE, open_card
from tests.system.test_device import JFK, talk


def main(seconds: float) -> int:
    """One long answer, fed back at -10 dB; then a real interruption. Exit status 1: the model has heard itself."""
    sound, rate = soundfile.read(JFK, dtype="float32", always_2d=True)
    speech: Samples = resample(sound[:, 0], rate, RATE)
    question = np.concatenate([speech[: int(2.3 * RATE)], np.zeros(RATE, np.float32)])
    with open_card() as card, TemporaryDirectory() as name:
        folder = Path(name)
        answer = speech[int(3.3 * RATE) :]
        times = int(seconds * RATE / answer.size) + 2
        soundfile.write(folder / "answer.wav", np.tile(answer, times), RATE, subtype="PCM_16")
        script = folder / "script.toml"
        script.write_text('[[reply]]\nplay = "answer.wav"\ntranscript = "Well"\n')
        card.feed_back(-10)
        with talk(card, folder, "--script", script, "--echo", "cancel") as talking:
            talking.wait_for("speak; Ctrl-C ends the conversation")
            card.speak(question)
            time.sleep(seconds)
            heard_itself = talking.said.count("interrupted")
            card.speak(question)
            talking.wait_for("[interrupted after")
            talking.end()
            print(talking.said)
    print(f"{seconds:.0f} s of its own voice have interrupted it {heard_itself} times; the person has")
    return 1 if heard_itself else 0


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1])))
