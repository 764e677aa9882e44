"""The ``engine`` command: its commands, each loaded when it is called, and the one place where errors end.

Exit status: 0; 1: a replay differs; 2: usage, input or output; 3: a peer failed; 130: interrupted; 141: nobody reads
standard output any more (what SIGPIPE gives in a shell).
"""

import sys
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from errno import ENOSPC
from importlib import import_module
from importlib.metadata import version
from typing import Annotated, Final

from cyclopts import App, Parameter
from cyclopts.exceptions import CycloptsError, MissingArgumentError, UnusedCliTokensError

from cli.out import Out, abandon, escape, flush
from realtime_engine.errors import EngineError, UsageError, first, place

INTERRUPTED: Final = 130
"""The exit status of what Ctrl-C has ended (128 + SIGINT)."""

UNREAD: Final = 141
"""The exit status when the reader of standard output has gone (128 + SIGPIPE): not all may have been looked at."""

FAULT: Final = 70
"""The exit status of an error that the engine did not foresee (sysexits.h, EX_SOFTWARE)."""

_HELP = """Spoken conversations with realtime AI models: served, or from files; recorded, and replayed exactly."""

PLUGGED: Final[dict[str, str]] = {
    "serve": "Serve conversations: a page in the browser, and any Realtime client.",
    "run": "Hold one conversation, and record it if you like.",
}
"""The commands whose flags depend on the transport and the upstream that are named, each with the first line of its
help; loaded when they are called."""

LOADED_LATER: Final[dict[str, str]] = {
    "devices": "List the microphones and speakers of this computer, or test them; * marks the defaults.",
    "doctor": "See what is there on this computer, what is missing, and how that is mended.",
    "config": "Print an example of a server's configuration, or check one.",
    "replay": "Feed recordings to the engine of today; exit 1 if it does anything else.",
    "inspect": "Show what happened in recorded conversations.",
    "pack": "Pack the audio of finished recordings: smaller, and the same to the bit.",
}
"""The other commands, likewise."""


def main(tokens: Sequence[str] | None = None) -> int:
    """Run the command; every error becomes one line, and the exit status. With ``-v`` it has its traceback."""
    given = list(sys.argv[1:] if tokens is None else tokens)
    escape()
    try:
        try:
            status = _app(given).meta(given, exit_on_error=False, print_error=False)
        finally:
            flush()
    except (Exception, KeyboardInterrupt, BaseExceptionGroup) as error:  # noqa: BLE001 - here errors end
        return _end(error, verbose=bool({"-v", "--verbose"} & set(given)))
    return status if isinstance(status, int) else 0


def _end(error: BaseException, *, verbose: bool) -> int:
    """Say what went wrong, and give the exit status."""
    problem = first(error)
    if isinstance(problem, KeyboardInterrupt):
        return INTERRUPTED
    if isinstance(problem, BrokenPipeError):
        abandon(sys.stdout)
        return UNREAD
    if isinstance(problem, CycloptsError):
        return _say(_plain(problem), UsageError.exit_status)
    if verbose:
        with suppress(OSError):
            traceback.print_exception(error)
    if isinstance(problem, EngineError):
        return _say(str(problem), problem.exit_status)
    if isinstance(problem, OSError) and problem.errno == ENOSPC:
        abandon(sys.stdout)
        return _say(f"standard output cannot be written: {problem.strerror}", UsageError.exit_status)
    if isinstance(problem, ModuleNotFoundError):
        who = place(problem).rpartition(" > ")[2].rpartition(":")[0]
        return _say(f"{who} needs what is not installed: {problem}: install it", UsageError.exit_status)
    return _say(f"a fault in the engine: {type(problem).__name__}: {problem} (-v shows where)", FAULT)


def _plain(error: CycloptsError) -> str:
    """What was wrong with the command line, in plain words."""
    if isinstance(error, UnusedCliTokensError):
        chain, left = error.command_chain or (), error.unused_tokens or ()
        if "serve" in chain:  # what is left of a header that is not in quotes is its value, a key perhaps
            words = "a word" if len(left) == 1 else f"{len(left)} words"
            return f"nothing asks for {words}: see engine serve --help; what has spaces needs quotes"
        return f"nothing asks for {' '.join(left)!r}: see {' '.join(['engine', *chain])} --help"
    if isinstance(error, MissingArgumentError) and error.argument is not None and error.keyword is None:
        return f"{error.argument.name} must be given: see {' '.join(['engine', *(error.command_chain or ())])} --help"
    return str(error)


def _app(tokens: Sequence[str]) -> App:
    """The commands."""
    app = App(
        name="engine",
        help=_HELP,
        help_format="plaintext",
        console=Out(),
        version=lambda: f"engine {version('realtime-engine')}",
        result_action="return_value",
        suppress_keyboard_interrupt=False,
    )
    app.register_install_completion_command(help="Let the shell complete commands and flags.")
    called = _command(tokens)
    for name, summary in PLUGGED.items():
        app.command(_plugged(name, summary, tokens), name=name)
    for name, summary in LOADED_LATER.items():
        app.command(f"cli.{name}:{name}", help=None if name == called else summary)  # its docstring says it all

    app.meta.suppress_keyboard_interrupt = False

    @app.meta.default
    def launch(
        *tokens: Annotated[str, Parameter(show=False, allow_leading_hyphen=True)],
        verbose: Annotated[
            bool,
            Parameter(name=["--verbose", "-v"], negative=(), show_default=False, help="Say more: logs, tracebacks."),
        ] = False,
    ) -> object:
        from cli.logs import configure

        configure(verbose=verbose)
        return app(tokens, exit_on_error=False, print_error=False)

    return app


def _plugged(name: str, summary: str, tokens: Sequence[str]) -> App | Callable[..., int]:
    """A command with all its flags, where they are wanted."""
    if _command(tokens) != name and "--install-completion" not in tokens:
        return App(help=summary)
    made: Callable[..., int] = import_module(f"cli.{name}").command(tokens)
    return made


def _command(tokens: Sequence[str]) -> str | None:
    """The command that is called, before the command line is parsed."""
    return next((token for token in tokens if not token.startswith("-")), None)


def _say(problem: str, status: int) -> int:
    with suppress(OSError):  # the status tells it all the same
        print(f"engine: {' '.join(problem.split())}", file=sys.stderr)  # noqa: T201 - the command's own word
    return status
