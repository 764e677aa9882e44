"""Connect to a WebSocket server: its address, TCP, TLS, and the handshake of RFC 6455, section 4.1.

Whatever goes wrong is one clear sentence in an `UpstreamError`. No header's value is in it: one of them is a key.
"""

import re
import secrets
import socket
import ssl
from base64 import b64encode
from collections.abc import Sequence
from contextlib import closing, suppress
from errno import EALREADY, EINPROGRESS, EISCONN
from functools import lru_cache
from os import strerror
from typing import Final, NamedTuple, TypeAlias, cast
from urllib.parse import urlsplit

import h11
import msgspec
import trio

from realtime_engine.errors import UpstreamError, first
from realtime_engine.readiness import WRITE, Readiness, Waiter
from realtime_engine.tls import TlsStream
from realtime_engine.websocket import accept_value
from realtime_engine.wire import Wire

MOST_HEAD: Final = 32 * 1024
"""Bytes of a server's answer before its body."""

MOST_BODY: Final = 64 * 1024
"""Bytes of a refusal that are read."""

_MOST_SAID: Final = 500  # characters of a refusal that are told
_SHORTEST_SECRET: Final = 6  # characters; less is found in any sentence
_NO_TLS: Final = frozenset({"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE"})  # as OpenSSL calls an answer without it
_CONNECTED: Final = frozenset({0, EISCONN})
_PORTS: Final = {"ws": 80, "wss": 443}
_UPGRADE: Final = (("Upgrade", "websocket"), ("Connection", "Upgrade"))
_AGREED: Final = re.compile(
    rb"HTTP/1\.1 101(?: [\t\x20-\x7e\x80-\xff]*)?\r\n"
    rb"((?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t\x20-\x7e\x80-\xff]*\r\n)+)\r\n"
)
"""An answer that agrees, as every server writes it: h11 would read it the same, and takes longer."""
_FIELD: Final = re.compile(rb"([^:]+):([^\r]*)\r\n")

Headers = Sequence[tuple[str, str]]
Fields: TypeAlias = Sequence[tuple[bytes, bytes]]
Tickets: TypeAlias = dict[tuple[ssl.SSLContext, str, int], ssl.SSLSession]
"""What servers gave out to be known again by, so that the next handshake is short (RFC 8446, section 2.2).

What was verified before is not verified again, as long as the server takes the ticket.
"""

MOST_TICKETS: Final = 16
"""Servers that are known again; an upstream has one."""


class _Answer(NamedTuple):
    """An answer that agrees on a WebSocket: its fields, their names in lower case, and what has come behind it."""

    fields: Fields
    behind: bytes


class _Address(NamedTuple):
    """Where a URL leads."""

    secure: bool
    host: str
    port: int
    authority: str
    target: str


async def dial(
    url: str,
    readiness: Readiness,
    tickets: Tickets,
    *,
    headers: Headers,
    subprotocols: Sequence[str],
    tls: ssl.SSLContext | None,
) -> tuple[Wire, bytes]:
    """Connect, and agree on a WebSocket. ``tickets`` are used, and a new one is kept.

    Returns:
        The connection, and what has come behind the handshake.

    Raises:
        UpstreamError: It could not be done.
    """
    address = _read_url(url)
    sock = await _reach(address, readiness)
    try:
        wire = _wire(sock, readiness, address, tls, tickets)
    except OSError as error:
        sock.close()
        raise UpstreamError(f"cannot speak TLS with {address.host}: {_why(error)}") from error
    try:
        await _agree_on_tls(wire, address)
        received = await _upgrade(wire, address, headers, subprotocols)
    except BaseException:
        if tls is not None:
            tickets.pop((tls, address.host, address.port), None)  # it may be what the server chokes on
        wire.close()
        raise
    if (
        tls is not None and isinstance(wire.stream, TlsStream) and not wire.stream.session_reused
    ):  # one is good for many
        _keep_ticket(wire.stream.session, tls, address, tickets)
    return wire, received


def _wire(
    sock: socket.socket, readiness: Readiness, address: _Address, tls: ssl.SSLContext | None, tickets: Tickets
) -> Wire:
    if tls is None or not address.secure:
        return Wire(sock, readiness)
    session = tickets.get((tls, address.host, address.port))
    return Wire(sock, readiness, tls=tls, server_hostname=address.host, session=session)


def _keep_ticket(session: ssl.SSLSession | None, tls: ssl.SSLContext, address: _Address, tickets: Tickets) -> None:
    """Keep what the server has given out, if it has."""
    if session is not None and session.has_ticket:
        tickets[tls, address.host, address.port] = session
        if len(tickets) > MOST_TICKETS:
            del tickets[next(iter(tickets))]


