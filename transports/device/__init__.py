"""A front that is a sound card: the person speaks into a microphone, and hears the model from a speaker.

This module is light; PortAudio and numpy are loaded when a conversation begins.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, ClassVar, Literal

from realtime_engine.errors import UsageError

if TYPE_CHECKING:
    from realtime_engine.options import SessionOptions
    from realtime_engine.plugins import OpenLink
    from realtime_engine.show import Show


def latency_of(text: str) -> float | Literal["low", "high"]:
    """What ``--latency`` says.

    Raises:
        ValueError: Nothing that is known.
    """
    match text:
        case "low" | "high":
            return text
        case _:
            try:
                seconds = float(text)
            except ValueError:
                seconds = -1.0
            if not 0 < seconds <= 1:
                raise ValueError("low, high, or seconds up to 1")
            return seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceOptions:
    """What the sound card is opened with.

    Attributes:
        input_device: The microphone: a number of `engine devices`, or a part of its name. Without it, the default.
        output_device: The speaker, likewise.
        device_rate: Samples a second of the card. Without it the session's own 24000 where the card takes that, else
            the card's own rate.
        block_ms: Milliseconds that are recorded and played at once. Less is quicker, and needs a computer that is.
        latency: How long sound may wait in the card: low, high, or seconds.
        card_wait: Seconds to wait for another card when the one in use is lost.
        mode: How a turn of yours ends: open, the model hears that you have finished; ptt, push-to-talk: the space key
            begins it and ends it, and only then are you heard.
        barge_in: Who hears that you speak over the answer: local, the engine itself, which is quickest; server, the
            model's; off, nobody.
        echo: How the model is kept from hearing itself where you wear no headset: cancel takes the speaker out of the
            microphone (extra echo); mute closes the microphone while the model speaks; auto cancels if it can. With
            push-to-talk nothing needs to be done: whoever begins a turn interrupts.
    """

    input_device: str | None = None
    output_device: str | None = None
    device_rate: int | None = None
    block_ms: float = 10.0
    latency: float | Literal["low", "high"] = field(default="low", metadata={"parse": latency_of, "metavar": "LATENCY"})
    card_wait: float = 10.0
    mode: Literal["open", "ptt"] = "open"
    barge_in: Literal["local", "server", "off"] = "local"
    echo: Literal["auto", "off", "mute", "cancel"] = "auto"


class Device:
    """The sound card (`realtime_engine.plugins.LinkFront`).

    Attributes:
        lead: How far ahead of the ear the front wants audio, in seconds: enough for what comes in bursts; what waits in
            the session need not be taken back.
        reports: It says what was really heard.
    """

    Options: ClassVar[type[DeviceOptions]] = DeviceOptions
    name: ClassVar[str] = "device"
    lead: ClassVar[float | None] = 0.2
    reports: ClassVar[bool] = True
    uses_stdout: ClassVar[bool] = False
    example: ClassVar[str] = '--input-device "USB" --output-device 3'

    def __init__(self, options: DeviceOptions) -> None:
        if not 1 <= options.block_ms <= 200:
            raise UsageError(f"--block-ms must be 1 to 200, not {options.block_ms:g}")
        if not options.card_wait >= 0:
            raise UsageError(f"--card-wait must be 0 or more seconds, not {options.card_wait:g}")
        if options.device_rate is not None and options.device_rate < 1:
            raise UsageError(
                f"--device-rate must be the samples a second that the card takes, not {options.device_rate}"
            )
        self.options = options if options.mode == "open" else replace(options, echo="off")  # who speaks has interrupted

    def needs(self, session: "SessionOptions") -> "SessionOptions":
        """Where the engine hears who speaks, the server does nothing by itself; where nobody does, it only answers.

        With push-to-talk the person ends each turn, and whoever begins one interrupts. What the microphone hears goes
        to the model block by block: who detects turns there hears them begin and end as soon as can be.

        Raises:
            UsageError: Nobody would hear where a turn ends.
        """
        from msgspec import structs

        from realtime_engine.settings import has_manual_turns, input_format, with_manual_turns, with_turns

        given, barge_in = session.settings, self.options.barge_in
        block = input_format(given).size(self.options.block_ms / 1000)
        session = structs.replace(session, flush_bytes=min(block, session.flush_bytes))
        if self.options.mode == "ptt":
            return structs.replace(session, settings=with_manual_turns(given))
        if barge_in == "local":
            settings = with_turns(given, interrupt_response=False, create_response=False)
            return structs.replace(session, settings=settings, detects_speech=True)
        if has_manual_turns(given):
            raise UsageError(
                f"--barge-in {barge_in} leaves it to the server to hear where a turn ends, and the session's "
                "turn_detection is off: take --barge-in local, or --mode ptt"
            )
        unheard = {"interrupt_response": False} if barge_in == "off" else {}
        return structs.replace(session, settings=with_turns(given, **unheard))  # some servers begin with turns by hand

    @contextmanager
    def connect(self, session: "SessionOptions", show: "Show") -> Iterator["OpenLink"]:
        """See that there is a card, then say how it is opened for a conversation.

        Raises:
            UsageError: There is no such device, PortAudio is missing, or there are no keys for push-to-talk; or, at the
                end, the card was lost, or the model has refused the settings.
            UpstreamError: At the end: the conversation was ended by the model's side.
        """
        from transports.device import portaudio
        from transports.device.conversation import DeviceConversation
        from transports.device.echo import check_echo
        from transports.device.keyboard import has_keyboard

        check_echo(self.options.echo)
        has_keys = show.lively and has_keyboard()
        if self.options.mode == "ptt" and not has_keys:
            raise UsageError("--mode ptt needs its keys: start it in a terminal, with nothing redirected")
        portaudio.choose_both(self.options.input_device, self.options.output_device)
        conversation = DeviceConversation(self.options, session, show, has_keys=has_keys)
        yield conversation.open
        conversation.raise_problems()
