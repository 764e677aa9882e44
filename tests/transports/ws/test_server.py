"""The server over real sockets: who has a place, what passes, and how all of it ends."""

import json
import socket
import ssl
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
import trio
import websockets.sync.client
from msgspec import Raw
from structlog.testing import capture_logs

from realtime_engine.inputs import Stop
from realtime_engine.network import open_network
from realtime_engine.options import Limits, Policy
from realtime_engine.plugins import ANYTHING, Wanted
from realtime_engine.recording.keep import open_recordings
from realtime_engine.recording.reader import Recording
from realtime_engine.service import Service
from realtime_engine.settings import pins
from realtime_engine.tools import Tools
from tests.certs import make_certificate
from tests.script import Script, created, done
from tests.servers import PATIENCE, Scripted, eventually, model, open_client, open_server
from transports.ws import Ws, WsOptions
from transports.ws.listeners import bind
from transports.ws.slots import LocalSlots

TOKEN: Final = "correct-horse-battery-staple"
KEY: Final = "dGhlIHNhbXBsZSBub25jZQ=="
PATHS: Final = ("/ws", "/v1/realtime")


async def turned_away(url: str, *headers: tuple[str, str]) -> tuple[int, httpx.Headers, dict[str, Any]]:
    """Status, headers and error of a handshake that is not granted."""
    handshake = [
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", KEY),
    ]
    async with httpx.AsyncClient(trust_env=False, timeout=PATIENCE) as browser:
        response = await browser.get(f"http{url.removeprefix('ws')}", headers=[*handshake, *headers])
    return response.status_code, response.headers, response.json()["error"]


async def get(url: str) -> httpx.Response:
    async with httpx.AsyncClient(trust_env=False, timeout=PATIENCE) as browser:
        return await browser.get(url)


# --- conversations --------------------------------------------------------------------------------------------


async def test_a_realtime_client_has_its_question_answered() -> None:
    async with open_server() as server, open_client(f"{server.ws_url}/v1/realtime?model=any") as client:
        first = await client.hear()
        answered = await client.ask("Are you there?")

    assert first["type"] == "session.created"
    assert answered["response"]["status"] == "completed"


async def test_a_managed_front_is_told_what_is_pinned_and_has_its_question_answered() -> None:
    async with open_server() as server, open_client(f"{server.ws_url}/ws") as client:
        told = await client.hear()
        answered = await client.ask("Are you there?")

    assert (told["type"], told["upstream"], told["pinned"]) == ("engine.session", "local", {})
    assert answered["response"]["status"] == "completed"


async def test_another_library_s_client_is_served_as_well() -> None:
    def talk(url: str) -> tuple[str | None, str]:
        with websockets.sync.client.connect(url, subprotocols=["realtime"], proxy=None) as client:  # type: ignore[list-item]
            first = json.loads(client.recv(timeout=PATIENCE))
            client.close(1000, "thank you")
            return client.subprotocol, first["type"]

    async with open_server() as server:
        selected, first = await trio.to_thread.run_sync(talk, f"{server.ws_url}/v1/realtime")

    assert (selected, first) == ("realtime", "session.created")


@pytest.mark.parametrize(
    ("path", "more"),
    [
        ("/v1/realtime?model=gpt-4o-realtime-preview", {"extra_headers": [("OpenAI-Beta", "realtime=v1")]}),
        ("/v1/realtime", {"subprotocols": ["realtime", "openai-beta.realtime-v1"]}),
        ("/v1/realtime?dialect=beta", {}),
        ("/ws?dialect=beta", {}),
    ],
)
async def test_a_client_of_the_beta_has_its_question_answered(path: str, more: dict[str, Any]) -> None:
    async with open_server() as server, open_client(f"{server.ws_url}{path}", **more) as client:
        first = await client.hear()
        await client.say({"type": "session.update", "session": {"modalities": ["text"], "temperature": 0.8}})
        changed = await client.hear("session.updated", "error")
        answered = await client.ask("Are you there?")

    assert (first["type"], first["session"]["input_audio_format"]) == ("session.created", "pcm16")
    assert changed["session"]["modalities"] == ["text"]
    assert answered["response"]["output"][0]["content"] == [{"type": "text", "text": "You said: Are you there?"}]


