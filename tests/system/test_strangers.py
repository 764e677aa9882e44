"""Plug-ins of strangers, each an installed package: the one in `examples/`, and those that the documentation shows.

They are installed where only these tests find them, and used by the command as their users would: by a process of its
own where something is served, or all of it is to be seen at work together, by this one otherwise.
"""

import re
import shlex
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Final

import pytest

from cli.app import main
from tests.pages import ROOT, blocks, commands, page, section
from tests.served import Served, serving, serving_http
from tests.strangers import install, installed, with_packages

EXAMPLE: Final = section(page("examples/README.md"), "An upstream")
UPSTREAM: Final = page("docs/writing-an-upstream.md")
FRONT: Final = page("docs/writing-a-front.md")


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which all of them are installed."""
    into = tmp_path_factory.mktemp("site-packages")
    shown = [written(text, tmp_path_factory.mktemp("package")) for text in (UPSTREAM, FRONT)]
    install(ROOT / "examples" / "trio_websocket_upstream", *shown, into=into)
    return into


@pytest.fixture
def at_hand(packages: Path) -> Iterator[None]:
    """They are installed for this process too."""
    with installed(packages):
        yield


@pytest.fixture(scope="module")
def environment(packages: Path) -> Mapping[str, str]:
    """That of a process of somebody who has installed them."""
    return with_packages(packages)


def written(text: str, folder: Path) -> Path:
    """The package that a page shows."""
    (project,) = blocks(text, "toml")
    (modules,) = re.findall(r"only-include = \[(.*)\]", project)
    (folder / "pyproject.toml").write_text(project, "utf-8")
    for module, program in zip(re.findall(r'"(.*?)"', modules), blocks(text, "python"), strict=False):
        (folder / module).write_text(program, "utf-8")
    return folder


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[[str], str]:
    """Runs a command in this process; what it prints, on one line."""

    def run(command: str) -> str:
        status = main(shlex.split(command)[1:])
        out, err = capsys.readouterr()
        assert status == 0, f"{command}\n{out}{err}"
        return on_one_line(out)

    return run


@pytest.fixture
def failing(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Runs a command that fails in this process; the one line of it, on standard error."""

    def failing(command: str, *, status: int = 2) -> str:
        assert main(shlex.split(command)[1:]) == status
        (line,) = capsys.readouterr().err.splitlines()
        return line

    return failing


def on_one_line(out: str) -> str:
    """What a command has printed, without the frames of its help."""
    return re.sub(r"[│\s]+", " ", out)


# --- the example ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def model(environment: Mapping[str, str]) -> Iterator[Served]:
    """The server that is to be asked, as the examples' page has it."""
    _, serve, _ = commands(EXAMPLE)
    with serving(shlex.split(serve), env=environment) as server:
        yield server


def test_the_example_is_installed_and_used_as_its_readme_has_it(model: Served, environment: Mapping[str, str]) -> None:
    installation, _, ask = commands(EXAMPLE)
    command = shlex.split(ask.replace("127.0.0.1:8000", model.address))

    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)

    assert installation == "uv pip install ./examples/trio_websocket_upstream"
    assert done.returncode == 0, done.stderr
    said = on_one_line(done.stdout)
    assert "you Good morning" in said
    assert "model You said: Good morning" in said


def test_a_server_of_ours_can_have_it_behind_it(
    model: Served, environment: Mapping[str, str], run: Callable[[str], str]
) -> None:
    with serving(shlex.split(f"engine serve --upstream trio-websocket:{model.realtime}"), env=environment) as front:
        assert "model You said: Hello" in run(f"engine run --text Hello --upstream {front.realtime}")


