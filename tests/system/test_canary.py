"""A key, a header and a token that nobody may see: everything is used, then everything is searched for them.

The upstream is as bad as it can be: it refuses, and says aloud whatever it was given.
"""

import json
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from http import HTTPStatus
from itertools import count
from pathlib import Path
from typing import Final

from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.sync.client import connect
from websockets.sync.server import ServerConnection, serve
from websockets.typing import Subprotocol

from tests.served import PATIENCE, Served, served
from tests.system.test_workers import eventually, lines, workers

KEY: Final = "canary0key1QzXw7"
HEADER: Final = "canary2header3Jv9"
TOKEN: Final = "canary4token5Kp8m"
SECRETS: Final = (KEY, HEADER, TOKEN)
TRANSCRIPTION_FAILED: Final = "conversation.item.input_audio_transcription.failed"
PIECE: Final = 10  # characters that are enough to know a secret by

BEHAVIOURS: Final = 4
HEARD: Final = 8  # events that a client waits for: among them each place where an error may stand


class Talkative:
    """An upstream that treats each connection differently, and tells everything it knows.

    Attributes:
        asked: How many have come.
    """

    def __init__(self) -> None:
        self._turn = count()
        self.asked = 0

    def refuse(self, connection: ServerConnection, request: Request) -> Response | None:
        self.asked = next(self._turn) + 1
        given = f"{request.headers.get('authorization')} {request.headers.get('x-account')}"
        assert KEY in given
        assert HEADER in given
        if self.asked % BEHAVIOURS == 1:
            body = {"error": {"message": f"Incorrect API key provided: {given}", "code": "invalid_api_key"}}
            return connection.respond(HTTPStatus.UNAUTHORIZED, json.dumps(body))
        if self.asked % BEHAVIOURS == 2:
            return connection.respond(HTTPStatus.INTERNAL_SERVER_ERROR, f"fault with {given}")
        return None

    def talk(self, connection: ServerConnection) -> None:
        if self.asked % BEHAVIOURS == 3:
            error = {"type": "invalid_request_error", "code": "invalid_api_key", "message": f"Incorrect: {KEY}"}
            connection.send(json.dumps({"type": "error", "event_id": "event_1", "error": error}))
            connection.close(3000, f"invalid_request_error.{KEY}")
            return
        connection.send(json.dumps({"type": "session.created", "session": {"type": "realtime"}}))
        with suppress(ConnectionClosed):
            for said in connection:
                name = json.loads(said)["type"]
                error = {"type": "server_error", "code": KEY, "message": f"{HEADER} may not {name}", "param": KEY}
                connection.send(json.dumps({"type": "error", "event_id": "event_2", "error": error}))
                failed = {"id": "resp_1", "status": "failed", "status_details": {"type": "failed", "error": error}}
                connection.send(json.dumps({"type": "response.done", "response": failed}))
                connection.send(json.dumps({"type": TRANSCRIPTION_FAILED, "item_id": "item_1", "error": error}))
                connection.send(json.dumps({"error": error}))
                connection.send(f"Incorrect: {KEY}, {HEADER}")


@contextmanager
def talkative() -> Iterator[tuple[Talkative, str]]:
    upstream = Talkative()
    with serve(upstream.talk, "127.0.0.1", 0, process_request=upstream.refuse) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield upstream, f"ws://127.0.0.1:{server.socket.getsockname()[1]}/v1/realtime"
        server.shutdown()
        thread.join(PATIENCE)


def ask(server: Served, path: str, headers: Mapping[str, str] = {}, body: bytes | None = None) -> tuple[str, str]:
    """All that is answered, and the cookie that is set."""
    request = urllib.request.Request(server.http + path, headers=dict(headers), data=body)
    try:
        answer = urllib.request.urlopen(request, timeout=PATIENCE)
    except urllib.error.HTTPError as error:
        answer = error
    with answer:
        cookie = (answer.headers.get("Set-Cookie") or "").partition(";")[0]
        return f"{answer.status} {answer.headers} {answer.read().decode(errors='replace')}", cookie


