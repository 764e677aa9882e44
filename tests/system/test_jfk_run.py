"""A speech of eleven seconds, from its file to its replay: what is heard in it, answered, and recorded."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest

from tests.cli.fake import engine

JFK: Final = Path(__file__).parents[1] / "audio" / "jfk.flac"
SPOKEN: Final = [(0.35, 2.24), (3.30, 4.38), (5.41, 7.62), (8.19, 10.59)]
"""Where there is speech, by the ear and by another detector (tests/audio/README.md)."""


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The same conversation, held twice."""
    folder = tmp_path_factory.mktemp("jfk")
    session = folder / "session.toml"
    session.write_text('[audio.input.turn_detection]\ntype = "server_vad"\nsilence_duration_ms = 200\n')
    command = f"{sys.executable} -m cli run --upstream local --speech tones --speed max".split()
    for name in ("first", "second"):
        files: list[str | Path] = [
            "--session",
            session,
            "--input",
            JFK,
            "--output",
            folder / f"{name}.wav",
            "--record",
            folder / name,
        ]
        subprocess.run([*command, *files], check=True, cwd=JFK.parents[2], stdout=subprocess.DEVNULL)
    return [next((folder / name).iterdir()) for name in ("first", "second")]


def test_four_segments_of_speech_are_found_within_100_ms(
    recordings: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    first, *_ = told(recordings, capsys)
    heard = [turn["speech"] for turn in first["story"]["turns"] if turn["who"] == "user"]

    assert len(heard) in {4, 5}, "the fifth is a word that the end of the file cuts off"
    for found, really in zip(heard, SPOKEN, strict=False):
        assert found == pytest.approx(really, abs=0.1)


def test_the_speech_is_answered(recordings: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    first, *_ = told(recordings, capsys)

    assert first["complete"]
    turns = first["story"]["turns"]
    assert turns[-1]["who"] == "assistant"
    assert turns[-1]["speech_ms"] > 0
    assert first["story"]["responses"][-1]["status"] == "completed"


def test_it_is_replayed_identically_and_goes_the_same_way_each_time(
    recordings: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert engine("replay", *recordings, *recordings) == 0
    assert capsys.readouterr().out.count(": identical (") == 4

    first, second = ((folder / "events.jsonl").read_bytes() for folder in recordings)
    assert first == second


def told(recordings: list[Path], capsys: pytest.CaptureFixture[str]) -> list[Any]:
    """What ``engine inspect --json`` says of each."""
    assert engine("inspect", "--json", *recordings) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]
