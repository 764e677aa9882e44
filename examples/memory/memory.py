"""Functions that the model may call: what it is to remember, by keys, from one conversation to the next.

They are not async, so the engine runs them in threads, where they may wait for the disk. All who speak to the engine
share one memory.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from msgspec import Meta

MOST = 1000  # entries

Key = Annotated[str, Meta(min_length=1, max_length=100)]
Value = Annotated[str, Meta(max_length=2000)]


@dataclass(frozen=True)
class Options:
    """What the functions are told.

    Attributes:
        memory: The file that the memory is kept in; made where it is not there.
    """

    memory: Path = Path("memory.sqlite")


def remember(options: Options, key: Key, value: Value) -> str:
    """Remember something about the person for later conversations; what was under this key is forgotten.

    Args:
        key: What it is, such as name or favourite_colour.
        value: What to remember.
    """
    with _open(options.memory) as memory:
        known = memory.execute("SELECT 1 FROM memory WHERE key = ?", (key,)).fetchone()
        (count,) = memory.execute("SELECT count(*) FROM memory").fetchone()
        if known is None and count >= MOST:
            raise ValueError(f"{MOST} things are remembered already: forget one first")
        memory.execute("INSERT OR REPLACE INTO memory VALUES (?, ?)", (key, value))
    return f"{key} is remembered"


def recall(options: Options, key: Key | None = None) -> dict[str, str]:
    """Say what is remembered about the person.

    Args:
        key: What is wanted; all of it where there is none.
    """
    with _open(options.memory) as memory:
        wanted = "SELECT key, value FROM memory WHERE key = :key OR :key IS NULL ORDER BY key"
        return dict(memory.execute(wanted, {"key": key}))


def forget(options: Options, key: Key) -> str:
    """Forget something that is remembered.

    Args:
        key: What it is.
    """
    with _open(options.memory) as memory:
        found = memory.execute("DELETE FROM memory WHERE key = ?", (key,)).rowcount
    return f"{key} is forgotten" if found else f"nothing is remembered of {key}"


@contextmanager
def _open(path: Path) -> Iterator[sqlite3.Connection]:
    """The memory, for one transaction; readable by nobody else."""
    path.touch(mode=0o600)
    with closing(sqlite3.connect(path, isolation_level="IMMEDIATE")) as memory, memory:
        memory.execute("CREATE TABLE IF NOT EXISTS memory (key TEXT PRIMARY KEY, value TEXT NOT NULL)")
        yield memory
