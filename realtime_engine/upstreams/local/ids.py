"""Ids as the hosted service makes them, but counted: the same seed gives the same ids in the same order."""

import string
from hashlib import blake2b
from typing import Final

_BASE62: Final = string.digits + string.ascii_uppercase + string.ascii_lowercase
_LENGTH: Final = 21  # characters after the prefix, as in every recorded session (protocol.md, section 4)


class Ids:
    """A source of ids such as ``item_`` and 21 base62 characters; no two are the same."""

    def __init__(self, seed: str) -> None:
        self._seed = seed
        self._count = 0

    def new(self, prefix: str) -> str:
        """The next id, ``prefix_…``."""
        self._count += 1
        number = int.from_bytes(blake2b(f"{self._seed}/{self._count}".encode(), digest_size=16).digest())
        characters = []
        for _ in range(_LENGTH):
            number, digit = divmod(number, 62)
            characters.append(_BASE62[digit])
        return f"{prefix}_{''.join(characters)}"
