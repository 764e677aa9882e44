"""The access token: who shows it may come in. No socket and no clock in here.

It is shown in one of three ways: ``Authorization: Bearer …``; for browsers' Realtime SDKs, which can set no header, a
subprotocol ``openai-insecure-api-key.…`` (protocol.md, section 1.1); for the page a cookie, which holds not the
token but a time and a signature made with it.
"""

import hmac
import os
import stat
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Final

from realtime_engine.errors import UsageError
from transports.ws.origins import is_loopback

COOKIE: Final = "engine_session"
SECURE_COOKIE: Final = f"__Host-{COOKIE}"
"""Its name under TLS: browsers take it from this very host only, and over TLS only."""

COOKIE_LIFE: Final = 24 * 3600
"""Seconds until the page asks for the token again."""

KEY_PREFIX: Final = "openai-insecure-api-key."
ENVIRONMENT: Final = "ENGINE_TOKEN"
SHORT: Final = 16
"""Characters below which a token can be guessed."""

_BEARER: Final = "bearer "


class Token:
    """The one secret of a server; all comparisons take the same time, whatever they are given."""

    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()

    def __repr__(self) -> str:
        return "Token(…)"

    @property
    def text(self) -> str:
        """The secret itself, for whoever must never say it."""
        return self._secret.decode()

    @property
    def is_short(self) -> bool:
        """Whether it can be guessed."""
        return len(self._secret) < SHORT

    def matches(self, given: str) -> bool:
        """Whether this is the token."""
        return hmac.compare_digest(sha256(given.encode()).digest(), sha256(self._secret).digest())

    def cookie(self, now: float) -> str:
        """What a browser keeps that has shown the token: until when, and a signature of it."""
        expiry = str(int(now) + COOKIE_LIFE)
        return f"{expiry}.{self._sign(expiry)}"

    def signed(self, cookie: str, now: float) -> bool:
        """Whether a cookie was made with this token, and its time is not over."""
        expiry, _, signature = cookie.partition(".")
        genuine = hmac.compare_digest(signature.encode(), self._sign(expiry).encode())
        return genuine and now < int(expiry)

    def signed_in(self, headers: Mapping[str, str], now: float) -> bool:
        """Whether a request has a cookie of whoever has signed in; ``headers`` by lower-case name."""
        return any(self.signed(value, now) for value in _cookies(headers.get("cookie", "")))

    def _sign(self, expiry: str) -> str:
        return hmac.digest(self._secret, f"{COOKIE}.{expiry}".encode(), sha256).hex()


def shown_tokens(headers: Mapping[str, str], offered: Iterable[str]) -> Sequence[str]:
    """What a request shows as the token: in its bearer header, and as the first such subprotocol that it offers.

    Were all looked at, one request could guess hundreds of times.
    """
    bearer = headers.get("authorization", "")
    shown = [bearer[len(_BEARER) :].strip()] if bearer[: len(_BEARER)].lower() == _BEARER else []
    keys = (name.removeprefix(KEY_PREFIX) for name in offered if name.startswith(KEY_PREFIX))
    return [*shown, *islice(keys, 1)]


class Attempts:
    """Counts wrong tokens by address: after so many of them each next one must wait until one is forgotten.

    Args:
        free: How many wrong ones cost nothing.
        forgotten: Seconds until a wrong one no longer counts.
    """

    MOST: Final = 10_000
    """Addresses that are remembered; the oldest is forgotten first."""

    def __init__(self, *, free: int, forgotten: float) -> None:
        self._free = free
        self._forgotten = forgotten
        self._wrong: OrderedDict[str, list[float]] = OrderedDict()

    def wrong(self, address: str, now: float) -> None:
        """Another one was wrong."""
        times = self._recent(address, now)
        times.append(now)
        self._wrong[address] = times
        self._wrong.move_to_end(address)
        if len(self._wrong) > self.MOST:
            self._wrong.popitem(last=False)

    def wait(self, address: str, now: float) -> float:
        """Seconds until this address may try again; 0: now."""
        times = self._recent(address, now)
        return times[-self._free] + self._forgotten - now if len(times) >= self._free else 0.0

    def _recent(self, address: str, now: float) -> list[float]:
        return [at for at in self._wrong.get(address, ()) if now - self._forgotten < at <= now]  # clocks are set back


def read_token(file: Path | None, environment: Mapping[str, str] = os.environ) -> Token | None:
    """The token from a file, or else from `ENVIRONMENT`; None: there is none.

    Raises:
        UsageError: It cannot be read, is empty, or no header could carry it.
    """
    if file is not None:
        name = f"--token-file {file}"
        try:
            text = file.read_text("utf-8")
        except OSError as error:
            raise UsageError(f"{name}: cannot be read: {error.strerror}") from error
        except UnicodeDecodeError as error:
            raise UsageError(f"{name}: not text") from error
    elif ENVIRONMENT in environment:
        name, text = ENVIRONMENT, environment[ENVIRONMENT]
    else:
        return None
    secret = text.removesuffix("\n").removesuffix("\r")
    if not secret:
        raise UsageError(f"{name} is empty: put a token there, for example what `openssl rand -hex 32` prints")
    if not all("!" <= character <= "~" for character in secret):
        raise UsageError(f"{name}: a token is one line of letters, digits and signs of ASCII, without spaces")
    return Token(secret)


def required_token(host: str, file: Path | None, environment: Mapping[str, str] = os.environ) -> Token | None:
    """The token that must be shown to a server that is bound to ``host``; None: none need be.

    Raises:
        UsageError: There is none and one is needed, or it cannot be used.
    """
    token = read_token(file, environment)
    if token is None and not is_loopback(host):
        raise UsageError(
            f"--host {host}: whoever reaches this address could use the model at your expense: "
            f"give --token-file FILE, or set {ENVIRONMENT}, to ask for a token"
        )
    return token


def is_readable_by_all(file: Path) -> bool:
    """Whether any user of the computer may read the file."""
    return bool(file.stat().st_mode & stat.S_IROTH)


def _cookies(header: str) -> Iterable[str]:
    """The values of our cookie; there may be several, for different paths, and under TLS it has another name."""
    for pair in header.split(";"):
        name, _, value = pair.strip().partition("=")
        if name in (COOKIE, SECURE_COOKIE):
            yield value
