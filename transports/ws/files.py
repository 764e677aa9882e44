"""The page's files, read once when the server starts: what is not among them does not exist, whatever a path says."""

import gzip
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from http import HTTPStatus
from pathlib import Path
from typing import Final

from transports.ws.answers import Answer, Headers
from transports.ws.request import Request

PAGE: Final = Path(__file__).parent / "page"
INDEX: Final = "index.html"

_TYPES: Final[Mapping[str, str]] = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".ico": "image/x-icon",
    ".webmanifest": "application/manifest+json",
}
"""What is served; anything else in the folder is not."""

_RULES: Final = (
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "connect-src 'self' {sockets}",
    "img-src 'self'",
    "base-uri 'none'",
    "form-action 'self'",
    "frame-ancestors 'none'",
)
_POLICY: Final = "; ".join(_RULES)


@dataclass(frozen=True, slots=True)
class File:
    """One file, as it is served: plain, or packed for whoever can unpack it.

    Attributes:
        kind: Its media type.
        tag: Names this very content.
    """

    kind: str
    tag: str
    body: bytes
    packed: bytes

    @classmethod
    def of(cls, path: Path) -> "File":
        """Read and pack it."""
        body = path.read_bytes()
        return cls(_TYPES[path.suffix], sha256(body).hexdigest()[:24], body, gzip.compress(body, 9, mtime=0))

    def answer(self, request: Request) -> Answer:
        """The file, or that what the browser has is still right.

        Not every browser takes ``'self'`` to mean this server's WebSockets too, so they are named.
        """
        packed = _takes_gzip(request) and len(self.packed) < len(self.body)
        tag = f'"{self.tag}-gzip"' if packed else f'"{self.tag}"'
        headers: Headers = (
            ("ETag", tag),
            ("Cache-Control", "no-cache"),
            ("Vary", "Accept-Encoding"),
            ("Content-Security-Policy", _POLICY.format(sockets=f"ws://{request.host} wss://{request.host}")),
        )
        if tag in (known.removeprefix("W/") for known in request.listed("if-none-match")):
            return Answer(HTTPStatus.NOT_MODIFIED, headers)
        headers = (("Content-Type", self.kind), *headers)
        if packed:
            return Answer(HTTPStatus.OK, (("Content-Encoding", "gzip"), *headers), self.packed)
        return Answer(HTTPStatus.OK, headers, self.body)


def read_files(folder: Path = PAGE) -> Mapping[str, File]:
    """The files of a folder by the path of a request; ``/`` is the page itself."""
    files = {
        f"/{path.relative_to(folder).as_posix()}": File.of(path)
        for path in sorted(folder.rglob("*"))
        if path.suffix in _TYPES and path.is_file()
    }
    return {("/" if path == f"/{INDEX}" else path): file for path, file in files.items()}


def _takes_gzip(request: Request) -> bool:
    codings = (coding.replace(" ", "").lower().partition(";q=") for coding in request.listed("accept-encoding"))
    return any(name == "gzip" and (not q or weight.strip("0.") != "") for name, q, weight in codings)
