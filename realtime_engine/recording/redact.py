"""Secrets, out of what is written down. The session never sees this: it works on the frames as they came.

A secret is what stands under the keys of `SECRET_KEYS`, wherever they are, and what looks like a client secret or
an API key. All the rest of the text stays, byte for byte, so that the offsets of a reader's eye still hold.

Source: protocol.md, section 5 (``tools`` of type ``mcp``), section 1 (client secrets).
"""

import re
from typing import Final

import msgspec

SECRET_KEYS: Final = frozenset({"authorization", "headers", "client_secret"})
REDACTED: Final = b"[redacted]"

_IN_QUOTES: Final = b'"' + REDACTED + b'"'
_STRING = re.compile(rb'("(?:[^"\\]++|\\.)*+")(\s*+:\s*+)?', re.DOTALL)
_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|[\[{]|[\]}]|[^"\[{\]},]*[^\s"\[{\]},]|,', re.DOTALL)
_KEY_TEXT = re.compile(rb"\b(?:ek_|sk-)[A-Za-z0-9_-]{20,}")


def redact(raw: bytes) -> bytes:
    """The text with its secrets replaced; the very same object if there are none. Doing it twice changes nothing.

    Any bytes are taken, JSON or not; a value that never ends is replaced to the end of the text.
    """
    if not _suspicious(raw):
        return raw
    kept, at = [], 0
    string = _STRING.search(raw)
    while string is not None:
        follow = string.end()
        if string[2] is not None and _is_secret(string[1]):
            end = _value_end(raw, follow)
            kept += [raw[at:follow], _IN_QUOTES]
            at = follow = end
        string = _STRING.search(raw, follow)
    kept.append(raw[at:])
    safe = _KEY_TEXT.sub(REDACTED, b"".join(kept))
    return raw if safe == raw else safe


def _suspicious(raw: bytes) -> bool:
    """Whether a closer look is needed; it seldom is. A key may be spelt with escapes."""
    return (
        b"uthorization" in raw
        or b"eaders" in raw
        or b"client_secret" in raw
        or b"ek_" in raw
        or b"sk-" in raw
        or b"\\u00" in raw
    )


def _is_secret(key: bytes) -> bool:
    try:
        return msgspec.json.decode(key, type=str).lower() in SECRET_KEYS
    except ValueError:
        return False


def _value_end(raw: bytes, start: int) -> int:
    """Where the JSON value that begins at ``start`` ends."""
    depth = 0
    for token in _TOKEN.finditer(raw, start):
        first = token[0][:1]
        if first in b"[{":
            depth += 1
        elif first in b"]}":
            depth -= 1
        if depth < 0 or (depth == 0 and first == b","):
            return token.start()
        if depth == 0:
            return token.end()
    return len(raw)
