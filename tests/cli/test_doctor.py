"""``engine doctor``: each thing that is there, and each that is missing, with its mend."""

import importlib
import socket
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from realtime_engine.errors import UsageError
from tests.cli.fake import engine
from transports.device.portaudio import SoundDevice

CARD = SoundDevice(3, "Headset", "ALSA", 1, 2, 48_000, frozenset({"input", "output"}))


@pytest.fixture(autouse=True)
def _card(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("transports.device.portaudio.devices", lambda: [CARD])


def without(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    """Let a module be none that is installed."""
    load = importlib.import_module

    def import_module(name: str) -> ModuleType:
        if name == missing:
            raise ModuleNotFoundError(f"No module named {name!r}")
        return load(name)

    monkeypatch.setattr("cli.doctor.importlib.import_module", import_module)


def told(capsys: pytest.CaptureFixture[str], *flags: str, status: int = 0) -> Sequence[str]:
    """The lines that it prints."""
    assert engine("doctor", *flags, "--port", "0") == status
    return capsys.readouterr().out.splitlines()


def test_all_that_is_there_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")

    lines = told(capsys)

    assert [line.partition(":")[0] for line in lines] == [
        *("ok  libraries", "ok  key", "ok  extra speech", "ok  extra device", "ok  microphone", "ok  speaker"),
        "ok  extra echo",
        *("ok  certificates", "ok  port 0"),
    ]
    assert "ok  microphone: Headset, 48000 Hz, ALSA" in lines
    assert "secret" not in "".join(lines)


def test_without_a_key_the_embedded_model_answers(capsys: pytest.CaptureFixture[str]) -> None:
    lines = told(capsys)

    at = lines.index("--  key: there is none: the embedded model answers, which needs none")
    assert lines[at + 1] == "      mend: export OPENAI_API_KEY=..., or --key-file FILE"


def test_an_extra_that_is_missing_is_installed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    without(monkeypatch, "espeakng_loader")

    lines = told(capsys)

    at = lines.index("--  extra speech: missing: the embedded model answers in tones")
    assert lines[at + 1] == "      mend: from the checkout, pip install '.[speech]'"


def test_without_a_canceller_a_headset_is_the_mend(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("transports.device.echo.is_installed", lambda: False)

    lines = told(capsys)

    at = lines.index("--  extra echo: missing: without a headset the model hears itself")
    assert lines[at + 1] == "      mend: wear a headset, or, from the checkout, pip install '.[echo]'"


def test_a_library_that_is_missing_is_status_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    without(monkeypatch, "soxr")

    lines = told(capsys, status=2)

    assert lines[0] == "--  libraries: missing or broken: soxr (No module named 'soxr')"
    assert lines[1] == "      mend: from the checkout, pip install ."


def test_portaudio_that_is_missing_is_installed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def missing() -> Sequence[SoundDevice]:
        raise UsageError("the sound card needs PortAudio: sudo apt-get install libportaudio2")

    monkeypatch.setattr("transports.device.portaudio.devices", missing)

    lines = told(capsys)

    at = lines.index("--  extra device: the sound card needs PortAudio")
    assert lines[at + 1] == "      mend: sudo apt-get install libportaudio2"


def test_a_computer_without_a_microphone_is_told_to_get_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("transports.device.portaudio.devices", list)

    lines = told(capsys)

    at = lines.index("--  microphone: this computer has no microphone")
    assert lines[at + 1] == "      mend: plug one in; `engine devices` lists what there is"


@pytest.mark.parametrize(
    ("capath", "in_store", "line"),
    [
        ("/nowhere", 0, "--  certificates: missing: no hosted model can be trusted"),
        (".", 0, "--  certificates: missing: no hosted model can be trusted"),  # a folder with nothing in it
        ("/nowhere", 3, "ok  certificates: the system's own"),  # Windows
    ],
)
def test_certificates_are_a_file_or_a_full_folder_or_the_systems_own(
    capath: str,
    in_store: int,
    line: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("cli.doctor.ssl.get_default_verify_paths", lambda: SimpleNamespace(cafile=None, capath=capath))
    store = SimpleNamespace(cert_store_stats=lambda: {"x509_ca": in_store})
    monkeypatch.setattr("cli.doctor.ssl.create_default_context", lambda: store)

    assert line in told(capsys)


def test_a_port_that_is_taken_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert engine("doctor", "--port", str(port)) == 0

    assert f"--  port {port}: 127.0.0.1 cannot be listened at: Address already in use" in capsys.readouterr().out


@pytest.mark.parametrize(("host", "port"), [("192.0.2.1", "0"), ("127.0.0.1", "70000")])
def test_an_address_that_is_none_is_told(host: str, port: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert engine("doctor", "--host", host, "--port", port) == 0

    assert f"--  port {port}: {host} cannot be listened at: " in capsys.readouterr().out
