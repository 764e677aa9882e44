"""The core does no I/O, and imports run one way: ``cli → transports → realtime_engine`` (design rule 1)."""

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

import realtime_engine

ROOT: Final = Path(__file__).parent.parent
CORE: Final = ROOT / "realtime_engine"

OUTSIDE: Final = frozenset(
    {
        *("trio", "asyncio", "threading", "concurrent", "multiprocessing", "subprocess", "signal", "contextvars"),
        *("time", "datetime", "random", "secrets", "uuid"),
        *("socket", "ssl", "select", "selectors", "http", "urllib", "httpx", "h11", "trio_websocket"),
        *("os", "pathlib", "io", "shutil", "tempfile", "fcntl", "mmap", "soundfile", "sounddevice", "ctypes"),
        *("logging", "structlog", "rich", "sys", "warnings"),
        *("open", "print", "input", "exec", "eval", "__import__"),
    }
)
"""Modules, and builtins, that reach out of the process, or in which time or chance hides."""

MAY: Final[dict[str, set[str]]] = {
    # the real clock
    "engine.py": {"trio"},
    # sockets
    "dial.py": {"h11", "os", "secrets", "socket", "ssl", "trio", "urllib"},
    "network.py": {"secrets", "select", "ssl", "trio"},
    "readiness.py": {"select", "socket", "time", "trio"},
    "sweep.py": {"trio"},
    "websocket.py": {"socket", "ssl", "trio"},
    "tls.py": {"socket", "ssl", "threading"},
    "wire.py": {"socket", "ssl", "trio"},
    # the client library
    "backlog.py": {"trio"},
    "client.py": {"trio"},
    "holding.py": {"trio"},
    "upstreams/named.py": {"pathlib", "urllib"},
    # links without sockets
    "listening.py": {"trio"},
    "machine_link.py": {"trio"},
    "memory.py": {"trio"},
    "servers.py": {"trio"},
    # conversations of a server: their names, and where they are recorded
    "service.py": {"secrets", "trio"},
    # the log
    "journal.py": {"structlog"},
    # recordings are files
    "recording/accept.py": {"os", "pathlib"},
    "recording/check.py": {"pathlib"},
    "recording/files.py": {"fcntl", "os", "pathlib"},
    "recording/keep.py": {"os", "pathlib", "time", "trio"},
    "recording/live.py": {"pathlib", "threading", "time", "trio"},
    "recording/pack.py": {"os", "pathlib", "soundfile"},
    "recording/reader.py": {"os", "pathlib"},
    "recording/shelf.py": {"datetime", "os", "pathlib"},
    "recording/sounds.py": {"os", "pathlib", "soundfile", "tempfile"},
    "recording/tape.py": {"pathlib"},
    "recording/writer.py": {"datetime", "pathlib", "secrets"},
    # the embedded model's script and sounds, its voice, and when its session expires
    "upstreams/local/__init__.py": {"pathlib", "soundfile", "time"},
    "upstreams/local/espeak.py": {"ctypes", "pathlib", "sys"},
    "upstreams/local/voice.py": {"pathlib", "subprocess", "sys"},
    # a server's address and its certificate, the key in the environment or a file
    "upstreams/azure.py": {"os", "urllib"},
    "upstreams/openai/__init__.py": {"os", "pathlib", "ssl"},
    "upstreams/openai/connecting.py": {"ssl", "trio"},
    "upstreams/openai/server.py": {"ssl", "urllib"},
    "upstreams/recorded/__init__.py": {"pathlib"},
    # a user's functions, from a module or a file, and how they run
    "tool_modules.py": {"pathlib", "sys"},
    "tools.py": {"trio"},
}
"""Which file of the core reaches out, and to what; the list is exact. Whatever it does not name is pure."""

LIGHT: Final = {"msgspec", "pybase64", "trio"} | {  # and what trio needs
    *("attr", "attrs", "idna", "outcome", "sniffio", "sortedcontainers", "typing_extensions")
}
"""What the public names of the engine may load."""


