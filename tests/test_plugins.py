from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from importlib.metadata import EntryPoint
from typing import ClassVar

import pytest

from realtime_engine.errors import UsageError
from realtime_engine.link import Link
from realtime_engine.machine import Machine
from realtime_engine.network import Network
from realtime_engine.plugins import (
    ANYTHING,
    TRANSPORTS,
    UPSTREAMS,
    Wanted,
    find,
    installed,
    is_machine,
)


class Parrot:
    """A stranger's upstream, without I/O."""

    Options: ClassVar[type] = dict
    name = "parrot"

    def connect(self, wanted: Wanted = ANYTHING) -> Machine:
        raise NotImplementedError


class Wire:
    """A stranger's upstream, over a connection."""

    Options: ClassVar[type] = dict
    name = "wire"

    def open(
        self, clock: Callable[[], float], network: Network, wanted: Wanted = ANYTHING
    ) -> AbstractAsyncContextManager[Link]:
        raise NotImplementedError


def points(group: str, **values: str) -> list[EntryPoint]:
    return [EntryPoint(name, value, group) for name, value in values.items()]


def test_a_plug_in_is_found_by_the_name_of_its_entry_point() -> None:
    strangers = points(UPSTREAMS, parrot=f"{__name__}:Parrot", wire=f"{__name__}:Wire")

    assert find(UPSTREAMS, "parrot", points=strangers).__name__ == "Parrot"
    assert find(UPSTREAMS, "wire", points=strangers).__name__ == "Wire"


def test_only_a_machine_can_be_simulated() -> None:
    assert is_machine(Parrot())
    assert not is_machine(Wire())


def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    strangers = points(UPSTREAMS, wire="x:X", parrot="y:Y")

    with pytest.raises(UsageError, match=r"^unknown upstream 'parot'; known: parrot, wire$"):
        find(UPSTREAMS, "parot", points=strangers)
    with pytest.raises(UsageError, match=r"^unknown transport 'tin-can'; known: none$"):
        find(TRANSPORTS, "tin-can", points=[])


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("no_such_module:Parrot", "'parrot' cannot be loaded: No module named 'no_such_module'"),
        ("realtime_engine.plugins:Parrot", "'parrot' cannot be loaded: .* has no attribute 'Parrot'"),
        ("realtime_engine.plugins:find", "'parrot' is not a plug-in: realtime_engine.plugins:find is no class"),
    ],
)
def test_a_plug_in_that_cannot_be_used_says_why(value: str, problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        find(UPSTREAMS, "parrot", points=points(UPSTREAMS, parrot=value))


@pytest.mark.parametrize(
    ("group", "known"),
    [(TRANSPORTS, {"wav": "transports.wav:Wav"}), (UPSTREAMS, {"local": "realtime_engine.upstreams.local:Local"})],
)
def test_ours_are_registered_as_a_strangers_are(group: str, known: Mapping[str, str]) -> None:
    found = {name: point.value for name, point in installed(group).items()}

    assert found.items() >= known.items()
