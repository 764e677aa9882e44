"""Plug-ins of strangers, each an installed package: the one in `examples/`, and those that the documentation shows.

They are installed where only these tests find them, and used by the command as their users would.
"""

import re
import shlex
import signal
import socket
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Final

import pytest

from tests.pages import ROOT, blocks, commands, page, section
from tests.served import Served, serving_http
from tests.strangers import install, with_packages

EXAMPLE: Final = section(page("examples/README.md"), "An upstream")
UPSTREAM: Final = page("docs/writing-an-upstream.md")
FRONT: Final = page("docs/writing-a-front.md")


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """That of somebody who has installed all of them."""
    into = tmp_path_factory.mktemp("site-packages")
    install(ROOT / "examples" / "trio_websocket_upstream", into)
    for text in (UPSTREAM, FRONT):
        install(written(text, tmp_path_factory.mktemp("package")), into)
    return with_packages(into)


def written(text: str, folder: Path) -> Path:
    """The package that a page shows."""
    (project,) = blocks(text, "toml")
    (modules,) = re.findall(r"only-include = \[(.*)\]", project)
    (folder / "pyproject.toml").write_text(project, "utf-8")
    for module, program in zip(re.findall(r'"(.*?)"', modules), blocks(text, "python"), strict=False):
        (folder / module).write_text(program, "utf-8")
    return folder


def run(command: str, environment: Mapping[str, str]) -> str:
    """What a command prints, on one line."""
    done = subprocess.run(
        shlex.split(command), env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return re.sub(r"[│\s]+", " ", done.stdout)


@contextmanager
def serving(command: str, environment: Mapping[str, str]) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(shlex.split(command), env=environment, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


# --- the example ----------------------------------------------------------------------------------------------


def test_the_example_is_installed_and_used_as_its_readme_has_it(environment: Mapping[str, str]) -> None:
    installation, serve, ask = commands(EXAMPLE)

    assert installation == "uv pip install ./examples/trio_websocket_upstream"
    with serving(serve, environment) as process:
        server = Served(process)
        said = run(ask.replace("127.0.0.1:8000", server.address), environment)
        assert "you Good morning" in said
        assert "model You said: Good morning" in said
        assert server.ended() == 0


def test_its_options_are_flags_keys_and_variables(environment: Mapping[str, str], tmp_path: Path) -> None:
    shown = run("engine serve --upstream trio-websocket --help", {**environment, "ENGINE_CONNECT_WITHIN": "7"})
    example = run("engine config --example", environment)
    (tmp_path / "engine.toml").write_text(
        "[upstream.trio-websocket]\nconnect_within = 3\nmax_message_upstream = '1M'\n"
    )

    assert "Upstream trio-websocket" in shown
    assert "--connect-within FLOAT Seconds within which the server must be reached" in shown
    assert "[default: 7.0]" in shown
    assert "[upstream.trio-websocket]" in example
    assert "all of it is known" in run(f"engine config --check {tmp_path / 'engine.toml'}", environment)


def test_a_server_of_ours_can_have_it_behind_it(environment: Mapping[str, str]) -> None:
    with serving("engine serve --upstream local", environment) as behind:
        model = Served(behind)
        with serving(f"engine serve --upstream trio-websocket:{model.realtime}", environment) as process:
            front = Served(process)
            said = run(f"engine run --text Hello --upstream {front.realtime}", environment)
            assert "model You said: Hello" in said
            assert front.ended() == 0
        assert model.ended() == 0


# --- what the documentation shows -----------------------------------------------------------------------------


def test_the_upstream_of_the_documentation_answers(environment: Mapping[str, str]) -> None:
    installation, ask, _ = commands(UPSTREAM)

    assert installation == "uv pip install ."
    assert run(ask, environment) == " 0.00 s you Will it rain? 0.50 s model Who knows? "
    assert "--ponders FLOAT Seconds before it does." in run("engine run --upstream oracle --help", environment)


def test_it_answers_in_real_time_too_and_is_recorded_and_replayed(
    environment: Mapping[str, str], tmp_path: Path
) -> None:
    run(f"engine run --text Hm? --text Well? --upstream oracle --ponders 0.05 --record {tmp_path}", environment)
    (recording,) = tmp_path.iterdir()

    assert "identical" in run(f"engine replay {recording}", environment)


def test_the_second_upstream_of_the_documentation_asks_a_service(environment: Mapping[str, str]) -> None:
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
        assert "model So it is written." in run(command, environment)
        assert failing(command, environment, status=3).endswith("failed to answer: no_answer: HTTPStatusError")

    assert asked == ["Will it rain?"] * 2
    problem = "engine: --upstream scribe: the address must begin with http:// or https://"
    assert failing("engine run --text x --upstream scribe:nowhere", environment) == problem


@pytest.fixture
def lines(environment: Mapping[str, str]) -> Iterator[tuple[Served, tuple[str, int]]]:
    """The server of the documentation, and where it is."""
    _, _, serve = commands(FRONT)
    with serving(serve.replace("7000", "0"), environment) as process:
        server = Served(process)
        host, _, port = server.address.partition(":")
        yield server, (host, int(port))


def test_the_front_of_the_documentation_types_on_either_clock(environment: Mapping[str, str]) -> None:
    installation, ask, _ = commands(FRONT)

    assert installation == "uv pip install ."
    for command in (ask, ask.replace("--fast ", "")):
        said = run(f"{command} --ask Bye --speech tones", environment)
        assert [
            word for word in ("you Good morning", "You said: Good morning", "You said: Bye") if word not in said
        ] == []
    assert "--ask STR... A question; may be repeated." in run("engine run --transport typist --help", environment)


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
    assert server.ended() == 0


def test_it_bears_lines_that_are_too_long_and_people_who_vanish(lines: tuple[Served, tuple[str, int]]) -> None:
    server, address = lines
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
    assert server.ended() == 0


# --- what goes wrong ------------------------------------------------------------------------------------------


def test_a_port_that_is_taken_is_one_line(
    environment: Mapping[str, str], lines: tuple[Served, tuple[str, int]]
) -> None:
    _, (_, port) = lines

    assert failing(f"engine serve --transport lines --lines-port {port}", environment).startswith(
        f"engine: --lines-port {port}: "
    )


def failing(command: str, environment: Mapping[str, str], *, status: int = 2) -> str:
    """The one line of a command that fails, on standard error."""
    done = subprocess.run(
        shlex.split(command), env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == status, done.stderr
    (line,) = done.stderr.splitlines()
    return line


@pytest.fixture
def broken(tmp_path: Path) -> Mapping[str, str]:
    """The environment of somebody who has installed a package with whatever can be wrong."""
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
    install(tmp_path, tmp_path / "installed")
    return with_packages(tmp_path / "installed")


def test_whatever_is_wrong_with_a_package_is_one_line_that_names_it_and_what_to_do(broken: Mapping[str, str]) -> None:
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
        assert failing(f"engine run --text Hello {flags}", broken).startswith(f"engine: {words}")