@pytest.mark.usefixtures("at_hand")
def test_its_options_are_flags_keys_and_variables(
    run: Callable[[str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    example = run("engine config --example")
    (tmp_path / "engine.toml").write_text(
        "[upstream.trio-websocket]\nconnect_within = 3\nmax_message_upstream = '1M'\n"
    )
    checked = run(f"engine config --check {tmp_path / 'engine.toml'}")
    monkeypatch.setenv("ENGINE_CONNECT_WITHIN", "7")
    shown = run("engine serve --upstream trio-websocket --help")

    assert "Upstream trio-websocket" in shown
    assert "--connect-within FLOAT Seconds within which the server must be reached" in shown
    assert "[default: 7.0]" in shown
    assert "[upstream.trio-websocket]" in example
    assert "all of it is known" in checked


# --- what the documentation shows -----------------------------------------------------------------------------


@pytest.mark.usefixtures("at_hand")
def test_the_upstream_of_the_documentation_answers(run: Callable[[str], str]) -> None:
    installation, ask, _ = commands(UPSTREAM)

    assert installation == "uv pip install ."
    assert run(ask) == " 0.00 s you Will it rain? 0.50 s model Who knows? "
    assert "--ponders FLOAT Seconds before it does." in run("engine run --upstream oracle --help")


@pytest.mark.usefixtures("at_hand")
def test_it_answers_in_real_time_too_and_is_recorded_and_replayed(run: Callable[[str], str], tmp_path: Path) -> None:
    run(f"engine run --text Hm? --text Well? --upstream oracle --ponders 0.05 --record {tmp_path}")
    (recording,) = tmp_path.iterdir()

    assert "identical" in run(f"engine replay {recording}")


@pytest.mark.usefixtures("at_hand")
def test_the_second_upstream_of_the_documentation_asks_a_service(
    run: Callable[[str], str], failing: Callable[..., str]
) -> None:
    _, _, ask = commands(UPSTREAM)
    asked: list[str] = []

    class Service(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append(self.rfile.read(int(self.headers["content-length"])).decode())
            self.send_response(200 if len(asked) == 1 else 503)
            self.end_headers()
            self.wfile.write(b"So it is written.")

        def log_message(self, format: str, *args: object) -> None: ...

    with serving_http(Service) as address:
        command = ask.replace("127.0.0.1:8002", address)
        assert "model So it is written." in run(command)
        assert failing(command, status=3).endswith("failed to answer: no_answer: HTTPStatusError")

    assert asked == ["Will it rain?"] * 2
    problem = "engine: --upstream scribe: the address must begin with http:// or https://"
    assert failing("engine run --text x --upstream scribe:nowhere") == problem


@pytest.fixture
def lines(environment: Mapping[str, str]) -> Iterator[tuple[Served, tuple[str, int]]]:
    """The server of the documentation, and where it is."""
    _, _, serve = commands(FRONT)
    with serving(shlex.split(serve.replace("7000", "0")), env=environment) as server:
        host, _, port = server.address.partition(":")
        yield server, (host, int(port))


@pytest.mark.usefixtures("at_hand")
def test_it_says_what_went_wrong(failing: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "replies.toml").write_text('[[reply]]\nerror = { code = "busy", message = "Not now." }\n')
    local = f"--upstream local --script {tmp_path / 'replies.toml'}"

    for speed in ("--fast", ""):
        told = failing(f"engine run --transport typist --ask Hello {speed} {local}", status=3)
        assert told == "engine: a question was not answered: Not now."


@pytest.mark.usefixtures("at_hand")
def test_the_front_of_the_documentation_types_on_either_clock(run: Callable[[str], str]) -> None:
    installation, ask, _ = commands(FRONT)

    assert installation == "uv pip install ."
    for command in (ask, ask.replace("--fast ", "")):
        said = run(f"{command} --ask Bye --speech tones")
        assert [
            word for word in ("you Good morning", "You said: Good morning", "You said: Bye") if word not in said
        ] == []
    assert "--ask STR... A question; may be repeated." in run("engine run --transport typist --help")


def test_the_server_of_the_documentation_talks_with_whoever_connects(lines: tuple[Served, tuple[str, int]]) -> None:
    server, address = lines
    with socket.create_connection(address, timeout=30) as anna, socket.create_connection(address, timeout=30) as bert:
        for person, name in ((anna, "Anna"), (bert, "Bert")):
            person.sendall(f"I am {name}\n".encode())
        for person, name in ((anna, "Anna"), (bert, "Bert")):
            assert person.makefile().readline() == f"You said: I am {name}\n"
        anna.shutdown(socket.SHUT_WR)
        assert anna.recv(1) == b""
        server.tell(signal.SIGTERM)
        assert bert.recv(1) == b""


def test_it_bears_lines_that_are_too_long_and_people_who_vanish(lines: tuple[Served, tuple[str, int]]) -> None:
    _, address = lines
    # not all that is sent is read before the end
    with socket.create_connection(address, timeout=30) as rude, suppress(ConnectionError):
        rude.sendall(b"x" * 20_000)
        assert rude.recv(1) == b""
    with socket.create_connection(address, timeout=30) as gone:
        gone.sendall(b"Hello\n")
        gone.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # a reset
    with socket.create_connection(address, timeout=30) as polite:
        polite.sendall(b"Hello\n")
        assert polite.makefile().readline() == "You said: Hello\n"


# --- what goes wrong ------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("at_hand")
def test_a_port_that_is_taken_is_one_line(failing: Callable[..., str]) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]

        told = failing(f"engine serve --transport lines --lines-port {port}")

    assert told.startswith(f"engine: --lines-port {port}: ")


@pytest.fixture
def _broken(tmp_path: Path) -> Iterator[None]:
    """A package is installed with whatever can be wrong."""
    (tmp_path / "pyproject.toml").write_text(
        '[project]\nname = "broken-birds"\nversion = "2.1"\n'
        '[project.entry-points."realtime_engine.upstreams"]\n'
        'lost = "birds:Lost"\nneedy = "needy:Needy"\nlate = "birds:Late"\n'
        'greedy = "birds:Greedy"\nlocal = "birds:Greedy"\n'
        '[project.entry-points."realtime_engine.transports"]\nmute = "birds:Mute"\n'
        '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n'
        '[tool.hatch.build.targets.wheel]\nonly-include = ["birds.py", "needy.py"]\n'
    )
    (tmp_path / "needy.py").write_text("import feathers\n")
    (tmp_path / "birds.py").write_text(
        "from dataclasses import dataclass\n"
        "@dataclass\nclass Options:\n    record: str = ''\n"
        "class Greedy:\n    Options = Options\n    name = 'greedy'\n    def connect(self, wanted=None): ...\n"
        "@dataclass\nclass Nothing: ...\nclass Late:\n    Options = Nothing\n    name = 'late'\n"
        "    def __init__(self, options): ...\n    def connect(self, wanted=None):\n        import feathers\n"
        "class Mute:\n    Options = Options\n    name = 'mute'\n"
    )
    install(tmp_path, into=tmp_path / "installed")
    with installed(tmp_path / "installed"):
        yield


@pytest.mark.usefixtures("_broken")
def test_whatever_is_wrong_with_a_package_is_one_line_that_names_it_and_what_to_do(failing: Callable[..., str]) -> None:
    ours = "the package broken-birds 2.1"
    cases: Sequence[tuple[str, str]] = (
        (
            "--upstream lost",
            f"the upstream 'lost' of {ours} cannot be loaded: mend it, or uninstall it (AttributeError: ",
        ),
        (
            "--upstream needy",
            f"the upstream 'needy' of {ours} cannot be loaded: install what it needs, or uninstall it (Mod",
        ),
        (
            "--upstream greedy",
            f"the upstream 'greedy' of {ours} has a flag --record, as the engine itself has: rename the option there",
        ),
        ("--upstream late", "birds needs what is not installed: No module named 'feathers': install it"),
        ("--upstream local", "there is more than one upstream 'local', of "),
        ("--transport mute", f"the transport 'mute' of {ours} is no plug-in: it lacks "),
    )
    for flags, words in cases:
        assert failing(f"engine run --text Hello {flags}").startswith(f"engine: {words}")
