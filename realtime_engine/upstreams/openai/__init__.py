"""The OpenAI Realtime API over WebSocket, and every server that speaks it.

This module is light: what dials is imported when somebody connects.
"""

import os
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, NamedTuple

from realtime_engine.errors import UsageError
from realtime_engine.plugins import ANYTHING, Wanted
from realtime_engine.sizes import size

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager
    from ssl import SSLContext

    from realtime_engine.link import Link
    from realtime_engine.network import Network
    from realtime_engine.tongues import UpstreamDialect

URL: Final = "wss://api.openai.com/v1/realtime"
KEY: Final = "OPENAI_API_KEY"
MODEL: Final = "gpt-realtime"
"""The model that answers where nobody has named one."""


class Vendor(NamedTuple):
    """Whose servers they are: how they are shown the key, and who answers where nobody has named a model.

    Attributes:
        key: The variable of the environment that holds the key.
        header: The header that carries it, the key's place in braces.
        model: The model that answers, if the address names none.
        aloof: Whether none of them lets anybody in without a key.
    """

    key: str = KEY
    header: str = "Authorization: Bearer {}"
    model: str = MODEL
    aloof: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerOptions:
    """How a server is reached, whoever's it is.

    Attributes:
        key_file: A file with the key, instead of the variable of the environment.
        upstream_header: A header of the handshake, "name: value"; may be given again. One that authenticates
            (authorization, api-key) takes the place of the key.
        upstream_ca: A file with certificates of authorities to trust besides the system's.
        connect_within: Seconds within which the server must be reached and agree.
        greet_within: Seconds within which it must then say its first word.
        upstream_ping: Seconds between two questions whether the server is still there, and as many for its answer.
        max_message_upstream: Bytes that one message of the server may have.
    """

    key_file: Path | None = None
    upstream_header: tuple[str, ...] = field(default=(), metadata={"secret": True})
    upstream_ca: Path | None = None
    connect_within: float = 10.0
    greet_within: float = 10.0
    upstream_ping: float = 20.0
    max_message_upstream: int = field(default=16 << 20, metadata={"parse": size, "metavar": "SIZE"})


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenAIOptions(ServerOptions):
    """Where the model is, and who asks.

    Attributes:
        url: The server's address.
        model_name: The model, where the address names none and a client is free to ask for another.
        key_file: A file with the key, instead of OPENAI_API_KEY.
        safety_identifier: Who the end user is, for the server's own safety checks: a hash, no name.
        upstream_dialect: How the server speaks; the beta, the protocol's older generation, is translated.
    """

    url: str = URL
    model_name: str | None = None
    safety_identifier: str | None = None
    upstream_dialect: Literal["ga", "beta"] = "ga"


class OpenAI:
    """The plug-in: see `realtime_engine.plugins.LinkUpstream`.

    Raises:
        UsageError: There is no key, or an option is wrong; the message names it, and shows no secret.
    """

    Options: ClassVar[type] = OpenAIOptions
    vendor: ClassVar[Vendor] = Vendor()
    name: str = "openai"

    @staticmethod
    def check(options: ServerOptions) -> None:
        """See that every option is right by itself; no file is looked at, and no environment.

        Raises:
            UsageError: One is out of range, or names what cannot be.
        """
        from realtime_engine.upstreams.openai.server import read_address, read_header

        for flag in ("connect_within", "greet_within", "upstream_ping"):
            seconds: float = getattr(options, flag)
            if not 0 < seconds < float("inf"):
                raise UsageError(f"--{flag.replace('_', '-')} must be more than 0 seconds, not {seconds}")
        if options.max_message_upstream < 1:
            raise UsageError(f"--max-message-upstream must be at least 1 byte, not {options.max_message_upstream}")
        for header in options.upstream_header:
            read_header(header)
        if isinstance(url := getattr(options, "url", None), str):  # not every vendor has one
            read_address(url)

    def __init__(self, options: OpenAIOptions) -> None:
        self.check(options)
        from realtime_engine.upstreams.openai.connecting import Connector
        from realtime_engine.upstreams.openai.server import server_of

        self._options = options
        self._server = server_of(options, *_key(options, self.vendor), os.environ, self.vendor)
        tls = _trust(options.upstream_ca) if options.url.startswith("wss:") else None
        self._connector = Connector(self._server, options, tls)

    @property
    def dialect(self) -> "UpstreamDialect":
        """See `realtime_engine.plugins.dialect_of`."""
        return self._options.upstream_dialect

    @property
    def host(self) -> str:
        """See `realtime_engine.plugins.host_of`: of the address only this, for the rest may hold a key."""
        return self._server.host

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must be seen nowhere: the key, and the values of the operator's headers."""
        return self._server.secrets

    def open(
        self, clock: "Callable[[], float]", network: "Network", wanted: Wanted = ANYTHING
    ) -> "AbstractAsyncContextManager[Link]":
        """See `realtime_engine.plugins.LinkUpstream`."""
        return self._connector.connection(network, wanted)


def common(options: ServerOptions) -> dict[str, Any]:
    """The options that a vendor's servers share with all others, by name."""
    return {field.name: getattr(options, field.name) for field in fields(ServerOptions)}


def _key(options: ServerOptions, vendor: Vendor) -> tuple[str, str]:
    """The key, and where it is from; ``""``: there is none."""
    if options.key_file is None:
        return os.environ.get(vendor.key, "").strip(), vendor.key
    where = f"--key-file {options.key_file}"
    try:
        key = options.key_file.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise UsageError(f"{where} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UsageError(f"{where} cannot be read: it is no text") from None
    if not key:
        raise UsageError(f"{where} is empty: write the key into it")
    return key, where


def _trust(authorities: Path | None) -> "SSLContext":
    """What TLS is spoken with: the system's authorities (or ``SSL_CERT_FILE``) are trusted, and these."""
    import ssl

    context = ssl.create_default_context()
    if authorities is not None:
        try:
            context.load_verify_locations(authorities)
        except (OSError, ssl.SSLError) as error:
            raise UsageError(f"--upstream-ca {authorities} cannot be used: {error}") from None
    return context
