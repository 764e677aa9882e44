"""A certificate for this computer, made by openssl."""

import ssl
import subprocess
from pathlib import Path
from typing import Final, NamedTuple


class Certificate(NamedTuple):
    """A self-signed certificate, and its key."""

    chain: Path
    key: Path

    def context(self) -> ssl.SSLContext:
        """What a server with this certificate speaks TLS with."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.chain, self.key)
        return context


class Contexts(NamedTuple):
    """What a server, and a client that trusts it, speak TLS with."""

    server: ssl.SSLContext
    client: ssl.SSLContext


def make_contexts(folder: Path) -> Contexts:
    """Both, with a certificate of their own."""
    certificate = make_certificate(folder)
    return Contexts(certificate.context(), ssl.create_default_context(cafile=str(certificate.chain)))


HERE: Final = "DNS:localhost,IP:127.0.0.1"


def make_certificate(folder: Path, *, password: str | None = None, names: str = HERE) -> Certificate:
    """One for this computer, or for other names; with a password its key is locked."""
    chain, key = folder / "cert.pem", folder / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-days", "2"]
    command += ["-subj", "/CN=localhost", "-addext", f"subjectAltName={names}"]
    command += ["-keyout", str(key), "-out", str(chain)]
    command += ["-nodes"] if password is None else ["-passout", f"pass:{password}"]
    subprocess.run(command, check=True, capture_output=True)
    return Certificate(chain, key)
