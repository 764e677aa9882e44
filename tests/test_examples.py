"""The examples do what they say; those of functions for the model are in test_example_tools.py."""

import re
import shlex
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any, Final

import pytest
import trio
from trio_websocket import ConnectionClosed, WebSocketConnection, WebSocketRequest, serve_websocket

from realtime_engine.client import open_client
from realtime_engine.driving import Run
from realtime_engine.engine import converse
from realtime_engine.errors import UpstreamError, UsageError
from realtime_engine.finding import UPSTREAMS, find
from realtime_engine.inputs import Kind, Side
from realtime_engine.link import Link
from realtime_engine.machine import Close
from realtime_engine.machine_link import MachineLink, open_machine
from realtime_engine.metrics import Mode
from realtime_engine.options import SessionOptions
from realtime_engine.plugins import Wanted, is_machine
from realtime_engine.session import Session
from realtime_engine.upstreams.local import Local, LocalOptions
from tests import speech
from tests.cli.fake import engine
from tests.pages import commands, page, section
from tests.script import Script

ROOT: Final = Path(__file__).parent.parent
POINT: Final = EntryPoint(
    "trio-websocket", "examples.trio_websocket_upstream.trio_websocket_upstream:TrioWebsocket", UPSTREAMS
)
HELLO: Final = {
    "type": "conversation.item.create",
    "item": {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hello?"}]},
}

SOUND: Final = {"type": "input_audio_buffer.append", "audio": "AAAA"}

Handler = Callable[[WebSocketRequest], Awaitable[None]]


def the_plugin(url: str, **options: Any) -> Any:
    """The plug-in, found as a stranger's is."""
    plugin = find(UPSTREAMS, "trio-websocket", points=[POINT])
    return plugin(plugin.Options(url=url, model_name="gpt-test", **options))


async def serve(nursery: trio.Nursery, handler: Handler) -> str:
    """A server of trio-websocket's own; its address."""
    server = await nursery.start(serve_websocket, handler, "127.0.0.1", 0, None)
    return f"ws://127.0.0.1:{server.port}/v1/realtime"


async def embedded_model(request: WebSocketRequest) -> None:
    """A server behind which the embedded model answers."""
    connection = await request.accept()
    machine = Local(LocalOptions(speech="tones")).connect()
    async with open_machine(Side.UPSTREAM, machine, trio.current_time) as model, trio.open_nursery() as nursery:
        nursery.start_soon(_answer, model, connection)
        try:
            while True:
                model.write(str(await connection.get_message()).encode(), Kind.TEXT)
                model.flush()
        except ConnectionClosed:
            nursery.cancel_scope.cancel()


async def _answer(model: MachineLink, connection: WebSocketConnection) -> None:
    with suppress(ConnectionClosed):  # whoever reads ends the conversation
        while True:
            for message in await model.read():
                await connection.send_message(message.raw.decode())


async def talk(front: Script, upstream: Any, mode: Mode = "managed") -> Run:
    assert not is_machine(upstream)
    with trio.fail_after(20):
        return await converse(
            Session(SessionOptions(mode=mode, upstream=upstream.name)),
            open_front=partial(open_machine, Side.FRONT, front),
            open_upstream=lambda clock: upstream.open(clock, None),
        )


@pytest.mark.parametrize("mode", ["managed", "transparent"])
async def test_a_conversation_through_trio_websocket(mode: Mode) -> None:
    front = Script().on("session.created", SOUND, HELLO, "response.create").on("response.done", Close(1000))
    async with trio.open_nursery() as nursery:
        run = await talk(front, the_plugin(await serve(nursery, embedded_model)), mode)
        nursery.cancel_scope.cancel()

    assert (run.code, run.reason) == (1000, "the front has left")
    (done,) = front.all("response.done")
    assert done["response"]["status"] == "completed"
    assert done["response"]["output"][0]["content"][0]["transcript"] == "You said: Hello?"
    assert sum(len(event["delta"]) for event in front.all("response.output_audio.delta")) > 10_000


async def test_a_client_talks_through_trio_websocket() -> None:
    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:
            async with open_client(the_plugin(await serve(nursery, embedded_model))) as client:
                await client.send_user_message("Hello?")
                while (item := await client.wait_for_next_completed_item()).role != "assistant":
                    pass
                assert item.transcript == "You said: Hello?"
            nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("query", "wanted", "path"),
    [
        ("", Wanted(), "/v1/realtime?model=gpt-test"),
        ("", Wanted(model="a&b"), "/v1/realtime?model=a%26b"),
        ("", Wanted(transcription=True), "/v1/realtime?intent=transcription"),
        ("?version=2&preview=", Wanted(), "/v1/realtime?version=2&preview=&model=gpt-test"),
        ("?model=mine", Wanted(model="a"), "/v1/realtime?model=mine"),
    ],
)
async def test_it_asks_for_what_is_wanted_and_brings_the_key(
    query: str, wanted: Wanted, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    asked: list[tuple[str, object]] = []

    async def handler(request: WebSocketRequest) -> None:
        asked.append((request.path, dict(request.headers)[b"authorization"]))
        await (await request.accept()).aclose(4000, "nothing here")

    async with trio.open_nursery() as nursery:
        upstream = the_plugin(await serve(nursery, handler) + query)
        async with upstream.open(trio.current_time, None, wanted) as link:
            with trio.fail_after(10):
                assert await link.read() == ()
            assert link.closed == (4000, "nothing here")
        nursery.cancel_scope.cancel()

    assert asked == [(path, b"Bearer sk-test")]


async def test_bytes_pass_as_bytes_and_a_close_comes_after_all_that_was_written() -> None:
    heard: list[str | bytes] = []

    async def handler(request: WebSocketRequest) -> None:
        connection = await request.accept()
        await connection.send_message(b"\0\1")
        try:
            while True:
                heard.append(await connection.get_message())
        except ConnectionClosed as closed:
            heard.append(repr(closed.reason))

    async with trio.open_nursery() as nursery:
        async with the_plugin(await serve(nursery, handler)).open(trio.current_time, None) as link:
            (message,) = await link.read()
            assert (message.kind, message.raw) == (Kind.BINARY, b"\0\1")
            for _ in range(3):
                link.write(bytes(50_000), Kind.BINARY)
            link.write(b"{}", Kind.TEXT)
            assert link.queued == 150_002
            link.flush()
            await link.drain()
            assert link.queued <= 64 * 1024
            await link.close(1000, "bye")
            assert (link.sent, link.queued) == (150_002, 0)
        nursery.cancel_scope.cancel()

    assert heard[:4] == [bytes(50_000)] * 3 + ["{}"]
    assert "bye" in str(heard[4])


async def test_it_says_good_bye_though_the_task_that_reads_leaves_meanwhile() -> None:
    async def handler(request: WebSocketRequest) -> None:
        with suppress(ConnectionClosed):
            await (await request.accept()).get_message()

    async def listen(upstream: Any, task_status: trio.TaskStatus[Link]) -> None:
        async with upstream.open(trio.current_time, None) as link:
            task_status.started(link)
            assert await link.read() == ()

    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            link = await nursery.start(listen, the_plugin(await serve(nursery, handler)))
            await link.close(1000, "bye")
            nursery.cancel_scope.cancel()


async def test_what_is_written_after_the_end_goes_nowhere_and_holds_nobody_up() -> None:
    async def handler(request: WebSocketRequest) -> None:
        await (await request.accept()).aclose(1000, "")

    async with trio.open_nursery() as nursery:
        async with the_plugin(await serve(nursery, handler)).open(trio.current_time, None) as link:
            assert await link.read() == ()
            link.write(bytes(100_000), Kind.BINARY)
            link.flush()
            with trio.fail_after(10):
                await link.drain()
                await link.close(1000, "")
        nursery.cancel_scope.cancel()


async def test_a_refusal_is_the_upstreams_error() -> None:
    async def handler(request: WebSocketRequest) -> None:
        await request.reject(403)

    async with trio.open_nursery() as nursery:
        upstream = the_plugin(await serve(nursery, handler))
        with pytest.raises(UpstreamError, match="status_code=403"):
            async with upstream.open(trio.current_time, None):
                pytest.fail("it was not refused")
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    "address", ["https://127.0.0.1/", "127.0.0.1:8000", "ws://", "ws://[::1/", "ws://127.0.0.1:port/?key=sesame", ""]
)
def test_what_is_no_address_of_a_websocket_server_is_refused_before_anybody_calls(address: str) -> None:
    with pytest.raises(UsageError, match=r"the address must be a whole ws:// or wss:// URL$"):
        the_plugin(address)


