"""The page's files, read once when the server starts: what is not among them does not exist, whatever a path says."""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from http import HTTPStatus
from pathlib import Path
from typing import Final

from transports.ws.answers import Answer, Headers

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
    "img-src 'self' data:",
    "media-src blob:",
    "worker-src 'self'",
    "manifest-src 'self'",
    "base-uri 'none'",
    "form-action 'self'",
    "frame-ancestors 'none'",
)
_POLICY: Final = "; ".join(_RULES)


@dataclass(frozen=True, slots=True)
class File:
    """One file, as it is served."""

    kind: str
    tag: str
    body: bytes

    def answer(self, host: str, known: str) -> Answer:
        """The file, or that what the browser has is still right; ``known`` is its ``If-None-Match``.

        Not every browser takes ``'self'`` to mean this server's WebSockets too, so they are named.
        """
        headers: Headers = (
            ("ETag", self.tag),
            ("Cache-Control", "no-cache"),
            ("Content-Security-Policy", _POLICY.format(sockets=f"ws://{host} wss://{host}")),
        )
        if self.tag in (tag.strip().removeprefix("W/") for tag in known.split(",")):
            return Answer(HTTPStatus.NOT_MODIFIED, headers)
        return Answer(HTTPStatus.OK, (("Content-Type", self.kind), *headers), self.body)


def read_files(folder: Path = PAGE) -> Mapping[str, File]:
    """The files of a folder by the path of a request; ``/`` is the page itself."""
    files = {
        f"/{path.relative_to(folder).as_posix()}": _read(path)
        for path in sorted(folder.rglob("*"))
        if path.suffix in _TYPES and path.is_file()
    }
    return {("/" if path == f"/{INDEX}" else path): file for path, file in files.items()}


def _read(path: Path) -> File:
    body = path.read_bytes()
    return File(_TYPES[path.suffix], f'"{sha256(body).hexdigest()[:24]}"', body)
