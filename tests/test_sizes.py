"""Sizes as people write them."""

import pytest

from realtime_engine.sizes import size


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0", 0),
        ("1048576", 1_048_576),
        ("12B", 12),
        ("500M", 500_000_000),
        (" 20 GB ", 20_000_000_000),
        ("16MiB", 16 << 20),
        ("2ki", 2048),
        ("1.5K", 1500),
        ("1T", 10**12),
    ],
)
def test_a_size_is_a_number_and_perhaps_a_unit(text: str, number: int) -> None:
    assert size(text) == number


@pytest.mark.parametrize("text", ["", "much", "-1", "1.2.3", "5X", "1e3", "٣", "M", "1 MB 2"])
def test_what_is_no_size_is_told_what_is_one(text: str) -> None:
    with pytest.raises(ValueError, match="a size, such as 500M or 20GiB"):
        size(text)
