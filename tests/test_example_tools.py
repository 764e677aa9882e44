"""The examples of functions for the model: they do what examples/README.md says, as it says it."""

import json
import shlex
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, ClassVar, Final
from urllib.parse import parse_qs, urlsplit

import pytest
import trio
from websockets.sync.client import connect

from realtime_engine.commands import RunTool
from realtime_engine.inputs import ToolResult
from realtime_engine.tool_modules import load_tools
from realtime_engine.tools import Tools
from tests.pages import ROOT, commands, environment, page, section
from tests.served import Served, serving, serving_http

README: Final = page("examples/README.md")
WEATHER: Final = str(ROOT / "examples" / "weather" / "weather.py")
MEMORY: Final = str(ROOT / "examples" / "memory" / "memory.py")
SKY: Final = (ROOT / "examples" / "weather" / "sky" / "forecast.json").read_bytes()
LISBON: Final = '{"latitude":38.72,"longitude":-9.14}'


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A fresh clone, as far as the examples need one."""
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    return tmp_path


def run(command: str, clone: Path) -> str:
    """What a command prints."""
    done = subprocess.run(
        shlex.split(command), cwd=clone, env=environment(), capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout


def served(command: str, clone: Path, **variables: str) -> AbstractContextManager[Served]:
    return serving(shlex.split(command), env=environment(**variables), cwd=clone)


def ask(server: Served, question: str) -> list[dict[str, Any]]:
    """Ask on the page's own WebSocket; the events, up to the second answer: the first calls a function."""
    events: list[dict[str, Any]] = []
    item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": question}]}
    with connect(f"ws://{server.address}/ws") as page:
        page.send(json.dumps({"type": "conversation.item.create", "item": item}))
        page.send(json.dumps({"type": "response.create", "response": {"output_modalities": ["text"]}}))
        while [event["type"] for event in events].count("response.done") < 2:
            events.append(json.loads(page.recv(timeout=30)))
    return events


def output(events: list[dict[str, Any]]) -> str:
    """What the function has returned."""
    items = [event["item"] for event in events if event["type"] == "conversation.item.added"]
    return str(next(item["output"] for item in items if item["type"] == "function_call_output"))


# --- the weather ----------------------------------------------------------------------------------------------


class Sky(BaseHTTPRequestHandler):
    """A weather service."""

    answer: bytes = SKY
    status: int = 200
    asked: ClassVar[list[str]]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        self.send_response(self.status)
        self.send_header("content-length", str(len(self.answer)))
        self.end_headers()
        self.wfile.write(self.answer)

    def log_message(self, format: str, *args: object) -> None: ...


@contextmanager
def sky(**answers: object) -> Iterator[tuple[str, list[str]]]:
    """A weather service on this computer: its address, and what it is asked."""
    asked: list[str] = []
    handler = type("Handler", (Sky,), {"asked": asked, **answers})
    with serving_http(handler) as address:
        yield f"http://{address}/forecast.json", asked


def weather(url: str, within: float = 10.0) -> Tools:
    module = load_tools(WEATHER)
    return module.tools(module.Options(weather_url=url, weather_within=within))


async def test_the_weather_is_asked_of_the_address_in_the_configuration() -> None:
    with sky() as (url, asked):
        result = await weather(url).run_in_time(RunTool("call_1", "get_weather", LISBON))

    assert result == ToolResult("call_1", '{"temperature":17.4,"wind":11.2}')
    (path,) = asked
    query = {key: value for key, (value,) in parse_qs(urlsplit(path).query).items()}
    assert query == {"latitude": "38.72", "longitude": "-9.14", "current": "temperature_2m,wind_speed_10m"}


@pytest.mark.parametrize(
    ("answers", "error"),
    [
        ({"status": 503}, "HTTPStatusError"),
        ({"answer": b"<html>"}, "DecodeError"),
        ({"answer": b'{"current":{}}'}, "ValidationError"),
    ],
)
async def test_a_weather_service_that_fails_is_said_without_its_address(answers: dict[str, object], error: str) -> None:
    with sky(**answers) as (url, _):
        result = await weather(url).run_in_time(RunTool("call_1", "get_weather", LISBON))

    words = f"get_weather failed: RuntimeError: the weather service gave no answer that can be read ({error})"
    assert result == ToolResult("call_1", words, failed=True)


