"""Whoever is turned away cannot fill the log by it."""

import json

import pytest
from structlog.testing import capture_logs

from realtime_engine.metrics import Metrics
from tests.rude import handshake
from tests.servers import open_server, say, status
from transports.ws import WsOptions
from transports.ws.refusals import QUIET, Refusals


def test_everybody_is_counted_and_a_reason_is_said_once_a_second_with_how_many_there_were() -> None:
    now = 100.0
    metrics = Metrics()
    refusals = Refusals(metrics, lambda: now)

    with capture_logs() as said:
        for _ in range(1000):
            refusals.note("token_required", "10.0.0.1")
        refusals.note("server_full", "10.0.0.2")
        refusals.note("upgrade_required", "10.0.0.3")
        now += QUIET
        refusals.note("token_required", "10.0.0.4")
        now += QUIET
        refusals.note("token_required", "10.0.0.5")

    assert metrics.totals().refused == {"token": 1002, "full": 1}
    assert [(line["why"], line["address"], line.get("others")) for line in said] == [
        ("token_required", "10.0.0.1", None),
        ("server_full", "10.0.0.2", None),
        ("token_required", "10.0.0.4", 999),
        ("token_required", "10.0.0.5", None),
    ]


HASTY = WsOptions(handshake_timeout=0.5)
OPENING = handshake("/v1/realtime")
LARGE = b"POST /sign-in HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9000\r\n\r\n" + bytes(9000)


REFUSED = {
    "a target that is not ASCII": ("GET /caf\u00e9 HTTP/1.1\r\nHost: localhost\r\n\r\n".encode(), 400, "bad_request"),
    "a host that is none": (OPENING.replace(b"localhost", b"local host"), 400, "bad_request"),
    "no key": (OPENING.replace(b"Sec-WebSocket-Key", b"X"), 400, "bad_request"),
    "a model that is none": (handshake("/v1/realtime?model=%00"), 400, "invalid_model"),
    "a dialect that is none": (handshake("/v1/realtime?dialect=alpha"), 400, "invalid_dialect"),
    "a call": (handshake("/v1/realtime?call_id=rtc_1"), 404, "call_id_not_found"),
    "an old version": (OPENING.replace(b"Version: 13", b"Version: 8"), 426, "unsupported_version"),
    "a large head": (OPENING.replace(b"Host", b"X: " + b"a" * 17_000 + b"\r\nHost"), 431, "head_too_large"),
    "a large body": (LARGE, 413, "body_too_large"),
    "half a head": (OPENING[:60], 408, "too_slow"),
}


@pytest.mark.parametrize("what", REFUSED)
async def test_a_handshake_that_is_refused_is_counted_and_said_whatever_is_wrong_with_it(what: str) -> None:
    said, answered, code = REFUSED[what]
    with capture_logs() as logs:
        async with open_server(HASTY if code == "too_slow" else None) as server:
            answer = await say(server, said)

    assert (status(answer), json.loads(answer.partition(b"\r\n\r\n")[2])["error"]["code"]) == (answered, code)
    assert server.service.metrics.totals().refused == {"handshake": 1}
    assert [(line["why"], line["address"]) for line in logs if line["event"] == "not let in"] == [(code, "127.0.0.1")]


async def test_a_plain_request_for_a_websocket_is_only_a_question() -> None:
    with capture_logs() as logs:
        async with open_server() as server:
            answer = await say(server, b"GET /ws HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")

    assert status(answer) == 426
    assert server.service.metrics.totals().refused == {}
    assert logs == []
