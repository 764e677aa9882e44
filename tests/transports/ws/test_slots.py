"""Places for conversations: so many in all, so many from one address."""

import pytest

from transports.ws.slots import Full, LocalSlots


async def test_so_many_have_a_place_and_the_next_is_told_when_to_come_again() -> None:
    slots = LocalSlots(most=2, most_per_address=2)
    await slots.take("192.0.2.1")
    await slots.take("192.0.2.2")

    with pytest.raises(Full, match="every place of this server is taken") as full:
        await slots.take("192.0.2.3")
    assert (full.value.code, full.value.retry_after_s > 0) == ("server_full", True)

    slots.free("192.0.2.1")
    await slots.take("192.0.2.3")


async def test_one_address_has_its_share_and_no_more() -> None:
    slots = LocalSlots(most=10, most_per_address=2)
    await slots.take("2001:db8::1")
    await slots.take("2001:db8::2")

    with pytest.raises(Full, match="every place for your address is taken") as full:
        await slots.take("2001:db8::3")
    assert full.value.code == "address_full"

    await slots.take("2001:db8:0:1::1")
    slots.free("2001:db8::2")
    await slots.take("2001:db8::3")


async def test_who_has_gone_is_forgotten() -> None:
    slots = LocalSlots(most=10, most_per_address=1)
    for n in range(100):
        await slots.take(f"192.0.2.{n}")
        slots.free(f"192.0.2.{n}")

    assert slots.taken == 0
    assert not slots._taken
