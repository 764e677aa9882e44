"""What is said beside the command line: in ``engine.toml``, and in the environment, which counts more.

A table holds the fields of one dataclass, by their names: ``[serve]`` and ``[limits]`` those of the command,
``[transport.NAME]`` and ``[upstream.NAME]`` those of a plug-in, ``[tools]`` those of a module of functions.
``[session]`` is the session object of the protocol, ``[prices]`` the price table (`cli.prices`). In the environment the
field ``port`` is ``ENGINE_PORT``.
"""

import os
from collections.abc import Collection, Iterator, Mapping
from dataclasses import Field, dataclass, fields
from pathlib import Path
from typing import Final, get_type_hints

from cli.documents import read_document
from cli.options import LimitOptions, ServeOptions
from cli.prices import read_prices
from cli.tables import Tables, unknown
from cli.values import read_text, read_value
from realtime_engine.errors import UsageError
from realtime_engine.finding import TRANSPORTS, UPSTREAMS, find, installed
from realtime_engine.servers import is_server

OWN: Final[Mapping[str, type]] = {"serve": ServeOptions, "limits": LimitOptions}
"""The tables of the command itself."""

FREE: Final = ("session", "prices", "tools")
"""Tables whose keys are not the fields of options that are known here; those of ``[tools]`` are the module's."""

PLUGINS: Final[Mapping[str, str]] = {"transport": TRANSPORTS, "upstream": UPSTREAMS}
"""Tables of tables, one a plug-in."""


def settable(options: type) -> Mapping[str, Field[object]]:
    """The fields that a file may set, by name; what several flags fill in their order is a matter of flags."""
    return {field.name: field for field in fields(options) if field.init and "flags" not in field.metadata}


def plugins() -> Iterator[tuple[str, str, type]]:
    """The servers and the upstreams that are installed and can be loaded: kind, name, options."""
    for kind, group in PLUGINS.items():
        for name in sorted(installed(group)):
            try:
                plugin = find(group, name)
            except UsageError:  # it would have to be chosen, to be missed
                continue
            if kind == "upstream" or is_server(plugin):
                yield kind, name, plugin.Options


def variable_of(name: str) -> str:
    """The variable of the environment for a field."""
    return f"ENGINE_{name.upper()}"


def from_environment(options: type, *, leave_out: Collection[str] = ()) -> dict[str, object]:
    """What the environment says of an options dataclass; an empty variable says nothing.

    Raises:
        UsageError: A variable has a value that its field does not take.
    """
    hints = get_type_hints(options)
    said = {
        name: (os.environ[variable_of(name)], field)
        for name, field in settable(options).items()
        if name not in leave_out and os.environ.get(variable_of(name))
    }
    return {name: read_text(text, field, hints[name], variable_of(name)) for name, (text, field) in said.items()}


@dataclass(frozen=True, slots=True)
class ConfigFile(Tables):
    """An ``engine.toml``; by default an empty one."""

    @classmethod
    def read(cls, path: Path) -> "ConfigFile":
        """Read a file, and check all of it, also what will not be used.

        Raises:
            UsageError: It cannot be read, is no TOML, or has a table, a key or a value that is not known.
        """
        read = read_document(path, str(path), toml=True)
        config = cls(str(path), read if isinstance(read, dict) else {})
        config.check()
        return config

    def values(self, options: type, *path: str) -> dict[str, object]:
        """What a table says of an options dataclass.

        Raises:
            UsageError: A key is unknown, or has a value that its field does not take.
        """
        hints, known = get_type_hints(options), settable(options)
        for key in self.table(*path):
            if key not in known and (homes := _homes(key)):
                raise UsageError(f"{self.where(key, *path)}: it belongs in {' or '.join(homes)}")
        return {
            key: read_value(value, known[key], hints[key], self.where(key, *path))
            for key, value in self.known(known, *path).items()
        }

    def check(self) -> None:
        """Read every table.

        Raises:
            UsageError: One is unknown, or has something in it that is not known.
        """
        for name, value in self.tables.items():
            if not isinstance(value, dict) and (homes := _homes(name)):
                raise UsageError(f"{self.name}: {name}: it belongs in {' or '.join(homes)}")
            if name in OWN:
                self.values(OWN[name], name)
            elif name in PLUGINS:
                for plugin in self.table(name):
                    self._check_plugin(name, plugin)
            elif name == "prices":
                read_prices(self)
            elif name in FREE:
                self.table(name)
            else:
                raise UsageError(f"{self.name}: [{name}]: {unknown('table', name, [*OWN, *FREE, *PLUGINS])}")

    def _check_plugin(self, kind: str, name: str) -> None:
        try:
            plugin = find(PLUGINS[kind], name)
        except UsageError as error:
            raise UsageError(f"{self.name}: [{kind}.{name}]: {error}") from error
        self.values(plugin.Options, kind, name)


def _homes(key: str) -> list[str]:
    """The tables that have a key of this name."""
    own = [name for name, options in OWN.items() if key in settable(options)]
    return [f"[{name}]" for name in own + [f"{kind}.{name}" for kind, name, has in plugins() if key in settable(has)]]
