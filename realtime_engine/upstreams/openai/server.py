"""What is known of a server before it is called: its address, the headers, and what must be told to nobody.

Source: protocol.md, section 1.
"""

import re
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_address
from typing import Final
from urllib.parse import SplitResult, parse_qsl, urlencode, urlsplit, urlunsplit

from realtime_engine.errors import UpstreamError, UsageError
from realtime_engine.plugins import Wanted
from realtime_engine.upstreams.openai import OpenAIOptions, Vendor

HOSTED: Final = "api.openai.com"
_VENDOR: Final = Vendor()
KEPT: Final = 64
"""Addresses that are kept as they were made: clients may choose among models, but not among that many."""
_BETA: Final = ("OpenAI-Beta", "realtime=v1")
"""How a server is told that it is spoken to in the beta."""

_AUTHENTICATES: Final = frozenset({"authorization", "api-key", "x-api-key"})
_HANDSHAKE: Final = frozenset({"host", "connection", "upgrade", "content-length", "transfer-encoding"})
_SETTLES: Final = frozenset({"model", "deployment", "call_id"})
"""Query parameters that say who answers (protocol.md, section 1)."""

_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, section 5.1
_PIECE: Final = 6  # characters of a key that are not to be seen …
_LONG: Final = 16  # … if it is so long that no word of a language is in it
_UNKNOWN_AUTHORITY: Final = frozenset({2, 18, 19, 20, 21})
"""OpenSSL's codes of certificates whose authority is not known, or which are their own (``X509_V_ERR_…``)."""

_ABOUT_KEYS: Final = ("api key", "api_key", "bearer ")

MENDS: Final = {
    401: "it does not accept {key}: check it",
    403: "{key} may not do this there: check its rights, and the model",
    404: "there is nothing at this address: check its path, and the model or deployment",
    429: "too much was asked of it, or the account is used up: wait, or look at its limits",
}
"""What an HTTP status means here, and what mends it."""


@dataclass(frozen=True, slots=True)
class Server:
    """A Realtime server.

    Attributes:
        host: Its name, for messages.
        model: The model that answers where nobody has named another.
        headers: What the handshake carries.
        keys: What authenticates: no piece of it may be seen.
        secrets: What must be seen nowhere: the keys, and the values of the operator's other headers.
        key: What the server is asked to accept, for messages: where it is from, never what it is.
    """

    url: SplitResult
    host: str
    model: str
    headers: tuple[tuple[str, str], ...]
    keys: tuple[str, ...]
    secrets: tuple[str, ...]
    key: str

    def address(self, wanted: Wanted) -> str:
        """The URL for what is wanted; what stands in the operator's own counts more."""
        return _address(self.url, self.model, wanted)

    def explain(self, error: UpstreamError) -> str:
        """Why it refused, in one sentence that names the thing and the mend."""
        mend = MENDS.get(error.status or 0)
        if mend is not None:
            sentence = f"{self.host} refuses the connection ({error.status}): {mend.format(key=self.key)}"
            said = str(error).partition(": ")[2].partition(": ")[2]
            return sentence if not said or self.betrays(said) else f"{sentence} ({said})"
        if error.status is not None and error.status >= 500:
            return f"{self.host} is in trouble ({error.status}): try again later"
        said = str(error)
        cause = error.__cause__
        if isinstance(cause, ssl.SSLCertVerificationError) and cause.verify_code in _UNKNOWN_AUTHORITY:
            said = f"{said}: name the file of its authority with --upstream-ca"
        return self.silence if self.betrays(said) else said

    @property
    def refusal(self) -> str:
        """What is said where the key is refused."""
        return f"{self.host} does not accept {self.key}: check it"

    @property
    def silence(self) -> str:
        """What is said in place of another text that may show the key."""
        return f"{self.host} has said something that may show a key: it is left out"

    def betrays(self, said: str) -> bool:
        """Whether a text shows a secret, or speaks of keys and so may."""
        folded = said.casefold()
        return any(about in folded for about in _ABOUT_KEYS) or self.shows(said)

    def shows(self, said: str) -> bool:
        """Whether a text shows a secret, or a piece of one."""
        return any(secret in said for secret in self.secrets if len(secret) >= _PIECE) or any(
            key[at : at + _PIECE] in said
            for key in self.keys
            if len(key) >= _LONG
            for at in range(len(key) - _PIECE + 1)
        )