@lru_cache(maxsize=MOST_TICKETS)
def _read_url(url: str) -> _Address:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
        host = host if host.isascii() else host.encode("idna").decode()
    except (ValueError, KeyError):
        raise UpstreamError("the upstream's address must be a ws:// or wss:// URL") from None
    if not host:
        raise UpstreamError("the upstream's address names no host")
    name = f"[{host}]" if ":" in host else host
    authority = name if port == _PORTS[parts.scheme] else f"{name}:{port}"
    target = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
    return _Address(parts.scheme == "wss", host, port, authority, target)


async def _reach(address: _Address, readiness: Readiness) -> socket.socket:
    """Try all addresses of the host, the next when one is slow (RFC 8305)."""
    try:
        if (family := _family(address.host)) is not None:
            return await _connect(family, address, readiness)
        stream = await trio.open_tcp_stream(address.host, address.port)
    except socket.gaierror as error:
        raise UpstreamError(f"cannot find {address.host}: {error.strerror}") from error
    except UnicodeError as error:
        raise UpstreamError(f"cannot find {address.host}: that is no name of a host") from error
    except OSError as error:
        raise UpstreamError(f"cannot connect to {address.host}:{address.port}: {_why(error)}") from error
    return socket.socket(fileno=stream.socket.detach())


@lru_cache(maxsize=MOST_TICKETS)
def _family(host: str) -> socket.AddressFamily | None:
    """What kind of address a host is, if it is no name."""
    for family in (socket.AF_INET, socket.AF_INET6):
        with suppress(OSError):
            socket.inet_pton(family, host)
            return family
    return None


async def _connect(family: socket.AddressFamily, address: _Address, readiness: Readiness) -> socket.socket:
    """Connect to the one address there is."""
    there = (address.host, address.port)
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)  # noqa: FBT003 - the standard library's own
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        problem = sock.connect_ex(there)
        if problem == EINPROGRESS:
            problem = sock.connect_ex(there)  # within a computer it is done by now
        with closing(Waiter(readiness, sock)) as waiter:
            while problem == EALREADY:
                await waiter.wait(WRITE)
                problem = sock.connect_ex(there)
        if problem not in _CONNECTED:
            raise OSError(problem, strerror(problem))
    except BaseException:
        sock.close()
        raise
    return sock


async def _agree_on_tls(wire: Wire, address: _Address) -> None:
    try:
        await wire.handshake()
    except ssl.SSLCertVerificationError as error:
        doubt = error.verify_message.rstrip(".")
        raise UpstreamError(f"cannot trust {address.host}: {doubt}", final=True) from error
    except OSError as error:
        is_plain = isinstance(error, ssl.SSLEOFError) or getattr(error, "reason", None) in _NO_TLS
        hint = " (without TLS its address would begin with ws://)" if is_plain else ""
        raise UpstreamError(f"cannot speak TLS with {address.host}: {_why(error)}{hint}") from error


async def _upgrade(wire: Wire, address: _Address, headers: Headers, subprotocols: Sequence[str]) -> bytes:
    """The handshake over HTTP; what has come behind it."""
    key = b64encode(secrets.token_bytes(16))
    ask = _request(address, tuple(subprotocols), tuple(headers))
    try:
        come = await wire.ask(b"%b%b\r\n\r\n" % (ask, key))
        answer = _read_agreement(come) or await _read_answer(wire, come, address, headers)
    except OSError as error:
        raise UpstreamError(f"{address.host} was lost in the handshake: {_why(error)}") from error
    _check(answer.fields, key.decode(), subprotocols, address.host)
    return answer.behind


@lru_cache(maxsize=MOST_TICKETS)
def _request(address: _Address, subprotocols: Sequence[str], headers: Headers) -> bytes:
    """The request, up to the key that is its end: of a server it is the same each time."""
    try:
        ask = h11.Connection(h11.CLIENT).send(
            h11.Request(
                method="GET",
                target=address.target,
                headers=[
                    ("Host", address.authority),
                    *_UPGRADE,
                    ("Sec-WebSocket-Version", "13"),
                    *([("Sec-WebSocket-Protocol", ", ".join(subprotocols))] if subprotocols else []),
                    *headers,
                    ("Sec-WebSocket-Key", ""),
                ],
            )
        )
    except (h11.LocalProtocolError, UnicodeEncodeError):
        raise UpstreamError("the upstream's address or a header holds what HTTP cannot carry") from None
    return (ask or b"").removesuffix(b"\r\n\r\n")


def _read_agreement(come: bytes) -> _Answer | None:
    """An answer that agrees and has come whole, as nearly always; None: it must be looked at more closely."""
    agreed = _AGREED.match(come)
    if agreed is None or agreed.end() > MOST_HEAD:
        return None
    fields = [(name.lower(), value.strip()) for name, value in _FIELD.findall(agreed[1])]
    return _Answer(fields, come[agreed.end() :])


