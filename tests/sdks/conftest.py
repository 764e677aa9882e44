"""Servers for all tests of a client: the embedded model behind them, a token before them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest
import soundfile

from realtime_engine.sound import resample, to_pcm16
from tests.certs import Certificate, make_certificate
from tests.served import ROOT, Served, served

TOKEN: Final = "canary-0123456789-abcdefghij"
RATE: Final = 24_000
PIECE: Final = 4800  # bytes: 100 ms of PCM16


@contextmanager
def serving(*flags: str | Path, speed: str = "100") -> Iterator[Served]:
    """A server that never says its token; the model speaks at a multiple of real time."""
    local = ("--upstream", "local", "--script", Path(__file__).with_name("replies.toml"), "--reply-speed", speed)
    with served(*local, *flags, env={"ENGINE_TOKEN": TOKEN}) as running:
        yield running
    assert TOKEN not in "".join(running.said)


@pytest.fixture(scope="module")
def server() -> Iterator[Served]:
    with serving() as running:
        yield running


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture(scope="module")
def secure(certificate: Certificate) -> Iterator[Served]:
    """One that speaks TLS, for clients that dial nothing else."""
    with serving("--tls-cert", certificate.chain, "--tls-key", certificate.key) as running:
        yield running


@pytest.fixture(scope="session")
def speech() -> list[bytes]:
    """ "And so, my fellow Americans", and the silence after it, as PCM16 at 24 kHz in pieces of 100 ms."""
    sound, rate = soundfile.read(ROOT / "tests" / "audio" / "jfk.flac", dtype="float32")
    words = to_pcm16(resample(sound.mean(axis=1), rate, RATE)[: int(2.8 * RATE)])
    spoken = words + bytes(int(1.2 * RATE) * 2)
    return [spoken[at : at + PIECE] for at in range(0, len(spoken), PIECE)]
