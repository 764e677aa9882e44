"""``engine serve`` as a process: how it begins, and how it ends."""

import json
import signal
import socket
import urllib.request
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosedError
from websockets.sync.client import connect

from tests.cli.test_app import process
from tests.served import served

LOCAL = ("--upstream", "local", "--speech", "tones")


def test_page_and_health_are_there_once_it_says_so_and_sigterm_ends_it_well() -> None:
    with served(*LOCAL) as server:
        with urllib.request.urlopen(f"{server.http}/") as answer:
            assert b"<html" in answer.read()
        with urllib.request.urlopen(f"{server.http}/healthz") as answer:
            assert answer.status == 200

    assert server.said[:3] == [
        f"engine: open {server.http}/\n",
        "engine: 'local' answers\n",
        "engine: only this computer can connect; no token is needed\n",
    ]


def test_a_conversation_that_runs_is_given_time_and_then_told_why_it_ends() -> None:
    with served(*LOCAL, "--drain", "1") as server, connect(server.realtime) as client:
        assert json.loads(client.recv(timeout=20))["type"] == "session.created"
        server.tell(signal.SIGTERM)
        with pytest.raises(ConnectionClosedError, match=r"1012 .* restart"):
            client.recv(timeout=20)


def test_ctrl_c_is_told_from_sigterm_by_its_status() -> None:
    with served(*LOCAL, status=130) as server:
        server.tell(signal.SIGINT)


def test_the_second_signal_ends_it_at_once() -> None:
    # Sound is on its way to somebody who does not read: the conversation is not idle, and would have all the time.
    with served(*LOCAL, "--drain", "600", status=143) as server, connect(server.realtime) as client:
        client.recv(timeout=20)
        text = [{"type": "input_text", "text": "word " * 2000}]
        item = {"type": "message", "role": "user", "content": text}
        client.send(json.dumps({"type": "conversation.item.create", "item": item}))
        client.send('{"type":"response.create"}')
        while json.loads(client.recv(timeout=20))["type"] != "response.output_audio.delta":
            pass
        server.tell(signal.SIGTERM)
        server.await_line("draining")
        server.tell(signal.SIGTERM)


def test_a_log_for_machines_is_json_from_the_first_line_to_the_last() -> None:
    with served(*LOCAL, "--log", "json") as server:
        pass

    events = [json.loads(line) for line in server.said]
    assert events[0]["event"] == "serving"
    assert events[0]["urls"] == f"{server.http}/"
    assert events[0]["upstream"] == "'local' answers"
    assert "no token is needed" in events[0]["access"]
    assert "draining" in [event["event"] for event in events]


@pytest.mark.parametrize(
    ("flags", "problem"),
    [
        (("--host", "0.0.0.0"), "--token-file"),
        (("--host", "192.0.2.1", "--token-file", "token"), "192.0.2.1"),
        (("--tls-cert", "gone.pem", "--tls-key", "gone.pem"), "gone.pem"),
        (("--token-file", "gone"), "gone"),
    ],
)
def test_what_keeps_it_from_beginning_is_one_line_and_status_2(
    flags: tuple[str, ...], problem: str, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text("0123456789abcdef0123456789abcdef")
    (tmp_path / "token").chmod(0o600)

    run = process("serve", *LOCAL, "--port", "0", *flags, cwd=tmp_path)

    assert run.returncode == 2
    assert problem in run.stderr
    assert run.stderr.count("\n") == 1


def test_a_port_that_is_taken_is_one_line_and_status_2() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        run = process("serve", *LOCAL, "--port", str(port))

    assert run.returncode == 2
    assert str(port) in run.stderr
    assert run.stderr.count("\n") == 1
