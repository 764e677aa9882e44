"""``engine devices``: the sound cards of this computer, and whether they work."""

from collections.abc import Sequence
from typing import Annotated, TypeAlias

from cyclopts import Parameter

from cli.out import Out, lines
from realtime_engine.errors import UsageError
from transports.device import portaudio
from transports.device.portaudio import SoundDevice

Flag: TypeAlias = Annotated[bool, Parameter(negative=(), show_default=False)]

_BAR = 30  # characters
_FLOOR = -60.0  # decibels below full scale: what a quiet room gives


def devices(*, test: Flag = False, input_device: str | None = None, output_device: str | None = None) -> int:
    """List the microphones and speakers of this computer, or test them; * marks the defaults.

      engine devices

      engine devices --test --input-device USB

    Args:
        test: Play a tone on the speaker, then show for some seconds how loud the microphone is.
        input_device: The microphone to test: its number, or a part of its name.
        output_device: The speaker to test.
    """
    if not test and (input_device or output_device):
        raise UsageError("a device is named to be tested: add --test")
    out = lines()
    found = portaudio.devices()
    for device in found:
        out.print(_line(device))
    if not found:
        out.print("no sound card was found")
    if test:
        _test(out, found, input_device, output_device)
    return 0


def _test(out: Out, found: Sequence[SoundDevice], input_device: str | None, output_device: str | None) -> None:
    from transports.device.trying import levels, play_tone

    speaker = portaudio.choose(found, output_device, "output")
    microphone = portaudio.choose(found, input_device, "input")
    out.print(f"a tone on {speaker.name} ...")
    play_tone(speaker)
    out.print(f"say something into {microphone.name} ...")
    loudest = _FLOOR
    for level in levels(microphone):
        loudest = max(loudest, level)
        out.print(f"{level:6.1f} dB  {_bar(level)}")
    out.print(
        f"the microphone works: {loudest:.0f} dB at its loudest"
        if loudest > _FLOOR
        else "the microphone is silent: is it muted, or is another one meant?"
    )


def _line(device: SoundDevice) -> str:
    used = [word for kind, word in (("input", "microphone"), ("output", "speaker")) if kind in device.default_for]
    mark, default = ("*", f", the default {' and '.join(used)}") if used else (" ", "")
    return (
        f"{mark} {device.index:2}  {device.name}  ({device.inputs} in, {device.outputs} out, "
        f"{device.rate} Hz, {device.system}{default})"
    )


def _bar(level: float) -> str:
    return "#" * round(_BAR * (1 - max(level, _FLOOR) / _FLOOR))
