"""The client's examples, and what its page shows, do what they say."""

import inspect
import re
import subprocess
import sys
import wave
from pathlib import Path
from typing import Final, get_args

from realtime_engine.client import Client, open_client
from realtime_engine.updates import Update
from tests.served import ROOT, served

EXAMPLES: Final = ROOT / "examples"
PAGE: Final = (ROOT / "docs" / "client.md").read_text("utf-8")
PROGRAM, *_ = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
WEATHER: Final = "It is sunny in Lisbon, twenty-two degrees. Nice of you to type it."


def run(*command: str | Path, cwd: Path) -> str:
    """What a program prints, and nothing but that."""
    done = subprocess.run([sys.executable, *command], cwd=cwd, capture_output=True, text=True, timeout=100, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_the_typed_example_prints_the_answers(tmp_path: Path) -> None:
    assert run(EXAMPLES / "client.py", cwd=tmp_path).splitlines() == [
        "> How is the weather?",
        WEATHER,
        "> Switch the lamp on",
        "[lamp: the lamp is on]",
        "The house says: the lamp is on",
    ]


def test_the_spoken_example_writes_the_answer_into_a_file(tmp_path: Path) -> None:
    assert run(EXAMPLES / "client_speech.py", cwd=tmp_path).startswith(
        "I hear a question and understand no word of it."
    )
    with wave.open(str(tmp_path / "answer.wav")) as answer:
        assert (answer.getframerate(), answer.getnchannels()) == (24_000, 1)
        assert answer.getnframes() > 24_000


def test_the_page_leaves_nothing_out() -> None:
    updates = [kind.__name__ for kind in get_args(Update)]
    calls = [name for name in vars(Client) if not name.startswith("_")]
    options = [name for name in inspect.signature(open_client).parameters if name != "upstream"]

    assert [name for name in (*updates, *calls, *options) if not re.search(rf"\b{name}\b", PAGE)] == []


def test_the_examples_and_the_page_work_with_a_server_too(tmp_path: Path) -> None:
    local = ("--upstream", "local", "--script", EXAMPLES / "replies.toml", "--speech", "tones", "--reply-speed", "50")
    with served(*local) as server:
        assert WEATHER in run(EXAMPLES / "client.py", server.realtime, cwd=tmp_path)
        assert "sunny in Lisbon" in run(EXAMPLES / "client_speech.py", server.realtime, cwd=tmp_path)

        program = PROGRAM.replace("127.0.0.1:8000", server.address)
        assert run("-c", program, cwd=tmp_path).startswith("You wrote: How are you?.")
