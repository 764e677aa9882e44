"""The ``engine`` command: its commands, each loaded when it is called, and the one place where errors end.

Exit status: 0; 1: a replay differs; 2: usage or input; 3: a peer failed; 130: interrupted.
"""

import sys
from collections.abc import Callable, Sequence
from importlib.metadata import version
from typing import Annotated, Final

from cyclopts import App, Parameter
from cyclopts.exceptions import CycloptsError

from cli.run import SUMMARY, run_with
from realtime_engine.errors import EngineError, UsageError

INTERRUPTED: Final = 130
"""The exit status of what Ctrl-C has ended (128 + SIGINT)."""

FAULT: Final = 70
"""The exit status of an error that the engine did not foresee (sysexits.h, EX_SOFTWARE)."""

_HELP = """Spoken conversations with realtime AI models: from files, recorded, and replayed exactly."""


def main(tokens: Sequence[str] | None = None) -> int:
    """Run the command; every error becomes one line, and the exit status. With ``-v`` it has its traceback."""
    given = list(sys.argv[1:] if tokens is None else tokens)
    try:
        status = _app(given).meta(given, exit_on_error=False, print_error=False)
    except (Exception, KeyboardInterrupt, BaseExceptionGroup) as error:  # noqa: BLE001 - here errors end
        return _end(error, verbose=bool({"-v", "--verbose"} & set(given)))
    return status if isinstance(status, int) else 0


def _end(error: BaseException, *, verbose: bool) -> int:
    """Say what went wrong, and give the exit status."""
    while isinstance(error, BaseExceptionGroup):  # from a nursery: the first tells
        error = error.exceptions[0]
    if isinstance(error, KeyboardInterrupt):
        return INTERRUPTED
    if isinstance(error, CycloptsError):
        return _say(str(error), UsageError.exit_status)
    if verbose:
        raise error
    if isinstance(error, EngineError):
        return _say(str(error), error.exit_status)
    return _say(f"a fault in the engine: {type(error).__name__}: {error} (-v shows where)", FAULT)


def _app(tokens: Sequence[str]) -> App:
    """The commands. The flags of ``run`` depend on the transport and the upstream that are named."""
    app = App(
        name="engine",
        help=_HELP,
        help_format="plaintext",
        version=lambda: f"engine {version('realtime-engine')}",
        result_action="return_value",
        suppress_keyboard_interrupt=False,
    )
    app.register_install_completion_command(help="Let the shell complete commands and flags.")
    app.command(_run(tokens), name="run")
    app.command("cli.replay:replay")
    app.command("cli.inspect:inspect")
    app.command("cli.pack:pack")

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


def _run(tokens: Sequence[str]) -> App | Callable[..., int]:
    """The ``run`` command, with all its flags where they are wanted."""
    command = next((token for token in tokens if not token.startswith("-")), None)
    if command == "run" or "--install-completion" in tokens:
        return run_with(tokens)
    return App(help=SUMMARY)


def _say(problem: str, status: int) -> int:
    print(f"engine: {' '.join(problem.split())}", file=sys.stderr)  # noqa: T201 - the command's own word
    return status