def server_of(
    options: OpenAIOptions, key: str, where: str, environment: Mapping[str, str], vendor: Vendor = _VENDOR
) -> Server:
    """The server that the options name.

    Raises:
        UsageError: They name none, or there is no key for it.
    """
    url = read_address(options.url)
    host = url.hostname or ""
    headers = [read_header(each) for each in options.upstream_header]
    authenticated = next((name for name, _ in headers if name.casefold() in _AUTHENTICATES), None)
    keys = [value.rpartition(" ")[2] for name, value in headers if name.casefold() in _AUTHENTICATES]
    values = [value for _, value in headers]
    if authenticated is None and key:
        if not key.isascii() or not key.isprintable() or " " in key:
            raise UsageError(f"{where} holds no key: a key is one word of plain letters, digits and signs")
        if url.scheme == "ws" and not is_here(host):
            raise UsageError(f"the key would go to {host} in clear text: use wss://")
        headers.insert(0, read_header(vendor.header.format(key)))
        keys.append(key)
    if authenticated is None and not key and (vendor.aloof or host == HOSTED):
        raise UsageError(f"{host} needs a key: set {vendor.key}, or name a file that holds it with --key-file")
    if host == HOSTED:
        headers += _accounts(environment)
    if options.upstream_dialect == "beta" and not any(name.casefold() == _BETA[0].casefold() for name, _ in headers):
        headers.append(_BETA)
    if options.safety_identifier:
        headers.append(read_header(f"OpenAI-Safety-Identifier: {options.safety_identifier}", "--safety-identifier"))
    bearer = f"the key of {where}" if key else f"a client without a key ({vendor.key}, --key-file)"
    shown = bearer if authenticated is None else f"the {authenticated} header"
    model = _model(options, url) or vendor.model
    return Server(url, host, model, tuple(headers), tuple(keys), (*keys, *values), shown)


@lru_cache(maxsize=KEPT)
def _address(url: SplitResult, model: str, wanted: Wanted) -> str:
    given = parse_qsl(url.query, keep_blank_values=True)
    names = {name for name, _ in given}
    if wanted.transcription and "intent" not in names:
        given = [each for each in given if each[0] != "model"]
        given.append(("intent", "transcription"))
    elif not wanted.transcription and not names & _SETTLES:
        given.append(("model", wanted.model or model))
    return urlunsplit(url._replace(query=urlencode(given)))


def read_address(address: str) -> SplitResult:
    """A server's address, with the usual path if it has none.

    Raises:
        UsageError: It is none, or holds a password.
    """
    try:
        url = urlsplit(address)
        _ = url.port
    except ValueError:
        url = SplitResult("", "", "", "", "")
    if url.scheme not in ("ws", "wss") or not url.hostname:
        raise UsageError("the upstream's address must be a whole ws:// or wss:// URL")
    if "@" in url.netloc:
        raise UsageError("the upstream's address must hold no password: use --upstream-header")
    return url._replace(path=url.path or "/v1/realtime", fragment="")


def read_header(given: str, flag: str = "--upstream-header") -> tuple[str, str]:
    """A header that was given as ``name: value``.

    Raises:
        UsageError: It is none; what is wrong with it is told without its value.
    """
    name, colon, value = given.partition(":")
    name, value = name.strip(), value.strip()
    if not colon or not _NAME.fullmatch(name):
        raise UsageError(f"{flag} must be 'name: value'")
    if not value.isascii() or not value.isprintable():
        raise UsageError(f"{flag} {name}: the value holds what HTTP cannot carry")
    if name.casefold() in _HANDSHAKE or name.casefold().startswith("sec-websocket-"):
        raise UsageError(f"{flag} {name}: this header is the handshake's own")
    return name, value


def _accounts(environment: Mapping[str, str]) -> Sequence[tuple[str, str]]:
    """Who pays, if the key may choose."""
    names = {"OPENAI_ORG_ID": "OpenAI-Organization", "OPENAI_PROJECT_ID": "OpenAI-Project"}
    return [read_header(f"{name}: {environment[each]}") for each, name in names.items() if environment.get(each)]


def _model(options: OpenAIOptions, url: SplitResult) -> str | None:
    named = dict(parse_qsl(url.query)).get("model")
    if named is not None and options.model_name not in (None, named):
        raise UsageError(f"the address names the model {named!r} and --model {options.model_name!r}: name one")
    return options.model_name


def is_here(host: str) -> bool:
    """Whether nothing leaves this computer."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
