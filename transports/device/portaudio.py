"""PortAudio, as far as it is needed: which devices there are, and which one is meant.

It is loaded when somebody wants to hear something: `load`. What it says of failures is put into plain words here.
"""

import atexit
import ctypes
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import product
from types import ModuleType
from typing import Final, Literal, NamedTuple, TypeAlias

from realtime_engine.audio import PCM16
from realtime_engine.errors import UsageError

Kind: TypeAlias = Literal["input", "output"]

WORDS: Final[dict[Kind, str]] = {"input": "microphone", "output": "speaker"}
"""What a device is, as what it is used for."""

_STDERR: Final = 2
_LIST: Final = "`engine devices` lists what there is"


@dataclass(frozen=True, slots=True)
class SoundDevice:
    """A device, or a name by which the sound system gives the one that is chosen there.

    Attributes:
        index: Its number, which changes when devices come and go.
        name: What it is called.
        system: The sound system it belongs to: ALSA, Core Audio, Windows WASAPI, ...
        inputs: How many channels it records; 0: it is no microphone.
        outputs: How many channels it plays.
        rate: Its own sample rate.
        default_for: What it is used for where nobody names another.
    """

    index: int
    name: str
    system: str
    inputs: int
    outputs: int
    rate: int
    default_for: frozenset[Kind]

    def channels(self, kind: Kind) -> int:
        """How many channels it has."""
        return self.inputs if kind == "input" else self.outputs


def load() -> ModuleType:
    """The sounddevice package, with PortAudio behind it.

    Raises:
        UsageError: One of them is missing; the message says how it is installed.
    """
    try:
        import sounddevice
    except ModuleNotFoundError as error:
        raise UsageError("the sound card needs the extra device: from the checkout, pip install '.[device]'") from error
    except OSError as error:
        raise UsageError(
            "the sound card needs PortAudio: sudo apt-get install libportaudio2 (Debian, Ubuntu), "
            "or sudo dnf install portaudio (Fedora)"
        ) from error
    _quieten_alsa()
    module: ModuleType = sounddevice
    return module


def _quieten_alsa() -> None:
    """Have ALSA, below PortAudio on Linux, tell of no underrun: it would write into what is drawn on the terminal.

    They are counted elsewhere. What it calls instead is the C library's `getpid`, which does nothing, takes nothing of
    what it is given, and unlike a function of Python holds up no thread of the card.
    """
    with suppress(OSError, AttributeError):  # another system
        alsa = ctypes.CDLL("libasound.so.2")
        alsa.snd_lib_error_set_handler(ctypes.cast(ctypes.CDLL(None).getpid, ctypes.c_void_p))


def devices() -> Sequence[SoundDevice]:
    """All devices of this computer.

    Raises:
        UsageError: PortAudio is missing, or cannot say.
    """
    sounddevice = load()
    with plain_words(sounddevice):
        systems = [str(each["name"]) for each in sounddevice.query_hostapis()]
        defaults: dict[Kind, int] = dict(zip(("input", "output"), sounddevice.default.device, strict=True))
        return [
            SoundDevice(
                index=int(each["index"]),
                name=str(each["name"]),
                system=systems[each["hostapi"]],
                inputs=int(each["max_input_channels"]),
                outputs=int(each["max_output_channels"]),
                rate=round(each["default_samplerate"]),
                default_for=frozenset(kind for kind, index in defaults.items() if index == each["index"]),
            )
            for each in sounddevice.query_devices()
        ]


