"""One server for all tests of a client: the embedded model behind it, a token before it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
import soundfile

from tests.served import ROOT, Served, served

TOKEN: Final = "canary-0123456789-abcdefghij"


@pytest.fixture(scope="module")
def server() -> Iterator[Served]:
    flags = ("--upstream", "local", "--script", Path(__file__).with_name("replies.toml"), "--speech", "tones")
    with served(*flags, "--reply-speed", "100", env={"ENGINE_TOKEN": TOKEN}) as running:
        yield running
    assert TOKEN not in "".join(running.said)


@pytest.fixture(scope="session")
def question() -> list[bytes]:
    """A spoken question and the silence after it, as PCM16 at 24 kHz in pieces of 100 ms."""
    samples, rate = soundfile.read(ROOT / "examples" / "question.wav", dtype="int16")
    assert rate == 24_000
    sound = samples.tobytes() + bytes(48_000)
    return [sound[at : at + 4800] for at in range(0, len(sound), 4800)]
