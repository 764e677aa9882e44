"""Where tools come from: the public functions of a Python module, and what they are told by the configuration.

A module may have a dataclass ``Options``, as a plug-in does. From it come flags, ``[tools]`` in ``engine.toml`` and
variables of the environment; a function that has a parameter of this type is given the options there, and the model
sees nothing of it.

    @dataclass(frozen=True)
    class Options:
        weather_url: str = "https://api.example/v1"

    async def weather(options: Options, city: str) -> dict[str, float]:
        \"\"\"The weather in a city.\"\"\"
"""

import inspect
import sys
from collections.abc import Sequence
from dataclasses import dataclass, is_dataclass
from importlib import import_module
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import get_type_hints

from realtime_engine.errors import UsageError
from realtime_engine.signatures import ToolFunction
from realtime_engine.tools import AT_ONCE, TIMEOUT, Tools


@dataclass(frozen=True)
class NoOptions:
    """A module's functions are told nothing."""


@dataclass(frozen=True, slots=True)
class ToolModule:
    """A module that has been loaded.

    Attributes:
        name: As the user has named it.
        functions: What the model may call.
        Options: What the functions are told: a dataclass.
    """

    name: str
    functions: Sequence[ToolFunction]
    Options: type = NoOptions

    def tools(self, options: object = None, *, timeout: float = TIMEOUT, at_once: int = AT_ONCE) -> Tools:
        """The functions, for a conversation.

        Raises:
            UsageError: One cannot be offered to the model.
        """
        try:
            return Tools(self.functions, options=options, timeout=timeout, at_once=at_once)
        except UsageError as error:
            raise UsageError(f"--tools {self.name}: {error}") from error


def load_tools(name: str) -> ToolModule:
    """Load a module: an import path, looked for in the current folder too, or a ``.py`` file.

    Its functions are those that ``__all__`` names, be they from elsewhere; where it has none, those that are defined
    there, and whose names do not begin with an underscore.

    Raises:
        UsageError: It is not there, fails, has no public function that the model could call, or Options that are none.
    """
    file = Path(name) if name.endswith(".py") else None
    if file is not None and not file.is_file():
        raise UsageError(f"--tools {name}: there is no such file")
    try:
        loaded = _import(name) if file is None else _load_file(file)
        functions = _functions(loaded)
    except (Exception, SystemExit) as error:
        if isinstance(error, ModuleNotFoundError) and file is None and Path(name).exists():
            raise UsageError(f"--tools {name}: name a module, or a file of Python, which ends in .py") from error
        raise UsageError(f"--tools {name}: cannot be imported: {type(error).__name__}: {error}") from error
    if not functions:
        raise UsageError(f"--tools {name}: no public function is defined there")
    options = getattr(loaded, "Options", NoOptions)
    if not (isinstance(options, type) and is_dataclass(options)):
        raise UsageError(f"--tools {name}: its Options must be a dataclass")
    try:
        get_type_hints(options)
    except (AttributeError, NameError, SyntaxError, TypeError) as error:
        raise UsageError(f"--tools {name}: a type of its Options cannot be found: {error}") from error
    return ToolModule(name, functions, options)


def _functions(module: ModuleType) -> list[ToolFunction]:
    named = vars(module).get("__all__")
    offered = {name: getattr(module, name) for name in named} if named is not None else _own(module)
    functions = [value for value in offered.values() if callable(value) and inspect.isfunction(inspect.unwrap(value))]
    return list(dict.fromkeys(functions))  # one may have two names


def _own(module: ModuleType) -> dict[str, object]:
    """What is defined in a module for others."""
    return {
        name: value
        for name, value in vars(module).items()
        if not name.startswith("_") and getattr(value, "__module__", None) == module.__name__
    }


def _import(name: str) -> ModuleType:
    if (here := str(Path.cwd())) not in sys.path:
        sys.path.insert(0, here)
    return import_module(name)


def _load_file(path: Path) -> ModuleType:
    """Run a file as a module of its own, so that it can be named as it likes; what lies beside it can be imported."""
    name = f"engine_tools_{path.stem}"
    module = sys.modules[name] = ModuleType(name)
    if (beside := str(path.resolve().parent)) not in sys.path:
        sys.path.insert(0, beside)
    SourceFileLoader(name, str(path)).exec_module(module)
    return module
