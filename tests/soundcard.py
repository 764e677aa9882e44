"""A sound card that is not there: PulseAudio in a private folder, with a speaker and a microphone of its own.

What `VirtualCard.speak` plays comes out of the microphone; what the speaker plays, `VirtualCard.hear` keeps.
"""

import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from realtime_engine.sound import Samples, from_pcm16, to_pcm16

RATE: Final = 24_000
WITHIN: Final = 60.0  # seconds, for what takes a moment on an idle computer

_CARD: Final = """
load-module module-null-sink sink_name=speaker rate=48000 channels=1 format=s16le norewinds=1
load-module module-null-sink sink_name=micfeed rate=48000 channels=1 format=s16le norewinds=1
load-module module-remap-source source_name=mic master=micfeed.monitor
set-default-sink speaker
set-default-source mic
load-module module-native-protocol-unix socket={folder}/native auth-anonymous=1
"""  # whoever can connect finds the card complete
_ALSA: Final = """
</usr/share/alsa/alsa.conf>
pcm.!default {{ type pulse server "unix:{folder}/native" hint.description "virtual" }}
ctl.!default {{ type pulse server "unix:{folder}/native" }}
"""
_PULSE: Final = (  # left alone by a test that was killed, it ends by itself
    *("pulseaudio", "-n", "--daemonize=no", "--exit-idle-time=120", "--use-pid-file=no"),
    *("--realtime=no", "--high-priority=no", "--log-target=stderr"),
)
RAW: Final = ("--raw", f"--rate={RATE}", "--channels=1", "--format=s16le")


class VirtualCard:
    """A card that works; made by `open_card`.

    Attributes:
        env: The environment in which a process finds it, and no other.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._speaker = "speaker"
        own = {"PULSE_SERVER": f"unix:{folder}/native", "PULSE_COOKIE": f"{folder}/cookie", "HOME": str(folder)}
        self.env: Mapping[str, str] = {
            **os.environ, **own, "ALSA_CONFIG_PATH": f"{folder}/asound.conf", "PULSE_RUNTIME_PATH": str(folder)
        }  # fmt: skip

    def speak(self, speech: Samples) -> None:
        """Play into the microphone; returns when all is said."""
        self._run("pacat", "--playback", "--device=micfeed", *RAW, sound=to_pcm16(speech))

    @contextmanager
    def hear(self) -> Iterator[Callable[[], Samples]]:
        """What the speaker plays from now on, as far as it has come whenever that is asked."""
        file = self._folder / "heard.raw"
        with file.open("wb") as sound:
            ear = subprocess.Popen(
                ["parec", f"--device={self._speaker}.monitor", "--latency-msec=20", *RAW],
                stdout=sound,
                env=self.env,
            )
        try:
            wait_for(lambda: file.stat().st_size > 0, "the ear")
            yield lambda: from_pcm16(whole(file.read_bytes()))
        finally:
            end(ear)
            file.unlink()

    def feed_back(self, decibels: int) -> None:
        """Let the microphone hear the speaker, so much more softly, of whoever opens it from now on.

        By a speaker that is a part of the microphone, not by a way between the two: that would have a buffer of its own
        and stumble where the computer is busy, which no room does.
        """
        self._speaker = "room"
        self._run("pactl", "load-module", "module-remap-sink", "sink_name=room", "master=micfeed", "remix=no")
        self._run("pactl", "set-default-sink", self._speaker)
        (number,) = [
            line.split()[0] for line in self._run("pactl", "list", "short", "sink-inputs").decode().splitlines()
        ]
        self._run("pactl", "set-sink-input-volume", number, f"{decibels}dB")

    @property
    def in_use(self) -> bool:
        """Whether anybody plays or records."""
        streams = b"".join(self._run("pactl", "list", "short", kind) for kind in ("sink-inputs", "source-outputs"))
        return any(stream.split("\t")[2] != "-" for stream in streams.decode().splitlines())  # "-": the card's own

    def unplug(self) -> None:
        """Take the card out: who plays or records is thrown out."""
        for module in self._run("pactl", "list", "short", "modules").decode().splitlines():
            number, name, *_ = module.split()
            if name == "module-null-sink":
                self._run("pactl", "unload-module", number)

    def plug_in(self) -> None:
        """Put it back."""
        for line in _CARD.strip().splitlines()[:-1]:
            self._run("pactl", *line.split())

    def _run(self, *command: str, sound: bytes | None = None) -> bytes:
        return subprocess.run(
            command, input=sound, stdout=subprocess.PIPE, env=self.env, check=True, timeout=WITHIN
        ).stdout


@contextmanager
def open_card() -> Iterator[VirtualCard]:
    """A card for as long as the block lasts; nothing is left of it."""
    with TemporaryDirectory(prefix="card-") as name:  # a socket's path must be short
        folder = Path(name)
        (folder / "default.pa").write_text(_CARD.format(folder=folder))
        (folder / "asound.conf").write_text(_ALSA.format(folder=folder))
        card = VirtualCard(folder)
        with (folder / "log").open("wb") as log:
            pulse = subprocess.Popen(
                [*_PULSE, f"--file={folder}/default.pa"],
                env={**card.env, "PULSE_STATE_PATH": f"{folder}/state"},
                stderr=log,
            )
        try:
            wait_for(lambda: answers(folder / "native"), f"PulseAudio: {(folder / 'log').read_text()}")
            yield card
        finally:
            end(pulse)


def answers(path: Path) -> bool:
    """Whether somebody listens at a socket."""
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(path)) == 0


def wait_for(condition: Callable[[], bool], what: str) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + WITHIN
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within {WITHIN:.0f} s"
        time.sleep(0.02)


def end(process: subprocess.Popen[bytes]) -> None:
    """End a process that this file has begun."""
    process.terminate()
    try:
        process.wait(WITHIN)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(WITHIN)


def whole(pcm: bytes) -> bytes:
    """Without half a sample at the end."""
    return pcm[: len(pcm) & ~1]
