"""The README's commands, followed word for word: what serves is started, asked and told to end, what is left is run."""

import re
import shutil
import signal
import subprocess
import sys
import urllib.request
from importlib.metadata import metadata
from pathlib import Path
from typing import Final

import pytest

from tests.pages import ROOT, commands, environment, page, section
from tests.served import Served, serving

README: Final = page("README.md")
QUICK_START: Final = commands(section(README, "Quick start"))
FILES: Final = commands(section(README, "The same from files"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    shutil.copy(ROOT / "Makefile", tmp_path)
    shutil.copy(ROOT / "tests" / "audio" / "jfk.flac", tmp_path / "lecture.flac")
    return tmp_path


def serve(command: str, folder: Path) -> list[str]:
    """Run a server until its page was there, then end it; what it has said."""
    with (
        serving(["sh", "-c", f"exec env {command}"], env=environment(), cwd=folder) as server,
        urllib.request.urlopen(f"{server.http}/") as answer,
    ):
        assert b"</html>" in answer.read()
    return server.said


def test_the_quick_start_is_short_and_begins_with_the_two_commands_that_count() -> None:
    assert len(QUICK_START) <= 8
    assert [command.partition("#")[0].strip() for command in QUICK_START[:2]] == ["make run", "make test"]


def test_nobody_is_told_to_install_what_no_index_has_or_an_extra_that_is_none() -> None:
    files = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("examples/*.md")]
    files += [file for package in ("cli", "realtime_engine", "transports") for file in ROOT.glob(f"{package}/**/*.py")]
    told = "".join(file.read_text("utf-8") for file in files)
    extras = {extra for each in re.findall(r"pip install '\.\[([\w,]+)\]'", told) for extra in each.split(",")}

    assert re.findall(r"pip install '?realtime.engine", told) == []
    assert extras == set(metadata("realtime-engine").get_all("Provides-Extra") or ())


def test_make_run_serves_a_page_with_the_embedded_model_behind_it(folder: Path) -> None:
    command = ["make", "--old-file=setup", "run", f"BIN={Path(sys.executable).parent}"]
    with subprocess.Popen(
        command, cwd=folder, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        server = Served(process)
        with urllib.request.urlopen(f"{server.http}/") as answer:
            assert b"</html>" in answer.read()
        server.tell(signal.SIGTERM)  # make passes it on
        server.ended()
    assert "engine: 'local' answers\n" in server.said
    assert "draining" in server.said[-1]


def test_make_run_has_its_page_where_the_readme_says() -> None:
    shown = re.search(r"http://[0-9.:]+/", QUICK_START[0])
    assert shown is not None
    assert shown[0] == "http://127.0.0.1:8000/"


@pytest.mark.parametrize("command", [command for command in QUICK_START if "engine serve" in command])
def test_a_server_of_the_quick_start_serves(command: str, folder: Path) -> None:
    for other in QUICK_START:
        if other.startswith("engine config"):
            subprocess.run(other, check=True, shell=True, cwd=folder, env=environment())

    serve(command.replace("…", "sk-test").replace("--port 9000", "--port 0"), folder)


def test_every_command_about_files_works(folder: Path) -> None:
    for command in FILES:
        recordings = folder / "my-recordings"
        name = next((path.name for path in recordings.glob("*")), "")
        done = subprocess.run(
            command.replace("NAME", name),
            check=False,
            shell=True,
            cwd=folder,
            env=environment(),
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"

    assert (folder / "answer.wav").stat().st_size > 10_000
    assert (folder / "both.wav").stat().st_size > 10_000


def test_no_command_is_left_out() -> None:
    kinds = ("make ", ". .venv/", "engine serve", "engine config", "OPENAI_API_KEY=… engine serve")

    assert all(command.startswith(kinds) for command in QUICK_START)
    assert all(command.startswith("engine ") for command in FILES)
