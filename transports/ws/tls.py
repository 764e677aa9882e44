"""What the server speaks TLS with."""

import ssl
from pathlib import Path

from realtime_engine.errors import UsageError


def tls_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """What a server needs to speak TLS.

    Raises:
        UsageError: The files cannot be used.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    for flag, path in (("--tls-cert", certificate), ("--tls-key", key)):
        try:
            path.read_bytes()
        except OSError as error:
            raise UsageError(f"{flag} {path}: cannot be read: {error.strerror}") from error
    try:
        context.load_cert_chain(certificate, key, password=_no_password)
    except (ssl.SSLError, ValueError) as error:
        reason = getattr(error, "reason", None) or str(error)
        raise UsageError(f"--tls-cert {certificate}, --tls-key {key}: cannot be used together: {reason}") from error
    return context


def _no_password() -> str:
    raise ValueError("the key is locked with a password: give one that is not")
