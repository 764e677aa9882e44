"""Ids: as the hosted service's look, and the same for the same seed."""

from itertools import count

from realtime_engine.upstreams.local.ids import Ids


def test_an_id_is_a_prefix_and_21_base62_characters() -> None:
    prefix, _, rest = Ids("seed").new("item").partition("_")

    assert prefix == "item"
    assert len(rest) == 21
    assert rest.isalnum()
    assert rest.isascii()


def test_the_same_seed_gives_the_same_ids_in_the_same_order() -> None:
    one, two = Ids("seed"), Ids("seed")

    assert [one.new("item") for _ in range(5)] == [two.new("item") for _ in range(5)]


def test_no_two_ids_are_the_same() -> None:
    ids = [Ids(seed).new("item") for seed, _ in zip(map(str, count()), range(500), strict=False)]
    more = Ids("seed")

    assert len({*ids, *(more.new("item") for _ in range(500))}) == 1000
