"""The client over real sockets: an engine that serves, a server of other makers, and one that is not there."""

import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest
import trio
from trio_websocket import ConnectionClosed, WebSocketRequest, serve_websocket

from realtime_engine import UpstreamError, UsageError, open_client
from realtime_engine.network import open_network
from realtime_engine.recording.keep import open_recordings
from realtime_engine.updates import AudioDelta, ResponseEnded, ToolEnded
from tests.faults import open_proxy
from tests.served import served
from tests.servers import PATIENCE, eventually, model, open_server
from tests.talk import session

ROOT: Final = Path(__file__).parent.parent
QUESTION: Final = ROOT / "examples" / "question.wav"
WAV_HEADER: Final = 44


async def lamp(on: bool) -> str:
    """Switch the lamp on or off."""
    return f"the lamp is {'on' if on else 'off'}"


def script() -> Any:
    return model(script=ROOT / "examples" / "replies.toml", reply_speed=100.0)


async def test_a_typed_conversation_with_a_function_through_an_engine() -> None:
    with trio.fail_after(PATIENCE):
        async with (
            open_server(upstream=script()) as server,
            open_client(f"{server.ws_url}/v1/realtime", tools=[lamp]) as client,
        ):
            await client.send_user_message("Switch the lamp on")
            assert (await client.wait_for(ToolEnded)).output == "the lamp is on"
            await client.wait_for_answer()

            assert [item.type for item in client.items] == [
                *("message", "function_call", "function_call_output", "message"),
            ]
            assert client.items[-1].transcript == "The house says: the lamp is on"


async def test_a_client_that_is_cancelled_says_goodbye() -> None:
    with trio.fail_after(PATIENCE):
        async with open_server(upstream=script()) as server:
            with trio.CancelScope() as scope:
                async with open_client(f"{server.ws_url}/v1/realtime"):
                    scope.cancel()
                    await trio.sleep_forever()
            await eventually(lambda: bool(server.service.metrics.totals().ended))

            assert server.service.metrics.totals().errors == {}


async def test_a_spoken_conversation_through_an_engine() -> None:
    sound = QUESTION.read_bytes()[WAV_HEADER:] + bytes(48_000)

    with trio.fail_after(PATIENCE):
        async with (
            open_server(upstream=script()) as server,
            open_client(f"{server.ws_url}/v1/realtime") as client,
            trio.open_nursery() as nursery,
        ):
            nursery.start_soon(client.append_audio, sound)
            heard = b""
            async for update in client.updates():
                match update:
                    case AudioDelta(audio=audio):
                        heard += audio
                    case ResponseEnded():
                        break

            user, answer = client.items
            assert 48_000 < len(user.audio) < len(sound)
            assert user.audio in sound
            assert answer.transcript.startswith("I hear a question")
            assert answer.audio == heard


async def test_two_clients_share_the_sockets_of_their_process() -> None:
    with trio.fail_after(PATIENCE):
        async with (
            open_server(upstream=script()) as server,
            open_network() as network,
            open_client(f"{server.ws_url}/v1/realtime", network=network) as one,
            open_client(f"{server.ws_url}/v1/realtime", network=network) as other,
        ):
            for client in (one, other):
                await client.send_user_message("How is the weather?")
            for client in (one, other):
                await client.wait_for_answer()
                assert client.items[1].transcript.startswith("It is sunny")


async def test_a_recording_answers_a_client_that_does_again_what_it_did_then(tmp_path: Path) -> None:
    async def talk(upstream: str) -> list[tuple[str, str]]:
        async with open_client(upstream, session={"instructions": "Be brief."}, tools=[lamp]) as client:
            await client.send_user_message("Switch the lamp on")
            await client.wait_for_answer()
            return [(item.type, item.words or item.output) for item in client.items]

    with trio.fail_after(PATIENCE):
        async with (
            open_recordings(tmp_path) as recordings,
            open_server(upstream=script(), recordings=recordings) as server,
        ):
            then = await talk(f"{server.ws_url}/v1/realtime")
        (folder,) = await trio.Path(tmp_path).iterdir()

        assert await talk(f"recorded:{folder}") == then
    assert then[-1] == ("message", "The house says: the lamp is on")


