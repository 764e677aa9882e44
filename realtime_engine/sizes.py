"""Sizes as people write them: ``500M``, ``20 GB``, ``16MiB``, or plain bytes."""

import re
from typing import Final

_FORM: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(?:([KMGT])(I?)B?|B)?", re.IGNORECASE | re.ASCII)
_POWERS: Final = {"K": 1, "M": 2, "G": 3, "T": 4}


def size(text: str) -> int:
    """The bytes: ``K``, ``M``, ``G`` and ``T`` are powers of 1000, with ``i`` of 1024.

    Raises:
        ValueError: It is no size; the message says what is one.
    """
    form = _FORM.fullmatch(text.strip())
    if form is None:
        raise ValueError("a size, such as 500M or 20GiB")
    number, unit, binary = form.groups()
    factor = (1024 if binary else 1000) ** _POWERS[unit.upper()] if unit else 1
    return round(float(number) * factor) if "." in number else int(number) * factor
