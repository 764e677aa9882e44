"""A connection to a Realtime server, over real sockets."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import trio

from realtime_engine.driving import Run
from realtime_engine.engine import converse
from realtime_engine.errors import UpstreamError
from realtime_engine.inputs import Kind, Side
from realtime_engine.link import CallingLink
from realtime_engine.machine import Close
from realtime_engine.machine_link import open_machine
from realtime_engine.network import Network, open_network
from realtime_engine.options import SessionOptions
from realtime_engine.session import Session
from realtime_engine.upstreams.openai import OpenAI, OpenAIOptions
from realtime_engine.upstreams.openai.connecting import Guarded
from realtime_engine.websocket import WebSocket
from tests.certs import make_certificate
from tests.script import Script, session_created
from tests.servers import open_client, open_server
from tests.wires import serving
from transports.ws import WsOptions

SECRET = "sk-proj-abcdefghijklmnopqrstuvwx"
PATIENCE = 60.0
SILENCE = "127.0.0.1 has said something that may show a key: it is left out"


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)


@asynccontextmanager
async def answering(answer: bytes) -> AsyncIterator[str]:
    """A server that says this to everybody, whatever they want; nothing: for ever."""

    async def handle(stream: trio.SocketStream) -> None:
        if answer:
            await stream.receive_some()
            with suppress(trio.BrokenResourceError):  # whoever has understood enough is gone already
                await stream.send_all(answer)
        else:
            await trio.sleep_forever()

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(trio.serve_tcp, handle, 0)
        yield f"ws://127.0.0.1:{listeners[0].socket.getsockname()[1]}/v1/realtime"
        nursery.cancel_scope.cancel()


async def refused(url: str, **options: Any) -> str:
    return str(await refusal(url, **options))


async def refusal(url: str, **options: Any) -> UpstreamError:
    async with open_network() as network:
        with pytest.raises(UpstreamError) as error, trio.fail_after(PATIENCE):
            async with OpenAI(OpenAIOptions(url=url, **options)).open(trio.current_time, network) as link:
                await link.read()
    return error.value


def says(*events: dict[str, Any] | str, code: int = 1000, reason: str = "") -> Callable[[WebSocket], Awaitable[None]]:
    """A server that says all this and closes."""

    async def serve(websocket: WebSocket) -> None:
        for event in events:
            websocket.write((event if isinstance(event, str) else json.dumps(event)).encode(), Kind.TEXT)
        await websocket.close(code, reason)

    return serve


async def hold(network: Network, url: str, front: Script, **options: Any) -> Run:
    """A conversation with a server."""
    upstream = OpenAI(OpenAIOptions(url=url, **options))
    with trio.fail_after(PATIENCE):
        return await converse(
            Session(SessionOptions()),
            open_front=lambda clock: open_machine(Side.FRONT, front, clock),
            open_upstream=lambda clock: upstream.open(clock, network),
        )


async def test_what_a_server_says_is_handed_on_as_it_came_and_counted() -> None:
    async with open_network() as network, serving(network, says(session_created(), "no json: error", code=4000)) as url:
        upstream = OpenAI(OpenAIOptions(url=url))
        async with upstream.open(trio.current_time, network) as link:
            link.write(b"{}", Kind.TEXT)
            link.flush()
            said: list[bytes] = []
            with trio.fail_after(PATIENCE):
                while batch := await link.read():
                    said += [bytes(message.raw) for message in batch]

            assert said == [json.dumps(session_created()).encode(), b"no json: error"]
            assert link.closed == (4000, "")
            assert isinstance(link, Guarded)
            assert isinstance(link, CallingLink)
            assert (link.messages_in, link.messages_out, link.queued) == (2, 1, 0)
            assert link.bytes_in > 0
            assert link.sent == link.bytes_out > 0


async def test_a_key_that_the_server_refuses_in_words_is_told_in_the_engines_own() -> None:
    """The hosted service checks the key after the handshake, and repeats what it was given (protocol.md, 1.2)."""
    message = f"Incorrect API key provided: {SECRET[:8]}********{SECRET[-4:]}."
    detail = {"type": "invalid_request_error", "code": "invalid_api_key", "message": message, "param": "x"}
    error = {"type": "error", "event_id": "event_1", "error": detail}
    serve = says({"type": "other"}, error, code=3000, reason="invalid_request_error.invalid_api_key")
    front = Script()

    async with open_network() as network, serving(network, serve) as url:
        end = await hold(network, url, front)

    (told,) = front.all("error")
    assert told["error"]["code"] == "invalid_api_key"
    assert told["error"]["message"] == "127.0.0.1 does not accept the key of OPENAI_API_KEY: check it"
    assert end.code == 1011
    assert "127.0.0.1 does not accept the key of OPENAI_API_KEY: check it" in end.reason
    assert SECRET[:7] not in end.reason + json.dumps([heard.event for heard in front.heard])


async def test_an_error_in_an_unknown_shape_is_told_without_the_key_too() -> None:
    front = Script()

    async with open_network() as network, serving(network, says({"type": "error", "error": SECRET})) as url:
        await hold(network, url, front)

    assert SECRET not in json.dumps([heard.event for heard in front.heard])
    assert front.all("error")[0]["error"]["message"] == SILENCE


async def test_what_else_may_show_the_key_is_left_out_and_the_rest_of_the_error_stays() -> None:
    detail = {"type": "server_error", "code": "tool_failed", "message": f"No API key like {SECRET}", "param": SECRET}
    error = {"type": "error", "event_id": "event_1", "error": {**detail, "event_id": "mine_1"}}
    front = Script()

    async with open_network() as network, serving(network, says(error, code=4000, reason=f"{SECRET} is odd")) as url:
        end = await hold(network, url, front)

    told = front.all("error")[0]["error"]
    assert told == {
        "type": "server_error",
        "code": "tool_failed",
        "message": SILENCE,
        "param": None,
        "event_id": "mine_1",
    }
    assert SILENCE in end.reason


async def test_other_errors_pass_as_they_came() -> None:
    front = Script()
    error = {"type": "error", "error": {"code": "invalid_model", "message": "No such model."}}

    async with open_network() as network, serving(network, says(error, code=4000, reason="no model")) as url:
        end = await hold(network, url, front)

    assert front.all("error") == [error]
    assert "no model" in end.reason


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n", "(401): it does not accept the key of"),
        (b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n", "127.0.0.1 is in trouble (500)"),
        (b"SSH-2.0-OpenSSH\r\n", "127.0.0.1 does not speak HTTP"),
    ],
)
async def test_a_server_that_refuses_is_one_sentence(answer: bytes, said: str) -> None:
    async with answering(answer) as url:
        assert said in await refused(url)


async def test_a_server_that_does_not_answer_is_given_up() -> None:
    async with answering(b"") as url:
        assert await refused(url, connect_within=0.1) == "127.0.0.1 was not reached within 0.1 s: is it there?"


async def test_a_server_that_never_says_a_word_is_given_up() -> None:
    async def silent(websocket: WebSocket) -> None:
        await websocket.read()

    async with open_network() as network, serving(network, silent) as url:
        said = await refused(url, greet_within=0.1)

    assert said == "127.0.0.1 has said nothing within 0.1 s: is it a Realtime server?"


@pytest.mark.parametrize("path", ["/ws", "/v1/realtime"])
@pytest.mark.parametrize("said", ["hello", "[1]", '{"type":"response.done"', "[" * 5000 + "]" * 5000])
async def test_a_server_that_says_what_is_no_event_has_failed(said: str, path: str) -> None:
    async with (
        open_network() as network,
        serving(network, says(said)) as url,
        open_server(upstream=OpenAI(OpenAIOptions(url=url))) as server,
        open_client(server.ws_url + path) as client,
    ):
        told = await client.hear("error")
        code, reason = await client.closing()
        errors = server.service.metrics.totals().errors

    assert told["error"]["code"] == "upstream_closed"
    assert code == 1011
    assert reason.startswith("the upstream has said what is no event: ")
    assert errors == {"engine upstream_closed": 1}


@pytest.mark.parametrize("reason", ["", "no more today"])
async def test_a_server_that_says_good_bye_before_all_else_has_refused(reason: str) -> None:
    front = Script()

    async with open_network() as network, serving(network, says(reason=reason)) as url:
        end = await hold(network, url, front)

    before = "127.0.0.1 has ended the connection before it began a session"
    assert front.all("error")[0]["error"]["code"] == "upstream_closed"
    assert end.code == 1011
    assert end.reason == f"the upstream has failed: {before}" + (f": {reason}" if reason else "")


async def test_a_server_that_has_greeted_may_say_good_bye() -> None:
    front = Script()

    async with open_network() as network, serving(network, says(session_created())) as url:
        end = await hold(network, url, front)

    assert (end.code, end.reason) == (1000, "the upstream has ended the conversation")
    assert not front.all("error")


async def test_a_server_that_has_greeted_may_be_silent() -> None:
    async def greet(websocket: WebSocket) -> None:
        websocket.write(json.dumps(session_created()).encode(), Kind.TEXT)
        websocket.flush()
        await websocket.read()

    front = Script().at(2.0, Close())  # after more than one look at the clock
    async with open_network() as network, serving(network, greet) as url:
        end = await hold(network, url, front, greet_within=1.0)

    assert end.code == 1000


async def test_an_authority_of_ones_own_is_trusted_and_an_unknown_one_is_not(tmp_path: Path) -> None:
    certificate = make_certificate(tmp_path)
    options = WsOptions(tls_cert=certificate.chain, tls_key=certificate.key)
    async with open_server(options) as server:
        url = f"{server.ws_url}/v1/realtime"
        async with open_network() as network:
            front = Script().on("session.created", Close())
            assert (await hold(network, url, front, upstream_ca=certificate.chain)).code == 1000

        error = await refusal(url)
        assert str(error) == (
            "cannot trust 127.0.0.1: self-signed certificate: name the file of its authority with --upstream-ca"
        )
        assert error.final


async def test_a_certificate_for_another_name_is_not_mended_by_an_authority(tmp_path: Path) -> None:
    certificate = make_certificate(tmp_path, names="DNS:there.example")
    async with open_server(WsOptions(tls_cert=certificate.chain, tls_key=certificate.key)) as server:
        error = await refusal(f"{server.ws_url}/v1/realtime", upstream_ca=certificate.chain)

    assert str(error) == ("cannot trust 127.0.0.1: IP address mismatch, certificate is not valid for '127.0.0.1'")
    assert error.final
