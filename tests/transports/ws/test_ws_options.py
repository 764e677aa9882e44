"""How the server is set up: what is safe starts, what is not is refused with the mend."""

import errno
import os
import resource
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import trio
from structlog.testing import capture_logs

from realtime_engine.errors import UsageError
from realtime_engine.network import open_network
from tests.certs import make_certificate
from tests.servers import open_server
from transports.ws import Ws, WsOptions
from transports.ws.listeners import accept_all, bind, raise_descriptor_limit, urls
from transports.ws.tls import tls_context

TOKEN = "correct-horse-battery-staple"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "voice.example"])
def test_where_strangers_could_come_in_a_token_is_asked_for(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match=r"^--host .* at your expense: give --token-file FILE, or set ENGINE_TOKEN"):
        Ws(WsOptions(host=host))

    monkeypatch.setenv("ENGINE_TOKEN", TOKEN)
    ws = Ws(WsOptions(host=host))
    assert ws.secrets == (TOKEN,)
    assert ws.access == "whoever shows the access token can connect"
    assert not ws.local


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_where_only_this_computer_comes_in_none_is_needed(host: str) -> None:
    ws = Ws(WsOptions(host=host))

    assert ws.local
    assert ws.secrets == ()
    assert ws.access == "only this computer can connect; no token is needed"


