"""The embedded model: the server side of the Realtime protocol, with no key, no network and no understanding.

This module is light: what the model is made of is imported when somebody connects.
"""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from realtime_engine.errors import UsageError
from realtime_engine.plugins import ANYTHING, Wanted

if TYPE_CHECKING:
    from realtime_engine.machine import Machine
    from realtime_engine.upstreams.local.replies import Replier


@dataclass(frozen=True, slots=True)
class LocalOptions:
    """How the embedded model is.

    Attributes:
        script: A reply script (TOML): what to answer to what.
        reply_speed: Its speech comes so many times faster than it is spoken.
        speech: How it speaks: with espeak-ng, in short tones, or with espeak-ng where that is installed.
        seed: Another seed gives other ids; all else stays the same.
        model_name: What it calls itself, unless a client asks for a model by another name.
        expires_after: Seconds until a session expires; none: never.
    """

    script: Path | None = None
    reply_speed: float = 4.0
    speech: Literal["auto", "espeak", "tones"] = "auto"
    seed: int = 0
    model_name: str = "local"
    expires_after: float | None = None


class Local:
    """The plug-in: see `realtime_engine.plugins.MachineUpstream`.

    Raises:
        UsageError: An option is out of range, the script is broken, or espeak-ng is not installed.
    """

    Options: ClassVar[type] = LocalOptions
    name: str = "local"

    @staticmethod
    def check(options: LocalOptions) -> None:
        """See that no option is out of range.

        Raises:
            UsageError: One is.
        """
        if not options.reply_speed > 0:
            raise UsageError(f"--reply-speed must be more than 0, not {options.reply_speed}")
        if options.expires_after is not None and not 0 < options.expires_after < 1e9:
            raise UsageError(f"--expires-after must be more than 0 seconds, not {options.expires_after}")

    def __init__(self, options: LocalOptions) -> None:
        self.check(options)
        from realtime_engine.upstreams.local import voice

        if options.speech == "espeak" and not voice.can_speak():
            raise UsageError("--speech espeak needs the extra speech: from the checkout, pip install '.[speech]'")
        self._options = options
        speaks = options.speech != "tones" and voice.can_speak()
        self._voice = voice.espeak if speaks else voice.tones
        self._reply = _replier(options.script)
        self._connections = 0

    def connect(self, wanted: Wanted = ANYTHING) -> "Machine":
        """A new connection. The first, second, … of every `Local` with the same seed have the same ids."""
        from realtime_engine.upstreams.local.frames import Silero
        from realtime_engine.upstreams.local.ids import Ids
        from realtime_engine.upstreams.local.model import Model, Setting

        self._connections += 1
        return Model(
            Setting(
                detector=Silero,
                voice=self._voice,
                ids=Ids(f"{self._options.seed}/{self._connections}"),
                reply=self._reply,
                model=wanted.model or self._options.model_name,
                named=wanted.model is not None,
                transcription=wanted.transcription,
                pace=self._options.reply_speed,
                expires_after=self._options.expires_after,
                epoch=int(time.time()),
            )
        )


def _replier(script: Path | None) -> "Replier":
    """What decides the answers: a script's rules, or the parrot."""
    from realtime_engine.upstreams.local.replies import parrot
    from realtime_engine.upstreams.local.script import parse

    if script is None:
        return parrot
    try:
        text = script.read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(f"the reply script {script} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"the reply script {script} cannot be read: it is not UTF-8 text") from error
    return parse(text, str(script), lambda name: _sound(script.parent / name))


def _sound(path: Path) -> bytes:
    """A sound file as PCM16, 24 kHz, mixed down.

    Raises:
        OSError: It cannot be read.
        ValueError: It is no sound.
    """
    import soundfile

    from realtime_engine.sound import resample, to_pcm16

    try:
        with path.open("rb") as file:
            samples, rate = soundfile.read(file, dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise ValueError(str(error)) from error
    return to_pcm16(resample(samples.mean(axis=1), rate, 24_000))
