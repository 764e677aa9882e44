"""A card that is open: a microphone and a speaker that run together, block by block."""

from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from transports.device import DeviceOptions
from transports.device.duplex import Duplex
from transports.device.portaudio import SoundDevice, accepted, choose_both, load, plain_words


@dataclass(frozen=True, slots=True)
class Card:
    """A card that runs.

    Attributes:
        duplex: What passes through it.
        name: What it is, for the person.
        latency: Seconds from the microphone, and to the speaker, as PortAudio reports them.
    """

    duplex: Duplex
    name: str
    latency: tuple[float, float]
    stream: Any  # a `sounddevice.Stream`; the package is not typed

    def close(self) -> None:
        """Stop it, and let it go. One that is lost may never come back from this."""
        self.stream.abort(ignore_errors=True)
        self.stream.close(ignore_errors=True)


def open_card(options: DeviceOptions, *, wake: Callable[[], None], ended: Callable[[], None]) -> Card:
    """Open the devices that are chosen, and begin.

    Args:
        options: Which, and how.
        wake: Called by the card after each block, on a thread of its own.
        ended: Called so when it has stopped.

    Raises:
        UsageError: There is no such device, or it cannot be used; the message says what there is.
    """
    sounddevice = load()
    microphone, speaker = choose_both(options.input_device, options.output_device)
    with plain_words(sounddevice):
        rate, channels = _setup(sounddevice, microphone, speaker, options.device_rate)
        duplex = Duplex(rate, wake)
        stream = sounddevice.Stream(
            device=(microphone.index, speaker.index),
            samplerate=rate,
            blocksize=max(round(options.block_ms * rate / 1000), 1),
            latency=options.latency,
            channels=channels,
            dtype="int16",
            callback=duplex.turn,
            finished_callback=ended,
        )
        latency = (float(stream.latency[0]), float(stream.latency[1]))
        duplex.latency, duplex.echo_latency = latency[1], sum(latency)
        stream.start()
    name = f"{microphone.name} and {speaker.name}" if microphone != speaker else speaker.name
    return Card(duplex, name, latency, stream)


def _setup(
    sounddevice: ModuleType, microphone: SoundDevice, speaker: SoundDevice, rate: int | None
) -> tuple[int, tuple[int, int]]:
    """The rate that both take, and the channels of each."""
    heard = accepted(sounddevice, microphone, "input", rate=rate)
    played = accepted(sounddevice, speaker, "output", rate=rate)
    if heard.rate != played.rate:
        heard = accepted(sounddevice, microphone, "input", rate=speaker.rate)
        played = accepted(sounddevice, speaker, "output", rate=speaker.rate)
    return played.rate, (heard.channels, played.channels)