def talk(url: str, headers: Mapping[str, str], *protocols: str) -> str:
    """What a client hears that says something, and how the conversation ends."""
    heard: list[str] = []
    offered = [Subprotocol(each) for each in protocols] or None
    with connect(url, additional_headers=dict(headers), subprotocols=offered, open_timeout=PATIENCE) as client:
        try:
            for _ in range(3):  # each is answered, by one upstream or the other
                client.send(json.dumps({"type": "session.update", "session": {"type": "realtime"}}))
            heard.extend(str(client.recv(timeout=PATIENCE)) for _ in range(HEARD))
        except (ConnectionClosed, TimeoutError):
            pass
    return " ".join([*heard, str(client.close_code), str(client.close_reason)])


def seen(text: str) -> list[str]:
    """Which pieces of the secrets stand in a text."""
    return [
        each[at : at + PIECE] for each in SECRETS for at in range(len(each) - PIECE + 1) if each[at:][:PIECE] in text
    ]


def test_no_key_header_or_token_is_seen_anywhere(tmp_path: Path) -> None:
    records = tmp_path / "records"
    found: dict[str, str] = {}
    with talkative() as (upstream, url):
        env = {"OPENAI_API_KEY": KEY, "ENGINE_TOKEN": TOKEN, "ENGINE_UPSTREAM_HEADER": f"x-account: {HEADER}"}
        flags = ("--upstream", url, "--record", records, "--log", "json", "--workers", "2", "-v", "--drain", "1")
        with served(*flags, env=env) as server:
            eventually(lambda: len(workers(server)) == 2)
            bearer = {"Authorization": f"Bearer {TOKEN}"}
            form = {"Content-Type": "application/x-www-form-urlencoded"}
            found["signed in"], cookie = ask(server, "/sign-in", form, f"token={TOKEN}".encode())
            assert "204" in found["signed in"][:4]
            found["wrong"], _ = ask(server, "/sign-in", form, f"token={TOKEN}x".encode())
            for path in ("/", "/about", "/healthz", "/metrics", "/ws", "/v1/realtime?model=x", "/nothing", "/sign-out"):
                for name, shown in (("no token", {}), ("bearer", bearer), ("cookie", {"Cookie": cookie})):
                    found[f"{path} {name}"], _ = ask(server, path, shown)
            managed = server.realtime.replace("/v1/realtime", "/ws")
            for turn in range(BEHAVIOURS):
                found[f"transparent {turn}"] = talk(server.realtime, bearer)
            for turn in range(BEHAVIOURS):
                found[f"subprotocol {turn}"] = talk(server.realtime, {}, "realtime", f"openai-insecure-api-key.{TOKEN}")
            for turn in range(BEHAVIOURS):
                found[f"managed {turn}"] = talk(managed, {"Cookie": cookie})
            found["metrics at the end"], _ = ask(server, "/metrics", bearer)
            for pid in (server.process.pid, *workers(server)):
                found[f"process {pid}"] = Path(f"/proc/{pid}/cmdline").read_text()
            assert upstream.asked >= 3 * BEHAVIOURS
            eventually(lambda: len(lines(server, "conversation ended")) == 3 * BEHAVIOURS)
    found["log"] = "".join(server.said)
    for file in records.rglob("*.*"):
        if file.is_file():
            found[str(file.relative_to(records))] = file.read_bytes().decode(errors="replace")

    assert "401" in found["transparent 0"]
    assert "session.created" in found["transparent 3"]
    for conversation in ("transparent 3", "managed 3"):
        assert all(name in found[conversation] for name in ("response.done", TRANSCRIPTION_FAILED))
    assert len(list(records.iterdir())) == 3 * BEHAVIOURS
    assert {where: seen(text) for where, text in found.items() if seen(text)} == {}