async def test_a_dialect_that_nobody_speaks_is_refused() -> None:
    async with open_server() as server:
        status, _, error = await turned_away(f"{server.ws_url}/v1/realtime?dialect=alpha")

    assert (status, error["code"]) == (400, "invalid_dialect")


async def test_what_comes_with_the_handshake_is_heard() -> None:
    upstream = Scripted()
    frame = b'\x81\x9c\x00\x00\x00\x00{"type":"response.cancel"}'.replace(b"\x9c", bytes([0x80 | 26]))
    head = (
        b"GET /v1/realtime HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    async with open_server(upstream=upstream) as server, await trio.open_tcp_stream("127.0.0.1", server.port) as stream:
        await stream.send_all(head + frame)
        await eventually(lambda: bool(upstream.scripts) and upstream.scripts[0].types() == ["response.cancel"])


async def test_a_client_s_url_says_what_it_wants_and_what_nobody_knows_is_ignored() -> None:
    upstream = Scripted()
    async with open_server(upstream=upstream) as server:
        for query in ("model=gpt-x&unheard=of", "intent=transcription", "model=", "intent=other&call_id="):
            async with open_client(f"{server.ws_url}/v1/realtime?{query}"):
                pass
        await eventually(lambda: len(upstream.wanted) == 4)

    assert upstream.wanted == [Wanted("gpt-x"), Wanted(transcription=True), ANYTHING, ANYTHING]


@pytest.mark.parametrize("path", ["/v1/realtime?call_id=rtc_1", "/v1/realtime?model=any&dialect=beta&call_id=rtc_1"])
async def test_a_call_that_a_client_would_listen_in_on_is_not_here(path: str) -> None:
    upstream = Scripted()
    async with open_server(upstream=upstream) as server:
        status, _, error = await turned_away(f"{server.ws_url}{path}")
        plain = await get(f"{server.url}{path}")

    assert (status, plain.status_code) == (404, 404)
    assert error == {
        "message": "No session found for the provided call_id",
        "type": "invalid_request_error",
        "code": "call_id_not_found",
        "param": "",
    }
    assert upstream.wanted == []


async def test_whether_a_call_is_here_is_told_to_those_who_may_come_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENGINE_TOKEN", TOKEN)
    async with open_server() as server:
        status, _, error = await turned_away(f"{server.ws_url}/v1/realtime?call_id=rtc_1")

    assert (status, error["code"]) == (401, "token_required")


async def test_a_client_s_model_does_not_count_where_the_operator_chooses_it() -> None:
    upstream = Scripted()
    policy = Policy(pinned={"model": "set by the operator"})
    served = open_server(upstream=upstream, policy=policy)
    async with served as server, open_client(f"{server.ws_url}/v1/realtime?model=dear"):
        await eventually(lambda: bool(upstream.wanted))

    assert upstream.wanted == [ANYTHING]


async def test_what_the_operator_has_set_is_so_and_a_client_cannot_change_it() -> None:
    settings = Raw(b'{"type":"realtime","instructions":"Be brief.","audio":{"output":{"voice":"cedar"}}}')
    asked = {"type": "realtime", "instructions": "Be dear.", "audio": {"output": {"voice": "ash", "speed": 1.1}}}

    async with open_server(settings=settings, policy=Policy(pinned=pins(settings))) as server:
        async with open_client(f"{server.ws_url}/v1/realtime") as client:
            assert (await client.hear("session.updated"))["session"]["instructions"] == "Be brief."
            await client.say({"type": "session.update", "session": asked})
            told = await client.hear("session.updated", "error")
        async with open_client(f"{server.ws_url}/ws") as page:
            pinned = (await page.hear("engine.session"))["pinned"]

    assert told["type"] == "session.updated"
    assert told["session"]["instructions"] == "Be brief."
    assert told["session"]["audio"]["output"] | {"format": 0} == {"voice": "cedar", "speed": 1.1, "format": 0}
    assert pinned.keys() == {"instructions", "audio.output.voice"}


async def test_a_binary_frame_of_a_realtime_client_gets_the_protocol_s_error_and_it_goes_on() -> None:
    async with open_server() as server, open_client(f"{server.ws_url}/v1/realtime") as client:
        await client.say(b"\x00\x01")
        error = (await client.hear("error"))["error"]
        answered = await client.ask()

    assert (error["code"], "binary frames are not supported" in error["message"]) == ("invalid_event", True)
    assert answered["response"]["status"] == "completed"


def weather(city: str) -> str:
    return f"sunny in {city}"


async def test_the_page_s_conversations_have_the_tools_and_realtime_clients_have_their_own() -> None:
    async with open_server(tools=Tools([weather])) as server:
        async with open_client(f"{server.ws_url}/ws") as page:
            assert "tools" in (await page.hear("engine.session"))["pinned"]
            assert (await page.hear("session.updated"))["session"]["tools"][0]["name"] == "weather"
        async with open_client(f"{server.ws_url}/v1/realtime") as client:
            assert (await client.hear("session.created"))["session"]["tools"] == []


# --- who comes in ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", PATHS)
async def test_only_with_the_token_is_a_websocket_opened(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENGINE_TOKEN", TOKEN)
    async with open_server() as server:
        url = server.ws_url + path
        for wrong in (
            ("X-Other", "nothing"),
            ("Authorization", "Bearer wrong"),
            ("Sec-WebSocket-Protocol", "realtime, openai-insecure-api-key.wrong"),
            ("Cookie", f"engine_session={TOKEN}"),
        ):
            status, _, error = await turned_away(url, wrong)
            assert (status, error["code"]) == (401, "token_required")

        async with httpx.AsyncClient(base_url=server.url, trust_env=False, timeout=PATIENCE) as browser:
            await browser.post("/sign-in", data={"token": TOKEN})
            cookie = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
        async with open_client(url, extra_headers=[("Authorization", f"Bearer {TOKEN}")]) as client:
            await client.hear()
        async with open_client(url, subprotocols=["realtime", f"openai-insecure-api-key.{TOKEN}"]) as client:
            assert client.connection.subprotocol == "realtime"
            await client.hear()
        async with open_client(url, extra_headers=[("Cookie", cookie), ("Origin", server.url)]) as client:
            await client.hear()


@pytest.mark.parametrize("path", PATHS)
async def test_a_foreign_page_opens_no_websocket(path: str) -> None:
    async with open_server() as server:
        status, _, error = await turned_away(server.ws_url + path, ("Origin", "https://evil.example"))
        async with open_client(server.ws_url + path, extra_headers=[("Origin", server.url)]) as client:
            await client.hear()

    assert (status, error["code"]) == (403, "origin_not_allowed")


async def test_a_full_server_says_when_to_come_again_and_a_place_that_comes_free_is_given() -> None:
    async with open_server(WsOptions(max_sessions=1)) as server:
        url = f"{server.ws_url}/v1/realtime"
        async with open_client(url) as client:
            await client.hear()
            status, headers, error = await turned_away(url)
            told = await get(f"{server.url}/ws")
            assert (await client.ask())["response"]["status"] == "completed"

        async def free() -> bool:
            return (await get(f"{server.url}/ws")).status_code == 426

        await eventually(free)
        async with open_client(url) as client:
            await client.hear()

    assert (status, error["code"], int(headers["retry-after"]) > 0) == (503, "server_full", True)
    assert (told.status_code, told.json()["error"]["code"]) == (503, "server_full")


async def test_one_address_has_its_share_whatever_it_says_of_itself_but_for_trusted_proxies() -> None:
    async with open_server(WsOptions(max_sessions_per_address=1)) as server:
        url = f"{server.ws_url}/v1/realtime"
        async with open_client(url):
            status, _, error = await turned_away(url, ("X-Forwarded-For", "198.51.100.7"))
    assert (status, error["code"]) == (503, "address_full")

    options = WsOptions(max_sessions_per_address=1, trusted_proxy=("127.0.0.1",))
    async with open_server(options) as server:
        url = f"{server.ws_url}/v1/realtime"
        async with open_client(url, extra_headers=[("X-Forwarded-For", "198.51.100.7")]) as client:
            await client.hear()
            status, *_ = await turned_away(url, ("X-Forwarded-For", "6.6.6.6, 198.51.100.7"))
            async with open_client(url, extra_headers=[("X-Forwarded-For", "198.51.100.8")]) as another:
                await another.hear()
    assert status == 503


async def test_whoever_is_not_let_in_is_counted_and_logged() -> None:
    with capture_logs() as logs:
        async with open_server(WsOptions(max_sessions=1)) as server:
            url = f"{server.ws_url}/v1/realtime"
            async with open_client(url):
                await turned_away(url)
            await turned_away(url, ("Origin", "https://evil.example"))

    assert server.service.metrics.totals().refused == {"full": 1, "origin": 1}
    assert [(line["why"], line["address"]) for line in logs if line["event"] == "not let in"] == [
        ("server_full", "127.0.0.1"),
        ("origin_not_allowed", "127.0.0.1"),
    ]


# --- limits ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limits", "reason"),
    [(Limits(duration=0.2), "limit of 0.2 s"), (Limits(idle=0.2), "nothing has come from the front for 0.2 s")],
)
@pytest.mark.parametrize("path", PATHS)
async def test_a_conversation_over_its_limit_is_told_so_and_closed(path: str, limits: Limits, reason: str) -> None:
    async with open_server(limits=limits) as server, open_client(server.ws_url + path) as client:
        error = (await client.hear("error"))["error"]
        code, said = await client.closing()

    assert (error["code"], code) == ("limit_reached", 1008)
    assert reason in error["message"]
    assert reason in said


async def test_a_message_that_is_too_large_ends_its_conversation() -> None:
    served = open_server(WsOptions(max_message_front=1000))
    async with served as server, open_client(f"{server.ws_url}/v1/realtime") as client:
        await client.say({"type": "response.cancel", "event_id": "x" * 1000})
        code, reason = await client.closing()

    assert code == 1009
    assert reason


# --- the end --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", PATHS)
async def test_a_server_that_drains_ends_who_is_idle_at_once(path: str) -> None:
    served = open_server(WsOptions(drain=PATIENCE))
    async with served as server, open_client(server.ws_url + path) as idle, trio.open_nursery() as nursery:
        await idle.hear("session.created")
        nursery.start_soon(server.drain)
        end = await idle.closing()

    assert end == (1012, "restart")


async def test_a_server_that_drains_lets_an_answer_come_to_its_end_and_lets_nobody_else_in() -> None:
    upstream = Scripted(lambda: Script().at(0, created()).on("response.cancel", done()))
    served = open_server(WsOptions(drain=PATIENCE), upstream=upstream)
    async with served as server, open_client(f"{server.ws_url}/v1/realtime") as client, trio.open_nursery() as nursery:
        await client.hear("response.created")
        nursery.start_soon(server.drain)
        await eventually(lambda: server.ws._server is not None and server.ws._server._draining.is_set())
        health = await get(f"{server.url}/healthz")
        status, headers, error = await turned_away(f"{server.ws_url}/v1/realtime")
        about = await get(f"{server.url}/about")
        assert not server.ended.is_set()
        await client.say({"type": "response.cancel"})
        await client.hear("response.done")
        end = await client.closing()

    assert (health.status_code, health.text) == (503, "draining\n")
    assert (status, error["code"], headers["retry-after"]) == (503, "draining", str(round(PATIENCE)))
    assert (about.status_code, about.headers["connection"]) == (200, "close")
    assert end == (1012, "restart")


async def test_a_conversation_that_does_not_fall_idle_is_ended_when_its_time_is_over() -> None:
    served = open_server(WsOptions(drain=0.2), upstream=Scripted(lambda: Script().at(0, created())))
    async with served as server, open_client(f"{server.ws_url}/v1/realtime") as client, trio.open_nursery() as nursery:
        await client.hear("response.created")
        nursery.start_soon(server.drain)
        end = await client.closing()

    assert end == (1012, "restart")


async def test_an_idle_server_ends_at_once_also_while_browsers_keep_their_connections() -> None:
    async with open_server() as server, httpx.AsyncClient(trust_env=False, timeout=PATIENCE) as browser:
        await browser.get(f"{server.url}/healthz")
        await server.drain()
        await server.drain()  # once more is no more

    with pytest.raises(httpx.ConnectError):
        await get(f"{server.url}/healthz")


async def test_a_server_that_is_told_to_drain_before_it_has_begun_ends_as_soon_as_it_has() -> None:
    ws = Ws(WsOptions(port=0))
    ws.drain()
    async with open_network() as network:
        with trio.fail_after(PATIENCE):
            await ws.serve(Service(upstream=model(), network=network), task_status=trio.TASK_STATUS_IGNORED)


async def test_whoever_waits_for_a_place_when_the_server_drains_is_told_so() -> None:
    class Slow(LocalSlots):
        asked, granted = trio.Event(), trio.Event()

        async def take(self, address: str) -> None:
            self.asked.set()
            await self.granted.wait()
            await super().take(address)

    ws, slots = Ws(WsOptions(port=0)), Slow(most=1, most_per_address=1)
    refused: list[str] = []

    async def ask(url: str) -> None:
        refused.append((await turned_away(f"ws{url.removeprefix('http')}ws"))[2]["code"])

    async with open_network() as network, trio.open_nursery() as nursery:
        service = Service(upstream=model(), network=network)
        (url,) = await nursery.start(partial(ws.serve, service, slots=slots))
        nursery.start_soon(ask, url)
        await slots.asked.wait()
        ws.drain()
        slots.granted.set()

    assert refused == ["draining"]
    assert slots.taken == 0


async def test_sockets_that_listen_already_are_served() -> None:
    ws, listeners = Ws(WsOptions()), bind("localhost", 0)
    async with open_network() as network, trio.open_nursery() as nursery:
        service = Service(upstream=model(), network=network)
        urls = await nursery.start(partial(ws.serve, service, listeners=listeners))
        answers = [await get(f"{url}healthz") for url in urls]
        ws.drain()

    assert len(urls) == len(listeners)
    assert all(answer.status_code == 200 for answer in answers)


async def test_a_server_that_all_can_reach_says_by_which_name_and_that_browsers_want_tls(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ENGINE_TOKEN", TOKEN)
    monkeypatch.setattr(socket, "gethostname", lambda: "studio")
    ws = Ws(WsOptions(host="0.0.0.0", port=0))
    with capture_logs() as logs:
        async with open_network() as network, trio.open_nursery() as nursery:
            urls = await nursery.start(partial(ws.serve, Service(upstream=model(), network=network)))
            port = int(urls[0].rstrip("/").rpartition(":")[2])
            async with httpx.AsyncClient(trust_env=False, timeout=PATIENCE) as browser:
                answer = await browser.get(f"{urls[0]}about", headers={"Host": f"studio:{port}"})
            ws.drain()

    assert urls == [f"http://127.0.0.1:{port}/", f"http://studio:{port}/"]
    assert answer.status_code == 200
    assert any("the page gets no microphone" in line["event"] for line in logs)


@pytest.mark.parametrize(
    "options", [{}, {"host": "0.0.0.0", "trusted_proxy": ("127.0.0.1",)}, {"host": "0.0.0.0", "tls": True}]
)
async def test_where_a_page_gets_its_microphone_nothing_is_said_of_it(
    options: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ENGINE_TOKEN", TOKEN)
    if options.pop("tls", False):
        made = make_certificate(tmp_path)
        options |= {"tls_cert": made.chain, "tls_key": made.key}
    ws = Ws(WsOptions(**options))
    with capture_logs() as logs:
        async with open_network() as network, trio.open_nursery() as nursery:
            service = Service(upstream=model(), network=network)
            await nursery.start(partial(ws.serve, service, listeners=bind("127.0.0.1", 0)))
            ws.drain()

    assert not any("microphone" in line["event"] for line in logs)


async def test_a_fault_in_one_conversation_closes_it_and_the_others_never_notice() -> None:
    class Breaking(Scripted):
        def connect(self, wanted: Wanted = ANYTHING) -> Script:
            if wanted.model == "broken":
                raise ZeroDivisionError
            return super().connect(wanted)

    upstream = Breaking(lambda: Script().on("response.create", created(), done()))
    with capture_logs() as logs:
        async with open_server(upstream=upstream) as server, open_client(f"{server.ws_url}/v1/realtime") as bystander:
            async with open_client(f"{server.ws_url}/v1/realtime?model=broken") as broken:
                end = await broken.closing()
            await bystander.say({"type": "response.create"})
            await bystander.hear("response.done")

    assert end == (1011, "a fault in the engine")
    assert [line["error"] for line in logs if line["event"] == "conversation failed"] == ["ZeroDivisionError"]


async def test_the_recordings_of_a_server_that_drains_are_complete(tmp_path: Path) -> None:
    async with open_recordings(tmp_path) as recordings:
        served = open_server(WsOptions(drain=PATIENCE), recordings=recordings)
        async with served as server, open_client(f"{server.ws_url}/ws") as client, trio.open_nursery() as nursery:
            await client.hear("session.created")
            nursery.start_soon(server.drain)
            await client.closing()

    (folder,) = await trio.Path(tmp_path).iterdir()
    with Recording(Path(folder)) as recording:
        assert recording.cut is None
        stops = [step.input for step in recording.steps() if isinstance(step.input, Stop)]
    assert stops == [Stop("restart", PATIENCE, 1012)]


# --- TLS ------------------------------------------------------------------------------------------------------


async def test_the_page_and_websockets_are_served_over_tls(tmp_path: Path) -> None:
    made = make_certificate(tmp_path)
    trusting = ssl.create_default_context(cafile=str(made.chain))
    options = WsOptions(tls_cert=made.chain, tls_key=made.key)

    async with open_server(options) as server:
        assert server.url.startswith("https://127.0.0.1:")
        async with httpx.AsyncClient(verify=trusting, trust_env=False, timeout=PATIENCE) as browser:
            about = await browser.get(f"{server.url}/about")
            signed_in = await browser.post(f"{server.url}/sign-in", data={"token": ""})
        async with open_client(f"{server.ws_url}/v1/realtime", ssl_context=trusting) as client:
            answered = await client.ask()
        async with httpx.AsyncClient(trust_env=False, timeout=PATIENCE) as plain:
            with pytest.raises(httpx.TransportError):
                await plain.get(f"{server.url.replace('https', 'http')}/about")
        async with open_client(f"{server.ws_url}/ws", ssl_context=trusting) as client:
            await client.hear()

    assert about.status_code == 200
    assert "; Secure" in signed_in.headers["set-cookie"]
    assert answered["response"]["status"] == "completed"


@pytest.mark.parametrize("said", [b"", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"GET / HTTP/1.1\r\n\r\n"])
async def test_whoever_begins_tls_and_does_not_go_on_is_given_up(said: bytes, tmp_path: Path) -> None:
    made = make_certificate(tmp_path)
    trusting = ssl.create_default_context(cafile=str(made.chain))
    options = WsOptions(tls_cert=made.chain, tls_key=made.key, handshake_timeout=5.0)

    with capture_logs() as logs:
        async with open_server(options) as server, await trio.open_tcp_stream("127.0.0.1", server.port) as half:
            await half.send_all(said)
            async with open_client(f"{server.ws_url}/v1/realtime", ssl_context=trusting) as bystander:
                with trio.fail_after(PATIENCE), suppress(trio.BrokenResourceError):
                    while await half.receive_some():
                        pass
                assert (await bystander.ask())["response"]["status"] == "completed"

    assert [line for line in logs if line["log_level"] == "error"] == []


async def test_the_embedded_model_can_be_asked_by_many_at_once() -> None:
    answers: list[str] = []

    async def ask(url: str) -> None:
        async with open_client(url) as client:
            answers.append((await client.ask())["response"]["status"])

    async with open_server(upstream=model(reply_speed=100.0)) as server, trio.open_nursery() as nursery:
        for _ in range(10):
            nursery.start_soon(partial(ask, f"{server.ws_url}/v1/realtime"))

    assert answers == ["completed"] * 10