def sources(folder: str) -> list[str]:
    """The Python files under a folder of the project, as paths relative to it."""
    return sorted(str(path.relative_to(ROOT / folder)) for path in (ROOT / folder).rglob("*.py"))


def imports(path: Path) -> set[str]:
    """The top-level names of all modules that a file imports, anywhere in it."""
    return {name.partition(".")[0] for name in _imported(ast.parse(path.read_bytes()))}


def _imported(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from (name.name for name in names)
            case ast.ImportFrom(module=str(module), level=0):
                yield module


def builtins(path: Path) -> set[str]:
    """The names that a file reads and does not import as modules: `open`, `print`, …"""
    nodes = ast.walk(ast.parse(path.read_bytes()))
    return {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}


@pytest.mark.parametrize("source", sources("realtime_engine"))
def test_a_file_of_the_core_reaches_out_only_where_the_table_says_so(source: str) -> None:
    path = CORE / source

    assert (imports(path) | builtins(path)) & OUTSIDE == MAY.get(source, set())


def test_the_table_names_no_file_that_is_gone() -> None:
    assert MAY.keys() <= set(sources("realtime_engine"))


@pytest.mark.parametrize(
    ("folder", "forbidden"),
    [("realtime_engine", {"transports", "cli", "tests"}), ("transports", {"cli", "tests"}), ("cli", {"tests"})],
)
def test_imports_run_one_way(folder: str, forbidden: set[str]) -> None:
    wrong = {source: imports(ROOT / folder / source) & forbidden for source in sources(folder)}

    assert not {source: names for source, names in wrong.items() if names}


def test_imports_name_their_module_in_full() -> None:
    relative = [
        f"{folder}/{source}:{node.lineno}"
        for folder in ("realtime_engine", "transports", "cli")
        for source in sources(folder)
        for node in ast.walk(ast.parse((ROOT / folder / source).read_bytes()))
        if isinstance(node, ast.ImportFrom) and node.level
    ]

    assert not relative


def loaded_by(code: str) -> set[str]:
    """The third-party packages that a fresh interpreter has loaded after ``code``."""
    report = (
        "import sys, json\n"
        "before = set(sys.modules)\n"
        f"{code}\n"
        "names = {name.partition('.')[0] for name in set(sys.modules) - before}\n"
        "print(json.dumps(sorted(names - set(sys.stdlib_module_names))))\n"
    )
    run = subprocess.run([sys.executable, "-c", report], capture_output=True, text=True, check=True)
    return set(json.loads(run.stdout))


def test_importing_the_engine_loads_nothing_but_the_engine() -> None:
    assert loaded_by("import realtime_engine") == {"realtime_engine"}


def test_the_public_names_load_only_what_is_light() -> None:
    loaded = loaded_by("import realtime_engine as e\nfor name in e.__all__: getattr(e, name)")

    assert {name for name in loaded if not name.startswith("_")} <= LIGHT | {"realtime_engine"}


def test_every_public_name_is_there_and_is_the_one_of_its_module() -> None:
    for name in realtime_engine.__all__:
        assert getattr(realtime_engine, name) is not None
        assert name in dir(realtime_engine)
    assert realtime_engine.Session.__module__ == "realtime_engine.session"
    assert not hasattr(realtime_engine, "no_such_name")


def test_the_names_for_type_checkers_are_the_public_names() -> None:
    tree = ast.parse((CORE / "__init__.py").read_bytes())
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    declared = {
        (alias.name, node.module) for node in nodes for alias in node.names if node.module and "realtime" in node.module
    }

    assert declared == {(name, f"realtime_engine.{home}") for name, home in realtime_engine._HOME.items()}


def test_the_version_is_that_of_the_installed_package() -> None:
    text = (ROOT / "pyproject.toml").read_text("utf-8")

    assert f'version = "{realtime_engine.__version__}"' in text
