"""How transports and upstreams are found, ours and a stranger's, and what is said of one that is none.

A plug-in is one class behind one entry point, in the group ``realtime_engine.transports`` or
``realtime_engine.upstreams``; the entry point's name is what the user types.

    [project.entry-points."realtime_engine.upstreams"]
    parrot = "parrot:Parrot"
"""

from collections.abc import Mapping, Sequence
from dataclasses import is_dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final, cast, get_type_hints

from realtime_engine.errors import UsageError
from realtime_engine.plugins import LinkFront, LinkUpstream, MachineFront, MachineUpstream
from realtime_engine.servers import Server, is_server

TRANSPORTS: Final = "realtime_engine.transports"
UPSTREAMS: Final = "realtime_engine.upstreams"


def find(group: str, name: str, *, points: Sequence[EntryPoint] | None = None) -> type[Any]:
    """Load the plug-in that a user named.

    Raises:
        UsageError: There is none of that name (the message lists those there are), or there are two; or it cannot be
            loaded, or is no plug-in. The message names the package.
    """
    named = [point for point in _all(group, points) if point.name == name]
    if not named:
        known = ", ".join(sorted(installed(group, points=points))) or "none"
        raise UsageError(f"unknown {_kind(group)} {name!r}; known: {known}")
    if len(named) > 1:
        packages = " and ".join(_package(point) for point in named)
        raise UsageError(f"there is more than one {_kind(group)} {name!r}, of {packages}: uninstall all but one")
    (point,) = named
    try:
        plugin = point.load()
    except (Exception, SystemExit) as error:  # a stranger's code
        mend = "install what it needs" if isinstance(error, ModuleNotFoundError) else "mend it"
        problem = f"{type(error).__name__}: {error}"
        raise UsageError(f"{_named(group, point)} cannot be loaded: {mend}, or uninstall it ({problem})") from error
    _check(plugin, group, point)
    return cast("type[Any]", plugin)


def installed(group: str, *, points: Sequence[EntryPoint] | None = None) -> Mapping[str, EntryPoint]:
    """The plug-ins of a group, by name."""
    return {point.name: point for point in _all(group, points)}


def described(group: str, name: str) -> str:
    """A plug-in, for an error: "the upstream 'parrot' of the package birds 1.0"."""
    point = installed(group).get(name)
    return f"the {_kind(group)} {name!r}" if point is None else _named(group, point)


def _all(group: str, points: Sequence[EntryPoint] | None) -> Sequence[EntryPoint]:
    return tuple(entry_points(group=group)) if points is None else points


def _check(plugin: object, group: str, point: EntryPoint) -> None:
    """See that a plug-in is one.

    Raises:
        UsageError: It lacks something.
    """
    named = _named(group, point)
    if not isinstance(plugin, type):
        raise UsageError(f"{named} is no plug-in: {point.value} is no class")
    protocol = _protocol(plugin, group)
    _check_members(plugin, protocol, [name for name in _members(protocol) if _is_of_class(protocol, name)], named)
    options: object = getattr(plugin, "Options", None)
    if not (isinstance(options, type) and is_dataclass(options)):
        raise UsageError(f"{named} is no plug-in: its Options must be a dataclass")
    try:
        get_type_hints(options)
    except (AttributeError, NameError, SyntaxError, TypeError) as error:
        raise UsageError(f"{named} is no plug-in: a type of its Options cannot be found: {error}") from error


def check_made(made: object, group: str, name: str) -> None:
    """See that a plug-in that was made has all that it must have.

    Raises:
        UsageError: It lacks something, or speaks as nobody understands.
    """
    protocol = _protocol(type(made), group)
    _check_members(made, protocol, _members(protocol), described(group, name))
    if group == UPSTREAMS:
        from realtime_engine.tongues import TONGUES  # whoever is made is wanted, and so is what it is understood with

        dialect: object = getattr(made, "dialect", "ga")
        if dialect not in TONGUES:
            known = ", ".join(TONGUES)
            raise UsageError(f"{described(group, name)} has the dialect {dialect!r}; known: {known}")


def _check_members(plugin: object, protocol: type, members: Sequence[str], named: str) -> None:
    lacking = [name for name in members if not hasattr(plugin, name)]
    if lacking:
        where = f"{protocol.__name__} in {protocol.__module__}"
        raise UsageError(f"{named} is no plug-in: it lacks {', '.join(lacking)}; see {where}")


def _protocol(plugin: type, group: str) -> type:
    """What a plug-in must be, by what it seems to be."""
    if group == UPSTREAMS:
        return MachineUpstream if hasattr(plugin, "connect") else LinkUpstream
    if is_server(plugin):
        return Server
    return LinkFront if hasattr(plugin, "connect") else MachineFront


def _members(protocol: type) -> Sequence[str]:
    """What a protocol asks for."""
    return [*protocol.__annotations__, *(name for name in vars(protocol) if not name.startswith("_"))]


def _is_of_class(protocol: type, member: str) -> bool:
    """Whether the class itself must have it: a method, or a class variable. The rest it may get when it is made."""
    return "ClassVar" in protocol.__annotations__.get(member, "") or callable(vars(protocol).get(member))


def _kind(group: str) -> str:
    return group.rpartition(".")[2].removesuffix("s")


def _named(group: str, point: EntryPoint) -> str:
    return f"the {_kind(group)} {point.name!r} of {_package(point)}"


def _package(point: EntryPoint) -> str:
    return f"the package {point.dist.name} {point.dist.version}" if point.dist else point.value
