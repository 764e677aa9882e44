"""The functions that the model may call: a module that the user names, with options of its own, as a plug-in has."""

from collections.abc import Mapping
from inspect import Parameter as Argument
from typing import TYPE_CHECKING

from cli.flags import arguments_of, make
from cli.options import ConversationOptions
from realtime_engine.errors import EngineError, UsageError

if TYPE_CHECKING:  # where nobody names a module, the help need not wait for it
    from realtime_engine.tool_modules import ToolModule
    from realtime_engine.tools import Tools


def choose_tools(named: str | None) -> "ToolModule | None":
    """The module that a user has named.

    Raises:
        UsageError: It cannot be loaded, or has no function.
    """
    if named is None:
        return None
    from realtime_engine.tool_modules import load_tools

    return load_tools(named)


def tool_arguments(module: "ToolModule | None", given: Mapping[str, object] = {}) -> list[Argument]:
    """The flags of its options."""
    return [] if module is None else arguments_of(module.Options, group=f"Tools {module.name}", given=given)


def make_tools(
    module: "ToolModule | None", values: Mapping[str, object], common: ConversationOptions
) -> "Tools | None":
    """Its functions, with their options made out of the values of their flags.

    Raises:
        UsageError: A number makes no sense, an option is wrong, or a function cannot be offered to the model.
    """
    check_tools(common)
    if module is None:
        return None
    try:
        options: object = make(module.Options, values)
    except EngineError:
        raise
    except ValueError as error:
        raise UsageError(f"--tools {module.name}: {error}") from error
    except Exception as error:
        problem = f"{type(error).__name__}: {error}"
        raise UsageError(f"--tools {module.name}: its Options cannot be made: {problem}") from error
    return module.tools(options, timeout=common.tool_timeout, at_once=common.tools_at_once)


def check_tools(common: ConversationOptions) -> None:
    """Look at how tools are to be run.

    Raises:
        UsageError: A number makes no sense.
    """
    if not common.tool_timeout > 0:
        raise UsageError(f"--tool-timeout must be more than 0 seconds, not {common.tool_timeout}")
    if not common.tools_at_once > 0:
        raise UsageError(f"--tools-at-once must be at least 1, not {common.tools_at_once}")