def test_behind_a_proxy_others_come_in_too() -> None:
    ws = Ws(WsOptions(trusted_proxy=("127.0.0.1",)))

    assert not ws.local
    assert ws.access == "whoever comes through the proxy can connect; no token is needed"


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"port": -1}, "--port must be from 0 to 65535"),
        ({"port": 65536}, "--port must be from 0 to 65535"),
        ({"max_sessions": 0}, "--max-sessions must be more than 0"),
        ({"max_message_front": -1}, "--max-message-front must be more than 0"),
        ({"handshake_timeout": float("nan")}, "--handshake-timeout must be more than 0"),
        ({"ping_every": float("inf")}, "--ping-every must be more than 0"),
        ({"drain": -1.0}, "--drain must not be less than 0"),
        ({"host": ""}, "--host '': give a name or an address alone"),
        ({"host": "[::1]"}, "give a name or an address alone, without brackets"),
        ({"host": "127.0.0.1:8000"}, "the port is for --port"),
        ({"host": "http://127.0.0.1"}, "--host 'http://127.0.0.1': give a name"),
        ({"tls_cert": Path("cert.pem")}, "--tls-cert and --tls-key belong together"),
        ({"tls_key": Path("key.pem")}, "--tls-cert and --tls-key belong together"),
        ({"token_file": Path("missing")}, "--token-file missing: cannot be read"),
    ],
)
def test_an_option_out_of_range_is_named(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Ws(WsOptions(**wrong))


def test_the_options_load_nothing_heavy() -> None:
    heavy = ("trio", "h11", "msgspec", "structlog", "ssl")
    code = f"import sys, transports.ws; print(*[name for name in {heavy} if name in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert run.stdout == "\n"


# --- listening ------------------------------------------------------------------------------------------------


def close(sockets: list[socket.socket]) -> list[tuple[str, int]]:
    names = [opened.getsockname()[:2] for opened in sockets]
    for opened in sockets:
        opened.close()
    return names


def test_all_addresses_of_this_computer_are_listened_at_with_one_port() -> None:
    names = close(bind("localhost", 0))

    assert ("127.0.0.1", names[0][1]) in names
    assert len({port for _, port in names}) == 1
    assert names[0][1] != 0


def test_an_address_of_either_family_can_be_listened_at() -> None:
    assert close(bind("127.0.0.1", 0))[0][0] == "127.0.0.1"
    assert close(bind("0.0.0.0", 0))[0][0] == "0.0.0.0"
    if socket.has_ipv6:
        assert close(bind("::", 0))[0][0] == "::"


@pytest.mark.parametrize(
    ("host", "name", "shown"),
    [
        ("127.0.0.1", "studio", ["http://127.0.0.1:{}/"]),
        ("0.0.0.0", "studio", ["http://127.0.0.1:{}/", "http://studio:{}/"]),
        ("0.0.0.0", "a studio", ["http://127.0.0.1:{}/"]),  # no browser could ask by that name
        ("::1", "studio", ["http://[::1]:{}/"]),
        ("::", "studio", ["http://[::1]:{}/", "http://studio:{}/"]),
    ],
)
def test_an_address_that_stands_for_all_is_shown_as_one_that_can_be_opened(
    host: str, name: str, shown: list[str]
) -> None:
    opened = bind(host, 0)
    found = urls(opened, "http", name)

    assert found == [url.format(port) for (_, port), url in zip(close(opened) * 2, shown, strict=False)]


def test_a_port_in_use_is_one_clear_line() -> None:
    (taken,) = bind("127.0.0.1", 0)
    port = taken.getsockname()[1]

    with taken, pytest.raises(UsageError, match=rf"^--port {port}: something else listens there: choose another"):
        bind("127.0.0.1", port)


@pytest.mark.parametrize("host", ["192.0.2.1", "no such host", "a..b"])
def test_an_address_of_another_computer_is_one_clear_line(host: str) -> None:
    with pytest.raises(UsageError, match=rf"^--host {host}: not an address of this computer"):
        bind(host, 0)


@pytest.mark.parametrize(
    ("number", "message"),
    [(errno.EACCES, "ports below 1024"), (errno.ENETDOWN, "cannot listen there: Network is down")],
)
def test_whatever_keeps_it_from_listening_is_one_clear_line(
    number: int, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(socket.socket, "listen", refuse)
    with pytest.raises(UsageError, match=message):
        bind("127.0.0.1", 80)


@pytest.mark.parametrize(("failures", "found"), [(1, True), (1000, False)])
def test_where_another_has_taken_the_same_port_meanwhile_others_are_tried_but_not_for_ever(
    failures: int, *, found: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    listen = socket.socket.listen

    def fail_at_first(self: socket.socket, backlog: int) -> None:
        nonlocal failures
        failures -= 1
        if failures >= 0:
            raise OSError(errno.EADDRINUSE, "in use")
        listen(self, backlog)

    monkeypatch.setattr(socket.socket, "listen", fail_at_first)
    if found:
        assert close(bind("127.0.0.1", 0))
    else:
        with pytest.raises(UsageError, match="no port is free"):
            bind("127.0.0.1", 0)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_a_connection_that_is_taken_in_delays_nothing_that_is_sent(host: str) -> None:
    (listener,) = bind(host, 0)
    taken, takes = trio.open_memory_channel[socket.socket](1)

    def take(connection: socket.socket, _: str) -> None:
        taken.send_nowait(connection)

    with listener, trio.fail_after(10):
        async with open_network() as network, trio.open_nursery() as nursery:
            nursery.start_soon(accept_all, listener, network.readiness, take, lambda: False)
            async with await trio.open_tcp_stream(*listener.getsockname()[:2]):
                with await takes.receive() as connection:
                    assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0
            nursery.cancel_scope.cancel()


async def test_where_there_are_no_descriptors_left_room_is_made_and_the_next_is_taken_in(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (listener,) = bind("127.0.0.1", 0)
    errors = [errno.EMFILE, errno.EMFILE, errno.ECONNABORTED, errno.EAGAIN]
    accept = socket.socket.accept
    made = 0
    taken, takes = trio.open_memory_channel[socket.socket](1)

    def failing(self: socket.socket) -> Any:
        if errors:
            number = errors.pop(0)
            raise BlockingIOError(number, "") if number == errno.EAGAIN else OSError(number, os.strerror(number))
        return accept(self)

    def make_room() -> bool:
        nonlocal made
        made += 1
        return made == 1

    def take(connection: socket.socket, _: str) -> None:
        taken.send_nowait(connection)

    monkeypatch.setattr(socket.socket, "accept", failing)
    with listener, capture_logs() as logs, trio.fail_after(10):
        async with open_network() as network, trio.open_nursery() as nursery:
            nursery.start_soon(accept_all, listener, network.readiness, take, make_room)
            async with await trio.open_tcp_stream(*listener.getsockname()):
                (await takes.receive()).close()
            nursery.cancel_scope.cancel()

    assert made == 2
    assert [line["event"] for line in logs] == ["there is no room for another connection"]


def test_as_many_descriptors_are_taken_as_the_system_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "setrlimit", lambda _, limits: asked.append(limits))

    given: list[int] = []
    infinite = resource.RLIM_INFINITY
    for limits in ((1024, 4096), (4096, 4096), (1024, infinite), (infinite, infinite)):
        monkeypatch.setattr(resource, "getrlimit", lambda _, limits=limits: limits)
        given.append(raise_descriptor_limit())

    assert asked == [(4096, 4096), (1 << 16, resource.RLIM_INFINITY)]
    assert given == [4096, 4096, 1 << 16, 1 << 16]


def test_where_the_system_gives_no_more_there_are_as_many_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, "not permitted")

    monkeypatch.setattr(resource, "getrlimit", lambda _: (1024, 4096))
    monkeypatch.setattr(resource, "setrlimit", refuse)

    assert raise_descriptor_limit() == 1024


# --- TLS ------------------------------------------------------------------------------------------------------


def test_a_certificate_and_its_key_are_used(tmp_path: Path) -> None:
    made = make_certificate(tmp_path)

    assert tls_context(made.chain, made.key).minimum_version >= 0x0303


def test_a_certificate_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    for name in ("locked", "another"):
        (tmp_path / name).mkdir()
    made, locked = make_certificate(tmp_path), make_certificate(tmp_path / "locked", password="swordfish")

    with pytest.raises(UsageError, match=r"^--tls-cert .*missing: cannot be read: No such file"):
        tls_context(tmp_path / "missing", made.key)
    with pytest.raises(UsageError, match=r"^--tls-key .*missing: cannot be read"):
        tls_context(made.chain, tmp_path / "missing")
    with pytest.raises(UsageError, match=r"cannot be used together: the key is locked with a password"):
        tls_context(made.chain, locked.key)
    with pytest.raises(UsageError, match=r"cannot be used together: the key is another certificate's$"):
        tls_context(made.chain, make_certificate(tmp_path / "another").key)
    with pytest.raises(UsageError, match=r"^--tls-cert .*key.*: there is no certificate in it"):
        tls_context(made.key, made.key)
    with pytest.raises(UsageError, match=r"^--tls-key .*: there is no private key in it"):
        tls_context(made.chain, made.chain)
    (tmp_path / "torn").write_text("-----BEGIN CERTIFICATE-----\n")
    with pytest.raises(UsageError, match=r"cannot be used together: "):
        tls_context(tmp_path / "torn", made.key)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"allow_origin": ("*",)}, "--allow-origin"),
        ({"allow_host": ("http://a",)}, "--allow-host"),
        ({"trusted_proxy": ("proxy",)}, "--trusted-proxy"),
    ],
)
def test_names_that_are_none_are_refused_when_the_server_starts(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Ws(WsOptions(**wrong))


async def test_what_is_weak_about_the_token_is_said(tmp_path: Path) -> None:
    file = trio.Path(tmp_path / "token")
    await file.write_text("swordfish")
    await file.chmod(0o644)

    with capture_logs() as logs:
        async with open_server(WsOptions(token_file=Path(file))):
            pass

    said = [line["event"] for line in logs if line["log_level"] == "warning"]
    assert len(said) == 2
    assert "short enough to be guessed" in said[0]
    assert "everybody on this computer can read" in said[1]
    assert "swordfish" not in str(logs)