async def test_a_weather_service_that_never_answers_is_given_up() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        result = await weather(url, within=0.05).run_in_time(RunTool("call_1", "get_weather", LISBON))

    assert "Timeout)" in result.output


async def test_a_place_that_is_nowhere_is_not_asked_for() -> None:
    result = await weather("http://127.0.0.1:1/").run_in_time(
        RunTool("call_1", "get_weather", '{"latitude":91,"longitude":0}')
    )

    assert result.output == "wrong arguments for get_weather: Expected `float` <= 90.0 - at `$.latitude`"


def test_the_weather_example_runs_as_the_readme_has_it(clone: Path) -> None:
    serve_sky, question, serve = commands(section(README, "The weather"))
    stand_in = shlex.split(serve_sky.replace("8001", "0"))
    assert stand_in[0] == "python"
    with subprocess.Popen(
        [sys.executable, "-u", *stand_in[1:]], cwd=clone, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            assert process.stdout is not None
            port = process.stdout.readline().partition(" port ")[2].partition(" ")[0]
            said = run(question.replace("8001", port), clone)
            assert '→ {"temperature":17.4,"wind":11.2}' in said
            assert 'The weather service says: {"temperature":17.4,"wind":11.2}' in said
            config = clone / "examples" / "weather" / "engine.toml"
            config.write_text(config.read_text("utf-8").replace("8001", port), "utf-8")
            with served(serve, clone) as server:
                assert output(ask(server, "Is it warm in Lisbon?")) == '{"temperature":17.4,"wind":11.2}'
                process.kill()
                process.wait()
                events = ask(server, "And now, in Lisbon?")
                assert "gave no answer that can be read" in output(events)
                assert [event["name"] for event in events if event["type"] == "engine.tool_failed"] == ["get_weather"]
        finally:
            process.kill()


# --- the memory -----------------------------------------------------------------------------------------------


@pytest.fixture
def memory(tmp_path: Path) -> Tools:
    module = load_tools(MEMORY)
    return module.tools(module.Options(memory=tmp_path / "memory.sqlite"))


def test_what_is_remembered_is_recalled_until_it_is_forgotten(memory: Tools, tmp_path: Path) -> None:
    def call(name: str, **arguments: str) -> str:
        return memory.run(RunTool("call_1", name, json.dumps(arguments))).output

    assert call("recall") == "{}"
    assert call("remember", key="name", value="Ann") == "name is remembered"
    assert call("remember", key="name", value="Anna") == "name is remembered"
    assert call("remember", key="colour", value="blue") == "colour is remembered"
    assert call("recall") == '{"colour":"blue","name":"Anna"}'
    assert call("recall", key="name") == '{"name":"Anna"}'
    assert call("recall", key="age") == "{}"
    assert call("forget", key="name") == "name is forgotten"
    assert call("forget", key="name") == "nothing is remembered of name"
    assert call("recall") == '{"colour":"blue"}'
    assert (tmp_path / "memory.sqlite").stat().st_mode & 0o777 == 0o600


def test_a_memory_has_an_end(memory: Tools, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules["engine_tools_memory"], "MOST", 1)

    def remember(key: str) -> str:
        return memory.run(RunTool("call_1", "remember", json.dumps({"key": key, "value": "x"}))).output

    assert remember("a") == "a is remembered"
    assert remember("b") == "remember failed: ValueError: 1 things are remembered already: forget one first"
    assert remember("a") == "a is remembered"
    assert "wrong arguments for remember" in remember("k" * 101)


async def test_calls_that_come_together_all_count(memory: Tools) -> None:
    async with trio.open_nursery() as nursery:
        for number in range(8):
            arguments = json.dumps({"key": f"k{number}", "value": str(number)})
            nursery.start_soon(memory.run_in_time, RunTool(f"call_{number}", "remember", arguments))

    result = await memory.run_in_time(RunTool("call_9", "recall", ""))

    assert json.loads(result.output) == {f"k{number}": str(number) for number in range(8)}


def test_the_memory_example_runs_as_the_readme_has_it(clone: Path) -> None:
    introduction, question, serve = commands(section(README, "A memory"))

    assert "→ name is remembered" in run(introduction, clone)
    assert '→ {"name":"Anna"}' in run(question, clone)
    with served(serve, clone) as server:
        assert output(ask(server, "Who am I?")) == '{"name":"Anna"}'
