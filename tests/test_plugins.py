from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import ClassVar

import pytest

from realtime_engine.errors import UsageError
from realtime_engine.finding import TRANSPORTS, UPSTREAMS, check_made, described, find, installed
from realtime_engine.link import Link
from realtime_engine.machine import Machine
from realtime_engine.network import Network
from realtime_engine.plugins import ANYTHING, Wanted, dialect_of, is_machine


@dataclass
class NoFlags:
    """No options."""


class Parrot:
    """A stranger's upstream, without I/O."""

    Options: ClassVar[type] = NoFlags
    name = "parrot"

    def connect(self, wanted: Wanted = ANYTHING) -> Machine:
        raise NotImplementedError


class Wire:
    """A stranger's upstream, over a connection."""

    Options: ClassVar[type] = NoFlags
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
        (
            "no_such_module:Parrot",
            "cannot be loaded: install what it needs, or uninstall it (ModuleNotFoundError: No module named 'no_such",
        ),
        ("realtime_engine.plugins:Parrot", "cannot be loaded: mend it, or uninstall it (AttributeError: module "),
        ("realtime_engine.finding:find", "is no plug-in: realtime_engine.finding:find is no class"),
        (f"{__name__}:NoOptions", "is no plug-in: it lacks Options; see MachineUpstream in realtime_engine.plugins"),
        (f"{__name__}:Mute", "is no plug-in: it lacks open; see LinkUpstream in realtime_engine.plugins"),
        (f"{__name__}:Plain", "is no plug-in: its Options must be a dataclass"),
        (f"{__name__}:Hidden", "is no plug-in: a type of its Options cannot be found: name 'Fath' is not defined"),
    ],
)
def test_a_plug_in_that_cannot_be_used_says_why(value: str, problem: str) -> None:
    with pytest.raises(UsageError) as caught:
        find(UPSTREAMS, "parrot", points=points(UPSTREAMS, parrot=value))

    assert str(caught.value).startswith(f"the upstream 'parrot' of {value} {problem}")


class NoOptions:
    def connect(self) -> None: ...


class Mute:
    Options: ClassVar[type] = NoFlags
    name = "mute"


class Plain(Parrot):
    Options = dict


class Hidden(Parrot):
    @dataclass
    class Options:
        path: "Fath"  # type: ignore[name-defined]  # noqa: F821


def test_a_transport_must_be_what_it_seems_to_be() -> None:
    for name, lacking in (
        ("Serving", "lacks example, drain; see Server in realtime_engine.servers"),
        ("Single", "lacks lead, reports, example, open; see MachineFront in realtime_engine."),
        ("Live", "lacks lead, reports, example; see LinkFront in realtime_engine."),
    ):
        with pytest.raises(UsageError, match=f"the transport 'tin-can' of .* is no plug-in: it {lacking}"):
            find(TRANSPORTS, "tin-can", points=points(TRANSPORTS, **{"tin-can": f"{__name__}:{name}"}))


def test_what_a_plug_in_has_only_once_it_is_made_is_looked_for_then() -> None:
    class Nameless:
        def connect(self) -> None: ...

    problem = (
        r"^the upstream 'x' is no plug-in: it lacks Options, name; see MachineUpstream in realtime_engine.plugins$"
    )
    with pytest.raises(UsageError, match=problem):
        check_made(Nameless(), UPSTREAMS, "x")
    check_made(Parrot(), UPSTREAMS, "x")


@pytest.mark.parametrize(("spoken", "known"), [("ga", True), ("beta", True), ("xai", True), ("klingon", False)])
def test_an_upstream_speaks_as_the_engine_understands(spoken: str, known: bool) -> None:
    class Foreign(Parrot):
        dialect = spoken

    assert dialect_of(Parrot()) == "ga"
    if known:
        check_made(Foreign(), UPSTREAMS, "x")
        assert dialect_of(Foreign()) == spoken
    else:
        with pytest.raises(UsageError, match="has the dialect 'klingon'; known: ga, beta, xai"):
            check_made(Foreign(), UPSTREAMS, "x")


class Single:
    Options: ClassVar[type] = NoFlags
    name = "single"


class Serving(Single):
    def serve(self) -> None: ...


class Live(Single):
    def connect(self) -> None: ...


def package(folder: Path, name: str, points: str, **modules: str) -> None:
    """Install a package, as far as the search for plug-ins goes."""
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(points)
    for module, text in modules.items():
        (folder / f"{module}.py").write_text(text)


def test_a_package_is_named_where_its_plug_in_fails_and_where_two_have_one_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    package(tmp_path, "birds", f"[{UPSTREAMS}]\nparrot = birds_plugin:Parrot\nraven = x:Y\n", birds_plugin="1 / 0\n")
    package(tmp_path, "more-birds", f"[{UPSTREAMS}]\nraven = x:Y\nlocal = x:Y\n")

    with pytest.raises(UsageError) as caught:
        find(UPSTREAMS, "parrot")
    assert str(caught.value) == (
        "the upstream 'parrot' of the package birds 1.0 cannot be loaded: mend it, or uninstall it "
        "(ZeroDivisionError: division by zero)"
    )
    assert described(UPSTREAMS, "parrot") == "the upstream 'parrot' of the package birds 1.0"
    with pytest.raises(UsageError) as caught:
        find(UPSTREAMS, "raven")
    (one, other) = sorted(["the package birds 1.0", "the package more-birds 1.0"])
    assert str(caught.value).startswith("there is more than one upstream 'raven', of the package ")
    assert one in str(caught.value)
    assert other in str(caught.value)
    assert str(caught.value).endswith(": uninstall all but one")
    with pytest.raises(UsageError, match=r"there is more than one upstream 'local', of .*the package more-birds 1\.0"):
        find(UPSTREAMS, "local")


def test_what_nobody_has_installed_is_described_by_its_name() -> None:
    assert described(TRANSPORTS, "tin-can") == "the transport 'tin-can'"


@pytest.mark.parametrize(
    ("group", "known"),
    [(TRANSPORTS, {"wav": "transports.wav:Wav"}), (UPSTREAMS, {"local": "realtime_engine.upstreams.local:Local"})],
)
def test_ours_are_registered_as_a_strangers_are(group: str, known: Mapping[str, str]) -> None:
    found = {name: point.value for name, point in installed(group).items()}

    assert found.items() >= known.items()
