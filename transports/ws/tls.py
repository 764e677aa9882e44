"""What the server speaks TLS with."""

import ssl
from pathlib import Path
from typing import Final

from realtime_engine.errors import UsageError

_IN_WORDS: Final = {"KEY_VALUES_MISMATCH": "the key is another certificate's"}


def tls_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """What a server needs to speak TLS.

    Raises:
        UsageError: The files cannot be used.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    for flag, path, what in (("--tls-cert", certificate, "certificate"), ("--tls-key", key, "private key")):
        try:
            held = path.read_bytes()
        except OSError as error:
            raise UsageError(f"{flag} {path}: cannot be read: {error.strerror}") from error
        if f"{what.upper()}-----".encode() not in held:
            raise UsageError(f"{flag} {path}: there is no {what} in it, as PEM has one")
    try:
        context.load_cert_chain(certificate, key, password=_no_password)
    except (ssl.SSLError, ValueError) as error:
        reason = getattr(error, "reason", None) or str(error)
        reason = _IN_WORDS.get(reason, reason)
        raise UsageError(f"--tls-cert {certificate}, --tls-key {key}: cannot be used together: {reason}") from error
    return context


def _no_password() -> str:
    raise ValueError("the key is locked with a password: give one that is not")