def choose(found: Sequence[SoundDevice], wanted: str | None, kind: Kind) -> SoundDevice:
    """The microphone or the speaker that is meant.

    Args:
        found: All devices.
        wanted: A number of the list, a name, or a part of one; None: the default.
        kind: Which of the two.

    Raises:
        UsageError: There is none, or several; the message names those there are.
    """
    word, able = WORDS[kind], [device for device in found if device.channels(kind)]
    if not able:
        raise UsageError(f"this computer has no {word}: plug one in; {_LIST}")
    matches: Sequence[SoundDevice]
    if wanted is None:
        matches = [device for device in able if kind in device.default_for]
        if not matches:
            raise UsageError(f"no {word} is the default: name one with --{kind}-device; there {_are(able)}")
    elif wanted.isdecimal():
        matches = [device for device in able if device.index == int(wanted)]
    else:
        matches = _named(able, wanted)
    if not matches:
        raise UsageError(f"--{kind}-device {wanted}: there is no such {word}; there {_are(able)}")
    if len(matches) > 1:
        raise UsageError(f"--{kind}-device {wanted} may be several; give the number: there {_are(matches)}")
    return matches[0]


def choose_both(microphone: str | None, speaker: str | None) -> tuple[SoundDevice, SoundDevice]:
    """The microphone and the speaker of a conversation.

    Raises:
        UsageError: PortAudio, or one of the two, is not there.
    """
    found = devices()
    return choose(found, microphone, "input"), choose(found, speaker, "output")


class Setup(NamedTuple):
    """How a device is opened: samples a second, and channels, of which the first is heard, or all play the same."""

    rate: int
    channels: int


def accepted(sounddevice: ModuleType, device: SoundDevice, kind: Kind, *, rate: int | None = None) -> Setup:
    """What a device takes: the session's own 24 kHz or else its own rate, and one channel or else two.

    A sound server takes 24 kHz from everybody and brings it to the rate of the card; hardware often does not.

    Args:
        sounddevice: The package.
        device: The device.
        kind: As what it is used.
        rate: Samples a second that somebody has asked for, instead.

    Raises:
        UsageError: It takes nothing of that.
    """
    check = sounddevice.check_input_settings if kind == "input" else sounddevice.check_output_settings
    problem = None
    for setup in product((rate,) if rate else (PCM16.sample_rate, device.rate), range(1, 3)):
        if setup[1] > device.channels(kind):
            continue
        try:
            check(device=device.index, channels=setup[1], dtype="int16", samplerate=setup[0])
        except sounddevice.PortAudioError as error:
            problem = error
        else:
            return Setup(*setup)
    raise UsageError(f"{device.name} cannot be used as a {WORDS[kind]}: {problem}; {_LIST}")


@contextmanager
def plain_words(sounddevice: ModuleType) -> Iterator[None]:
    """PortAudio's errors as ours.

    Raises:
        UsageError: What PortAudio said, in one line.
    """
    try:
        with _hushed():
            yield
    except sounddevice.PortAudioError as error:
        said = str(error.args[0]) if error.args else "an error without a name"
        raise UsageError(f"the sound card: {said}; {_LIST}") from error


def look_again() -> None:
    """Have PortAudio find what has been plugged in since; no stream may be open.

    Raises:
        UsageError: It fails.
    """
    sounddevice = load()
    with plain_words(sounddevice):
        sounddevice._terminate()
        sounddevice._initialize()


def leave_open() -> None:
    """A stream cannot be closed any more: PortAudio would wait for it for ever when the process ends."""
    atexit.unregister(load()._exit_handler)


@contextmanager
def _hushed() -> Iterator[None]:
    """Libraries below PortAudio write to standard error what is told here in one line."""
    try:
        before = os.dup(_STDERR)
    except OSError:  # there is none
        yield
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, _STDERR)
    os.close(nowhere)
    try:
        yield
    finally:
        os.dup2(before, _STDERR)
        os.close(before)


def _named(able: Sequence[SoundDevice], wanted: str) -> Sequence[SoundDevice]:
    """By the whole name, or else by a part; the same device in several sound systems is that of the default's."""
    part = wanted.casefold()
    matches = [device for device in able if device.name == wanted]
    matches = matches or [device for device in able if part in device.name.casefold()]
    preferred = {device.system for device in able if device.default_for}
    return [device for device in matches if device.system in preferred] or matches


def _are(able: Sequence[SoundDevice]) -> str:
    listed = ", ".join(f"{device.index} ({device.name})" for device in able)
    return f"{'is' if len(able) == 1 else 'are'} {listed}"
