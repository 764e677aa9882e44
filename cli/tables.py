"""The tables of a configuration, and what is said of a key in them that nobody knows."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import TypeAlias

from realtime_engine.errors import UsageError
from realtime_engine.objects import Json

Table: TypeAlias = Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class Tables:
    """Tables by their names, and in which file they stand."""

    name: str = "engine.toml"
    tables: Table = field(default_factory=dict)

    def known(self, known: Collection[str], *path: str) -> Table:
        """A table that has only keys that are known.

        Raises:
            UsageError: It has others.
        """
        found = self.table(*path)
        for key in found:
            if key not in known:
                raise UsageError(f"{self.where(key, *path)}: {unknown('key', key, known)}")
        return found

    def table(self, *path: str) -> Table:
        """A table, such as ``("transport", "ws")``; one that is not there is empty.

        Raises:
            UsageError: What stands there is no table.
        """
        found: Json = dict(self.tables)
        for part in path:
            found = found.get(part, {}) if isinstance(found, dict) else found
        if not isinstance(found, dict):
            raise UsageError(f"{self.name}: {'.'.join(path)} must be a table: [{'.'.join(path)}]")
        return found

    def where(self, key: str, *path: str) -> str:
        """The place of a key, for the person: file, table, key."""
        return f"{self.name}: [{'.'.join(path)}] {key}"


def unknown(what: str, name: str, known: Iterable[str]) -> str:
    """That a name is unknown, what may have been meant, and what there is."""
    names = sorted(known)
    for close in get_close_matches(name, names, n=1):
        return f"unknown {what}; did you mean {close}? Known: {', '.join(names)}"
    return f"unknown {what}; known: {', '.join(names)}"