def test_no_time_to_connect_is_refused() -> None:
    with pytest.raises(UsageError, match=r"^--connect-within must be more than 0 seconds, not 0$"):
        the_plugin("ws://127.0.0.1:1/", connect_within=0)


async def test_a_message_that_is_too_large_ends_the_connection() -> None:
    async def handler(request: WebSocketRequest) -> None:
        connection = await request.accept()
        await connection.send_message(b"x" * 200)
        with suppress(ConnectionClosed):
            await connection.get_message()

    async with trio.open_nursery() as nursery:
        address = await serve(nursery, handler)
        async with the_plugin(address, max_message_upstream=100).open(trio.current_time, None) as link:
            assert link.largest == 100
            with trio.fail_after(10):
                assert await link.read() == ()
            assert link.closed[0] == 1009
        nursery.cancel_scope.cancel()


async def test_the_key_goes_nowhere_in_clear_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    with pytest.raises(UpstreamError, match=r"^the key would go to model.example in clear text: use wss://$"):
        async with the_plugin("ws://model.example/").open(trio.current_time, None):
            pytest.fail("the key is on its way")


async def test_nobody_there_is_the_upstreams_error() -> None:
    with pytest.raises(UpstreamError, match="cannot be reached: "):
        async with the_plugin("ws://127.0.0.1:1/").open(trio.current_time, None):
            pytest.fail("somebody is there")