def test_a_conversation_with_a_server_in_a_process_of_its_own() -> None:
    async def talk(url: str, key: str) -> str:
        with trio.fail_after(PATIENCE):
            async with open_client(url, key=key) as client:
                await client.send_user_message("Good morning")
                await client.wait_for_answer()
                return client.items[-1].transcript

    with served("--upstream", "local", "--speech", "tones", env={"ENGINE_TOKEN": "sesame"}) as server:
        assert trio.run(talk, server.realtime, "sesame") == "You said: Good morning"

        with pytest.raises(UpstreamError, match="401"):
            trio.run(talk, server.realtime, "wrong")


# --- a server of other makers ---------------------------------------------------------------------------------

Handler = Callable[[WebSocketRequest], Awaitable[None]]


async def serve(nursery: trio.Nursery, handler: Handler) -> str:
    server = await nursery.start(serve_websocket, handler, "127.0.0.1", 0, None)
    return f"ws://127.0.0.1:{server.port}"


async def test_the_address_is_the_one_that_is_dialled() -> None:
    """The reference client ignores it under Node."""
    asked: list[tuple[str, Any]] = []

    async def handler(request: WebSocketRequest) -> None:
        asked.append((request.path, dict(request.headers)))
        connection = await request.accept()
        await connection.send_message(json.dumps(session()))
        with suppress(ConnectionClosed):
            while True:
                await connection.get_message()

    with trio.fail_after(PATIENCE):
        async with trio.open_nursery() as nursery:
            url = await serve(nursery, handler)
            async with open_client(f"{url}/my/path?x=1", model="mine", key="secret", headers={"X-Mine": "7"}) as client:
                await client.wait_for_session()
            nursery.cancel_scope.cancel()

    ((path, headers),) = asked
    assert path == "/my/path?x=1&model=mine"
    assert headers[b"authorization"] == b"Bearer secret"
    assert headers[b"x-mine"] == b"7"


@pytest.mark.parametrize(
    ("said", "code", "problem"),
    [("no JSON", 1007, "what is no event"), (None, 4000, r"nothing here \(4000\)")],
)
async def test_a_server_that_misbehaves_is_one_error(said: str | None, code: int, problem: str) -> None:
    closed: list[int] = []

    async def handler(request: WebSocketRequest) -> None:
        connection = await request.accept()
        if said is None:
            await connection.aclose(code, "nothing here")
        else:
            await connection.send_message(said)
            with suppress(ConnectionClosed):
                await connection.get_message()
            assert connection.closed is not None
            closed.append(connection.closed.code)

    with trio.fail_after(PATIENCE):
        async with trio.open_nursery() as nursery:
            url = await serve(nursery, handler)
            async with open_client(url) as client:
                with pytest.raises(UpstreamError, match=problem):
                    await client.wait_for_session()
            nursery.cancel_scope.cancel()

    assert closed == ([code] if said is not None else [])


async def test_a_server_that_hangs_up_at_once_is_one_error() -> None:
    async def hang_up(stream: trio.SocketStream) -> None:
        await stream.aclose()

    with trio.fail_after(PATIENCE):
        async with trio.open_nursery() as nursery:
            (listener,) = await nursery.start(partial(trio.serve_tcp, hang_up, 0, host="127.0.0.1"))
            with pytest.raises(UpstreamError):
                async with open_client(f"ws://127.0.0.1:{listener.socket.getsockname()[1]}"):
                    pytest.fail("it was opened")
            nursery.cancel_scope.cancel()


async def test_a_connection_that_is_reset_is_an_error_for_who_reads_and_who_speaks() -> None:
    with trio.fail_after(PATIENCE):
        async with (
            open_server(upstream=script()) as server,
            open_proxy(server.port) as proxy,
            open_client(f"ws://127.0.0.1:{proxy.port}/v1/realtime") as client,
        ):
            await client.wait_for_session()
            proxy.reset()
            with pytest.raises(UpstreamError, match=r"\(1006\)"):
                async for _ in client.updates():
                    pass
            with pytest.raises(UpstreamError, match=r"\(1006\)"):
                await client.send_user_message("Hello?")


async def test_nobody_there_is_one_error() -> None:
    with pytest.raises(UpstreamError, match=r"127\.0\.0\.1"):
        async with open_client("ws://127.0.0.1:1"):
            pytest.fail("somebody is there")


async def test_an_address_that_is_none_is_the_applications_mistake() -> None:
    with pytest.raises(UsageError, match="begins with wss:// or ws://"):
        async with open_client("http://127.0.0.1:8000"):
            pytest.fail("it was opened")
