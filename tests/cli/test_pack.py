"""``engine pack``, as it is called and as it ends."""

from pathlib import Path

import pytest

from tests.cli.fake import engine
from tests.recording.conversation import converse


def test_what_was_packed_is_told_and_replays(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = converse(tmp_path / "talk")

    assert engine("pack", folder) == 0
    assert engine("pack", folder) == 0
    assert engine("replay", folder) == 0

    first, second, third, fourth = capsys.readouterr().out.splitlines()
    assert first.startswith("talk: front.wav: 96 kB to ")
    assert second.startswith("talk: upstream.wav: 24 kB to ")
    assert third == "talk: nothing to pack"
    assert fourth.startswith("talk: identical")
    assert not list(folder.glob("*.wav"))


def test_a_recording_that_is_not_complete_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert engine("pack", converse(tmp_path / "cut", complete=False)) == 2
    assert "cut is not complete (cut off)" in capsys.readouterr().err


def test_large_files_are_told_in_megabytes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = converse(tmp_path / "talk")
    with (folder / "front.wav").open("ab") as file:
        file.write(bytes(1_500_000))

    assert engine("pack", folder) == 0
    assert "talk: front.wav: 1.6 MB to " in capsys.readouterr().out