async def _read_answer(wire: Wire, come: bytes, address: _Address, headers: Headers) -> _Answer:
    """An answer that agrees; ``come`` is its beginning.

    Raises:
        UpstreamError: It refuses, or is no answer.
        OSError: The connection is lost.
    """
    connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=MOST_HEAD)
    connection.send(h11.Request(method="GET", target="/", headers=[("Host", ""), *_UPGRADE]))  # it was sent already
    connection.receive_data(come)
    try:
        answer = cast("h11.Response | h11.InformationalResponse", await _next_event(wire, connection))
        if isinstance(answer, h11.Response):
            refusal = _refusal(answer, await _read_body(wire, connection), headers)
            raise UpstreamError(refusal, status=answer.status_code)
    except h11.RemoteProtocolError as error:
        hint = "" if address.secure else " (with TLS its address would begin with wss://)"
        if connection.trailing_data == (b"", True):
            raise UpstreamError(f"{address.host} ended the connection in the handshake{hint}") from error
        raise UpstreamError(f"{address.host} does not speak HTTP: {error}{hint}") from error
    return _Answer(list(answer.headers), connection.trailing_data[0])


async def _next_event(wire: Wire, connection: h11.Connection) -> object:
    """The server's answer; what it only announces (100, 103) is passed over."""
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            connection.receive_data(await wire.receive())
        elif not (isinstance(event, h11.InformationalResponse) and event.status_code != 101):
            return event


async def _read_body(wire: Wire, connection: h11.Connection) -> bytes:
    """The beginning of a refusal's body; one that breaks off is told as far as it came."""
    body = b""
    try:
        while len(body) < MOST_BODY and isinstance(data := await _next_event(wire, connection), h11.Data):
            body += data.data
    except (OSError, h11.RemoteProtocolError):
        pass
    return body


def _check(answer: Fields, key: str, subprotocols: Sequence[str], host: str) -> None:
    """What a client must look at in the answer (section 4.1)."""
    fields: dict[bytes, bytes] = {}
    for name, value in answer:
        fields[name] = b", ".join([fields[name], value]) if name in fields else value
    tokens = {token.strip().lower() for token in fields.get(b"connection", b"").split(b",")}
    if fields.get(b"upgrade", b"").lower() != b"websocket" or b"upgrade" not in tokens:
        raise UpstreamError(f"{host} did not agree on a WebSocket")
    if fields.get(b"sec-websocket-accept", b"") != accept_value(key).encode():
        raise UpstreamError(f"{host} gave a wrong answer to the handshake's key")
    if b"sec-websocket-extensions" in fields:
        raise UpstreamError(f"{host} chose an extension that was not offered")
    chosen = fields.get(b"sec-websocket-protocol")
    if chosen is not None and chosen.decode("latin-1") not in subprotocols:
        raise UpstreamError(f"{host} chose a subprotocol that was not offered")


class _Problem(msgspec.Struct):
    message: str = ""


class _Refusal(msgspec.Struct):
    error: _Problem | str = ""
    message: str = ""
    detail: str = ""


def _refusal(answer: h11.Response, body: bytes, headers: Headers) -> str:
    """What a server said when it refused, in one line, without the secrets it was shown."""
    try:
        refusal = msgspec.json.decode(body, type=_Refusal)
        error = refusal.error
        said = (error.message if isinstance(error, _Problem) else error) or refusal.message or refusal.detail
    except (msgspec.DecodeError, UnicodeDecodeError):
        said = body.decode(errors="replace") if b"<" not in body else ""
    if 300 <= answer.status_code < 400:
        said = next((f"it is at {_path(where)} now" for name, where in answer.headers if name == b"location"), said)
    for _, value in headers:
        for secret in {value, value.rpartition(" ")[2]}:
            if len(secret) >= _SHORTEST_SECRET:
                said = said.replace(secret, "…")
    status = f"{answer.status_code} {answer.reason.decode('latin-1')}".strip()
    said = " ".join(said.split())[:_MOST_SAID]
    return f"the upstream refused the connection: {status}" + (f": {said}" if said else "")


def _path(where: bytes) -> str:
    """An address without what is asked of it."""
    return where.decode("latin-1").partition("?")[0]


def _why(error: OSError) -> str:
    """The system's own words, of the first of several attempts."""
    cause: BaseException = error
    while not getattr(cause, "strerror", None) and cause.__cause__ is not None:
        cause = first(cause.__cause__)
    said = str(getattr(cause, "strerror", None) or error)
    return said.rpartition(": ")[2] if said.startswith("Error connecting to") else said
