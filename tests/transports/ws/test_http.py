"""HTTP, as browsers speak it, and as nobody should."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio
import trio.testing
from msgspec import Raw

from realtime_engine.options import Policy
from realtime_engine.upstreams.openai import OpenAI, OpenAIOptions
from tests.servers import PATIENCE, Served, open_server, say, status
from transports.ws import WsOptions
from transports.ws.tokens import COOKIE

TOKEN = "correct-horse-battery-staple"
SHORT = WsOptions(handshake_timeout=1.0, keep_alive=0.3)


@asynccontextmanager
async def open_browser(server: Served, **more: Any) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=server.url, trust_env=False, timeout=PATIENCE, **more) as browser:
        yield browser


@pytest.fixture
def token(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("ENGINE_TOKEN", TOKEN)
    return TOKEN


def code(response: httpx.Response) -> str:
    error: dict[str, str] = response.json()["error"]
    assert set(error) == {"message", "type", "code", "param"}
    return error["code"]


# --- what is where --------------------------------------------------------------------------------------------


async def test_everything_carries_the_headers_that_keep_a_browser_safe() -> None:
    async with open_server() as server, open_browser(server) as browser:
        for path in ("/", "/about", "/healthz", "/metrics", "/nothing", "/ws"):
            headers = (await browser.get(path)).headers
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["referrer-policy"] == "no-referrer"
            assert headers["cross-origin-opener-policy"] == "same-origin"
            assert headers["cross-origin-resource-policy"] == "same-origin"
            assert headers["permissions-policy"].startswith("microphone=(self), ")
            assert "server" not in headers
            assert "date" in headers


async def test_the_health_and_the_metrics_of_the_server_can_be_asked() -> None:
    async with open_server() as server, open_browser(server) as browser:
        health = await browser.get("/healthz", headers={"Host": "10.0.0.7:8000"})
        metrics = await browser.get("/metrics")

    assert (health.status_code, health.text) == (200, "ok\n")
    assert metrics.status_code == 200
    assert b"# HELP " in metrics.content


async def test_the_page_is_told_what_it_needs_to_know() -> None:
    policy = Policy(pinned={"instructions": "set by the operator"}, may_set=("audio.output",))
    settings = Raw(b'{"type":"realtime","instructions":"Be brief.","tools":[]}')
    async with open_server(policy=policy, settings=settings) as server, open_browser(server) as browser:
        about = await browser.get("/about")

    assert about.headers["cache-control"] == "no-store"
    assert about.json() | {"version": ""} == {
        "version": "",
        "token_required": False,
        "signed_in": True,
        "upstream": "local",
        "host": None,
        "recorded": False,
        "pinned": {"instructions": "set by the operator"},
        "may_set": ["audio.output"],
        "settings": {"instructions": "Be brief."},
    }


async def test_the_page_is_told_at_which_host_the_model_is_and_nothing_else_of_its_address() -> None:
    address = "wss://Voice.Example:8443/a-path?api-key=sesame"
    upstream = OpenAI(OpenAIOptions(url=address, upstream_header=("api-key: sesame",)))
    async with open_server(upstream=upstream) as server, open_browser(server) as browser:
        about = await browser.get("/about")

    assert about.json()["host"] == "voice.example"
    assert "sesame" not in about.text
    assert "a-path" not in about.text


async def test_head_is_answered_like_get_without_the_body() -> None:
    async with open_server() as server, open_browser(server) as browser:
        for path in ("/about", "/healthz", "/metrics"):
            head, whole = await browser.head(path), await browser.get(path)
            assert (head.status_code, head.content) == (200, b"")
            assert abs(int(head.headers["content-length"]) - len(whole.content)) < 200  # the metrics have moved on


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "/about", "GET, HEAD"),
        ("GET", "/sign-in", "POST"),
        ("DELETE", "/healthz", "GET, HEAD"),
        ("PUT", "/ws", "GET"),
    ],
)
async def test_another_method_is_told_which_one_is_right(method: str, path: str, allowed: str) -> None:
    async with open_server() as server, open_browser(server) as browser:
        response = await browser.request(method, path)

    assert (response.status_code, response.headers["allow"]) == (405, allowed)
    assert code(response) == "method_not_allowed"


@pytest.mark.parametrize(
    "path", ["/nothing", "/../pyproject.toml", "/%2e%2e/__init__.py", "//", "/ws/", "/page/", "/index.html"]
)
async def test_there_is_nothing_else(path: str) -> None:
    async with open_server() as server:
        answer = await say(server, b"GET %b HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n" % path.encode())

    assert status(answer) == 404


async def test_a_connection_serves_many_requests_also_when_they_come_at_once() -> None:
    one = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
    last = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"

    async with open_server() as server:
        answers = await say(server, one * 5 + last)
        old = await say(server, b"GET /healthz HTTP/1.0\r\nHost: localhost\r\n\r\n")

    assert answers.count(b"HTTP/1.1 200 OK\r\n") == 6
    assert status(old) == 200


# --- who may ask ----------------------------------------------------------------------------------------------


async def test_a_foreign_name_and_a_foreign_page_are_turned_away_with_the_mend() -> None:
    async with open_server() as server, open_browser(server) as browser:
        for path in ("/", "/about", "/ws", "/v1/realtime", "/metrics"):
            named = await browser.get(path, headers={"Host": "evil.example"})
            linked = await browser.get(path, headers={"Origin": "https://evil.example"})
            assert (named.status_code, code(named)) == (403, "host_not_allowed")
            assert "--allow-host" in named.json()["error"]["message"]
            assert (linked.status_code, code(linked)) == (403, "origin_not_allowed")
            assert "--allow-origin" in linked.json()["error"]["message"]
        own = await browser.get("/ws", headers={"Origin": server.url})

    assert own.status_code == 426


async def test_a_listed_name_and_a_listed_page_may_ask() -> None:
    options = WsOptions(allow_host=("voice.example",), allow_origin=("https://app.example",))
    async with open_server(options) as server, open_browser(server) as browser:
        headers = {"Host": "voice.example", "Origin": "https://app.example"}
        assert (await browser.get("/about", headers=headers)).status_code == 200


async def test_a_plain_request_is_told_what_a_websocket_would_be_told(token: str) -> None:
    async with open_server(WsOptions(max_sessions=1)) as server, open_browser(server) as browser:
        for path in ("/ws", "/v1/realtime"):
            unknown = await browser.get(path)
            known = await browser.get(path, headers={"Authorization": f"Bearer {token}"})
            assert (unknown.status_code, code(unknown)) == (401, "token_required")
            assert unknown.headers["www-authenticate"] == "Bearer"
            assert (known.status_code, code(known)) == (426, "upgrade_required")
            assert known.headers["upgrade"] == "websocket"
            assert known.headers["sec-websocket-version"] == "13"


async def test_without_the_token_nothing_is_told_but_that_there_is_one(token: str) -> None:
    async with open_server() as server, open_browser(server) as browser:
        about = (await browser.get("/about")).json()

    assert about.keys() == {"version", "token_required", "signed_in"}
    assert (about["token_required"], about["signed_in"]) == (True, False)


async def test_whoever_signs_in_gets_a_cookie_that_scripts_and_other_sites_cannot_use(token: str) -> None:
    async with open_server() as server, open_browser(server) as browser:
        signed_in = await browser.post("/sign-in", data={"token": token}, headers={"Origin": server.url})
        about = (await browser.get("/about")).json()
        signed_out = await browser.post("/sign-out")
        after = (await browser.get("/about")).json()

    cookie = signed_in.headers["set-cookie"]
    assert (signed_in.status_code, signed_in.content) == (204, b"")
    assert cookie.startswith(f"{COOKIE}=")
    assert "; HttpOnly; SameSite=Strict" in cookie
    assert "Secure" not in cookie  # over plain http the browser would not keep it
    assert token not in cookie
    assert (about["signed_in"], about["upstream"]) == (True, "local")
    assert "Max-Age=0" in signed_out.headers["set-cookie"]
    assert after["signed_in"] is False


async def test_behind_a_proxy_that_speaks_tls_the_cookie_is_for_tls_only(token: str) -> None:
    async with open_server(WsOptions(allow_host=("voice.example",))) as server, open_browser(server) as browser:
        asked = {"Host": "voice.example", "Origin": "https://voice.example"}
        signed_in = await browser.post("/sign-in", data={"token": token}, headers=asked)

    assert signed_in.headers["set-cookie"].startswith("__Host-engine_session=")
    assert signed_in.headers["set-cookie"].endswith("; Secure")


async def test_a_wrong_token_is_refused_and_one_that_is_wrong_too_often_waits(token: str) -> None:
    async with open_server() as server, open_browser(server) as browser:
        for _ in range(5):
            wrong = await browser.post("/sign-in", data={"token": "guess"})
            assert (wrong.status_code, code(wrong)) == (403, "wrong_token")
        waiting = await browser.post("/sign-in", data={"token": token})
        bearer = await browser.get("/ws", headers={"Authorization": f"Bearer {token}"})

    assert (waiting.status_code, code(waiting)) == (429, "too_many_attempts")
    assert 0 < int(waiting.headers["retry-after"]) <= 60
    assert "set-cookie" not in waiting.headers
    assert bearer.status_code == 426  # whoever has the token is not kept out by those who guess


async def test_a_foreign_page_cannot_sign_anybody_in_or_out(token: str) -> None:
    async with open_server() as server, open_browser(server) as browser:
        for path in ("/sign-in", "/sign-out"):
            foreign = await browser.post(path, data={"token": token}, headers={"Origin": "https://evil.example"})
            assert (foreign.status_code, "set-cookie" in foreign.headers) == (403, False)


async def test_signing_in_where_nothing_asks_for_it_is_no_mistake() -> None:
    async with open_server() as server, open_browser(server) as browser:
        assert (await browser.post("/sign-in", data={"token": "any"})).status_code == 204


async def test_metrics_are_not_for_those_who_come_through_a_proxy_without_the_token(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    forwarded = {"X-Forwarded-For": "198.51.100.7"}
    async with open_server() as server, open_browser(server) as browser:
        assert code(await browser.get("/metrics", headers=forwarded)) == "metrics_closed"
    async with open_server(WsOptions(open_metrics=True)) as server, open_browser(server) as browser:
        assert (await browser.get("/metrics", headers=forwarded)).status_code == 200
    monkeypatch.setenv("ENGINE_TOKEN", TOKEN)
    async with open_server() as server, open_browser(server) as browser:
        assert code(await browser.get("/metrics", headers=forwarded)) == "token_required"
        shown = forwarded | {"Authorization": f"Bearer {TOKEN}"}
        assert (await browser.get("/metrics", headers=shown)).status_code == 200


# --- what is malformed ----------------------------------------------------------------------------------------

POST = b"POST /sign-in HTTP/1.1\r\nHost: localhost\r\n"
UPGRADE = b"Host: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
KEY = b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"

MALFORMED = {
    "no HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    "nothing but line ends": b"\r\n" * 20_000,
    "another protocol": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "no version": b"GET /ws\r\n\r\n",
    "a non-ASCII target": "GET /caf\u00e9 HTTP/1.1\r\nHost: localhost\r\n\r\n".encode(),
    "a non-ASCII host": b"GET /ws HTTP/1.1\r\nHost: caf\xc3\xa9\r\n\r\n",
    "a non-ASCII header name": b"GET /ws HTTP/1.1\r\nHost: localhost\r\nCaf\xc3\xa9: 1\r\n\r\n",
    "a non-ASCII origin": b"GET /ws HTTP/1.1\r\n" + UPGRADE + KEY + b"Origin: http://caf\xc3\xa9\r\n\r\n",
    "a non-ASCII key": b"GET /ws HTTP/1.1\r\n" + UPGRADE + b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25j\xc3\xa9==\r\n\r\n",
    "a non-ASCII subprotocol": b"GET /ws HTTP/1.1\r\n" + UPGRADE + KEY + b"Sec-WebSocket-Protocol: caf\xc3\xa9\r\n\r\n",
    "no host": b"GET /ws HTTP/1.1\r\n\r\n",
    "two hosts": b"GET /ws HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n",
    "a header without a colon": b"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade websocket\r\n\r\n",
    "a folded header": b"GET /ws HTTP/1.1\r\nHost: localhost\r\nX: a\r\n b\r\n: c\r\n\r\n",
    "a NUL": b"GET /ws HTTP/1.1\r\nHost: localhost\r\nX: a\x00b\r\n\r\n",
    "an endless line": b"GET /" + b"a" * 40_000,
    "an endless header": b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 40_000,
    "endless headers": b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"X: a\r\n" * 10_000,
    "many headers": b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"X: a\r\n" * 200 + b"\r\n",
    "two lengths": POST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    "a length that is none": POST + b"Content-Length: -1\r\n\r\n",
    "a coding nobody knows": POST + b"Transfer-Encoding: gzip\r\n\r\n",
    "a large body": POST + b"Content-Length: 9000\r\n\r\n" + b"a" * 9000,
    "an endless body": POST + b"Transfer-Encoding: chunked\r\n\r\nfffff\r\n" + b"a" * 9000,
    "a body where none is expected": b"GET /ws HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\na",
    "no key": b"GET /ws HTTP/1.1\r\n" + UPGRADE + b"\r\n",
    "a short key": b"GET /ws HTTP/1.1\r\n" + UPGRADE + b"Sec-WebSocket-Key: AAAA\r\n\r\n",
    "two keys": b"GET /ws HTTP/1.1\r\n" + UPGRADE + KEY + KEY + b"\r\n",
    "no version of WebSocket": b"GET /ws HTTP/1.1\r\n" + UPGRADE.replace(b"13", b"") + KEY + b"\r\n",
    "an old version of WebSocket": b"GET /ws HTTP/1.1\r\n" + UPGRADE.replace(b"13", b"8") + KEY + b"\r\n",
    "no connection header": b"GET /ws HTTP/1.1\r\n" + UPGRADE.replace(b"Connection: Upgrade\r\n", b"") + KEY + b"\r\n",
    "a WebSocket by POST": b"POST /ws HTTP/1.1\r\n" + UPGRADE + KEY + b"\r\n",
    "a WebSocket by HTTP/1.0": b"GET /ws HTTP/1.0\r\n" + UPGRADE + KEY + b"\r\n",
    "an endless model": b"GET /v1/realtime?model=" + b"a" * 300 + b" HTTP/1.1\r\n" + UPGRADE + KEY + b"\r\n",
    "a model of control characters": b"GET /v1/realtime?model=a%0d%0ab HTTP/1.1\r\n" + UPGRADE + KEY + b"\r\n",
    "a query that is no text": b"GET /v1/realtime?model=%ff HTTP/1.1\r\n" + UPGRADE + KEY + b"\r\n",
}  # fmt: skip


async def test_what_is_malformed_behind_a_request_without_a_body_is_told_so_too() -> None:
    async with open_server() as server:
        answers = await say(server, b"HEAD /healthz HTTP/1.1\r\nHost: localhost\r\n\r\ngarbage\r\n\r\n")

    assert answers.count(b"HTTP/1.1 200 ") == 1
    assert answers.count(b"HTTP/1.1 400 ") == 1
    assert answers.endswith(b"}")


@pytest.mark.parametrize("said", MALFORMED)
async def test_what_is_malformed_gets_a_4xx_and_others_never_notice(said: str) -> None:
    async with open_server() as server, open_browser(server) as bystander:
        await bystander.get("/healthz")
        answer = await say(server, MALFORMED[said])
        after = await bystander.get("/healthz")

    assert 400 <= status(answer) < 500
    head, _, body = answer.partition(b"\r\n\r\n")
    assert json.loads(body)["error"]["code"]
    assert b"close" in head.lower()
    assert b"\r\nContent-Length: %d" % len(body) in head
    assert after.status_code == 200


@pytest.mark.parametrize("behind", ["", "GET /about HTTP/1.1\r\nHost: localhost\r\n\r\n"])
async def test_whoever_asks_for_a_page_and_would_open_a_websocket_too_gets_the_page_and_may_ask_on(behind: str) -> None:
    wish = "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    async with open_server(WsOptions(keep_alive=0.3)) as server:
        answer = await say(server, f"{wish}{behind}".encode())

    assert status(answer) == 200
    assert answer.count(b"HTTP/1.1 200") == 1 + bool(behind)


async def test_an_opening_that_comes_in_pieces_is_as_good_as_any_other() -> None:
    opening = b"GET /ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    async with open_server() as server, await trio.open_tcp_stream("127.0.0.1", server.port) as stream:
        answer = b""
        with trio.fail_after(PATIENCE):
            for piece in (opening[:20], opening[20:]):
                await stream.send_all(piece)
                await trio.testing.wait_all_tasks_blocked(0.01)
            async for data in stream:
                answer += data

    assert status(answer) == 426


async def test_a_head_that_does_not_end_is_given_up_in_time_and_told_so() -> None:
    async with open_server(SHORT) as server:
        began = trio.current_time()
        answer = await say(server, b"GET / HTTP/1.1\r\nHost: localhost\r\n")

    assert status(answer) == 408
    assert trio.current_time() - began < PATIENCE / 2


async def test_a_request_that_begins_late_on_a_connection_has_as_long_as_any_other() -> None:
    asking = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
    served = open_server(WsOptions(keep_alive=0.5, handshake_timeout=PATIENCE))
    async with served as server, await trio.open_tcp_stream("127.0.0.1", server.port) as stream:
        with trio.fail_after(PATIENCE):
            await stream.send_all(asking + asking[:20])
            assert status(await stream.receive_some()) == 200
            with trio.move_on_after(1.0) as quiet:
                await stream.receive_some()
            await stream.send_all(asking[20:])
            answer = await stream.receive_some()

    assert quiet.cancelled_caught
    assert status(answer) == 200


@pytest.mark.parametrize("said", [b"", b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"])
async def test_a_connection_on_which_nothing_comes_is_closed_without_a_word(said: bytes) -> None:
    async with open_server(SHORT) as server:
        answer = await say(server, said)

    assert answer.count(b"HTTP/1.1") == (1 if said else 0)


async def test_a_client_that_asks_to_go_on_is_told_to(token: str) -> None:
    head = POST + b"Expect: 100-continue\r\nContent-Length: 9\r\nConnection: close\r\n\r\n"
    async with open_server() as server, await trio.open_tcp_stream("127.0.0.1", server.port) as stream:
        with trio.fail_after(PATIENCE):
            await stream.send_all(head)
            assert (await stream.receive_some()).startswith(b"HTTP/1.1 100 ")
            await stream.send_all(b"token=abc")
            answer = await stream.receive_some()

    assert status(answer) == 403


async def test_a_server_with_a_token_file_reads_it(tmp_path: Path) -> None:
    file = tmp_path / "token"
    await trio.Path(file).write_text(f"{TOKEN}\n")
    async with open_server(WsOptions(token_file=file)) as server, open_browser(server) as browser:
        assert (await browser.post("/sign-in", data={"token": TOKEN})).status_code == 204
