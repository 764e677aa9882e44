"""``engine devices``, on a sound card that is not there; and which device is meant by a name."""

import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest

from realtime_engine.errors import UsageError
from tests.soundcard import VirtualCard, open_card
from transports.device.portaudio import SoundDevice, choose, load
from transports.device.trying import TONE_HZ, TONE_SECONDS

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def card() -> Iterator[VirtualCard]:
    with open_card() as card:
        yield card


def engine(*words: str, env: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own: PortAudio looks for devices once."""
    command = [sys.executable, "-m", "cli", *words]
    return subprocess.run(command, check=False, env=env, cwd=ROOT, capture_output=True, text=True, timeout=60)


def test_the_devices_are_listed_with_the_defaults_marked(card: VirtualCard) -> None:
    told = engine("devices", env=card.env)

    assert told.returncode == 0, told.stderr
    (default,) = [line for line in told.stdout.splitlines() if line.startswith("*")]
    assert "default  (32 in, 32 out, 44100 Hz, ALSA, the default microphone and speaker)" in default


def test_a_tone_is_played_on_the_speaker_and_the_microphone_is_listened_to(card: VirtualCard) -> None:
    with card.hear() as heard:
        told = engine("devices", "--test", "--input-device", "default", env=card.env)
        sound = heard()

    assert told.returncode == 0, told.stderr
    assert "the microphone is silent: is it muted, or is another one meant?" in told.stdout
    loud = sound[np.abs(sound) > 0.01]
    spectrum = np.abs(np.fft.rfft(loud))
    assert loud.size == pytest.approx(TONE_SECONDS * 24_000, rel=0.3)
    assert np.argmax(spectrum) * 24_000 / loud.size == pytest.approx(TONE_HZ, rel=0.05)


def test_a_device_that_is_not_there_is_told_with_those_that_are(card: VirtualCard) -> None:
    told = engine("devices", "--test", "--output-device", "USB", env=card.env)

    assert told.returncode == 2
    (line,) = told.stderr.splitlines()
    assert line.startswith("engine: --output-device USB: there is no such speaker; there are 0 (")


def test_a_device_that_is_named_and_not_tested_is_a_mistake(card: VirtualCard) -> None:
    told = engine("devices", "--output-device", "default", env=card.env)

    assert (told.returncode, told.stderr) == (2, "engine: a device is named to be tested: add --test\n")


def test_portaudio_is_loaded_where_there_is_no_alsa_and_no_library_of_the_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def windows(name: str | None) -> object:
        if name is None:
            raise TypeError("argument of type 'NoneType' is not iterable")
        raise FileNotFoundError(f"Could not find module {name!r}")

    monkeypatch.setattr("ctypes.CDLL", windows)

    assert load().__name__ == "sounddevice"


def test_without_the_extra_one_line_says_what_to_install(tmp_path: Path, card: VirtualCard) -> None:
    (tmp_path / "sounddevice.py").write_text("raise ModuleNotFoundError('No module named sounddevice')\n")

    told = engine("devices", env={**card.env, "PYTHONPATH": str(tmp_path)})

    mend = "from the checkout, pip install '.[device]'"
    assert (told.returncode, told.stderr) == (2, f"engine: the sound card needs the extra device: {mend}\n")


def test_without_portaudio_one_line_says_what_to_install(tmp_path: Path, card: VirtualCard) -> None:
    (tmp_path / "sounddevice.py").write_text("raise OSError('PortAudio library not found')\n")

    told = engine("devices", env={**card.env, "PYTHONPATH": str(tmp_path)})

    assert told.returncode == 2
    (line,) = told.stderr.splitlines()
    assert line.startswith("engine: the sound card needs PortAudio: sudo apt-get install libportaudio2")


def test_without_any_card_that_is_said(tmp_path: Path, card: VirtualCard) -> None:
    (tmp_path / "sounddevice.py").write_text(BARE)
    env = {**card.env, "PYTHONPATH": str(tmp_path)}

    listed, tested = engine("devices", env=env), engine("devices", "--test", env=env)

    assert (listed.returncode, listed.stdout) == (0, "no sound card was found\n")
    assert tested.returncode == 2
    assert tested.stderr.splitlines()[-1].startswith("engine: this computer has no speaker: plug one in")


BARE = """
class PortAudioError(Exception): ...
class default: device = (-1, -1)
query_hostapis = query_devices = lambda: ()
"""  # a computer without sound


def device(index: int, name: str, system: str = "ALSA", *, default: bool = False, outputs: int = 2) -> SoundDevice:
    kinds = frozenset({"input", "output"}) if default else frozenset()
    return SoundDevice(index, name, system, 1, outputs, 48_000, kinds)  # type: ignore[arg-type]  # literals widen


CARDS = [
    device(0, "Built-in", default=True),
    device(1, "USB Headset"),
    device(2, "USB Headset", "OSS"),
    device(3, "Webcam", outputs=0),
    device(4, "USB Speaker"),
]


@pytest.mark.parametrize(("wanted", "index"), [(None, 0), ("2", 2), ("headset", 1), ("USB Headset", 1), ("speaker", 4)])
def test_a_device_is_meant_by_its_number_its_name_or_a_part_of_it(wanted: str | None, index: int) -> None:
    assert choose(CARDS, wanted, "output").index == index


@pytest.mark.parametrize(
    ("wanted", "problem"),
    [
        ("USB", r"--output-device USB may be several; give the number: there are 1 \(USB Headset\), 4 \(USB Speaker\)"),
        ("3", r"--output-device 3: there is no such speaker; there are 0 \(Built-in\), "),
        ("Webcam", "--output-device Webcam: there is no such speaker"),
    ],
)
def test_a_device_that_is_not_meant_clearly_is_refused(wanted: str, problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        choose(CARDS, wanted, "output")


def test_no_speaker_at_all_or_none_that_is_the_default_is_said() -> None:
    with pytest.raises(UsageError, match="this computer has no speaker: plug one in"):
        choose([device(0, "Webcam", outputs=0)], None, "output")
    with pytest.raises(UsageError, match=r"no speaker is the default: name one with --output-device; there is 1"):
        choose([device(1, "USB")], None, "output")