async def test_somebody_who_speaks_no_websocket_is_the_upstreams_error() -> None:
    async def say_nothing(stream: trio.SocketStream) -> None:
        await trio.sleep_forever()

    async with trio.open_nursery() as nursery:
        (listener,) = await nursery.start(partial(trio.serve_tcp, say_nothing, 0, host="127.0.0.1"))
        port = listener.socket.getsockname()[1]
        with pytest.RaisesGroup(pytest.RaisesExc(UpstreamError, match="127.0.0.1 does not speak WebSocket")):
            async with the_plugin(f"ws://127.0.0.1:{port}", connect_within=0.1).open(trio.current_time, None):
                pytest.fail("it does speak")
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("turn", "answer"),
    [
        (("--input", str(ROOT / "examples" / "question.wav")), "sunny in Lisbon"),
        (("--text", "How is the weather?"), "twenty-two degrees"),
        (("--text", "Switch the lamp on"), "The house says: the lamp is on"),
        (("--text", "Hello"), "You wrote: Hello."),
    ],
)
def test_the_embedded_model_has_an_answer(
    turn: tuple[str, str], answer: str, capsys: pytest.CaptureFixture[str]
) -> None:
    script, tools = ROOT / "examples" / "replies.toml", ROOT / "examples" / "house.py"
    local = ("--upstream", "local", "--script", script, "--tools", tools, "--speech", "tones")

    assert engine("run", *local, *turn, "--speed", "max") == 0
    assert answer in capsys.readouterr().out


def test_the_page_names_every_example() -> None:
    named = re.findall(r"^\| `([^`/]+)/?`", page("examples/README.md"), re.MULTILINE)

    there = [path.name for path in (ROOT / "examples").iterdir() if path.name not in ("README.md", "__pycache__")]
    assert sorted(named) == sorted(there)


def test_no_command_of_the_page_is_left_out() -> None:
    text = page("examples/README.md")
    tested = ["The weather", "A memory"]  # by test_example_tools
    tested += ["A client", "An upstream"]  # by test_client_examples and system/test_strangers

    assert commands(text) == [command for heading in tested for command in commands(section(text, heading))]


def test_the_question_is_made_as_the_page_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (command,) = re.findall(r"`python -m (tests\.speech .+?)`", page("examples/README.md"))
    monkeypatch.setattr("sys.argv", shlex.split(command))
    monkeypatch.chdir(tmp_path)
    made = Path("examples", "question.wav")
    made.parent.mkdir()

    speech.main()

    assert made.read_bytes() == (ROOT / made).read_bytes()
