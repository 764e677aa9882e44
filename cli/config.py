"""``engine config``: the configuration of a server."""

from pathlib import Path
from typing import Annotated, TypeAlias

from cyclopts import Parameter

from cli.out import lines
from realtime_engine.errors import UsageError

Flag: TypeAlias = Annotated[bool, Parameter(negative=(), show_default=False)]


def config(*, example: Flag = False, check: Path | None = None) -> int:
    """Print an example of a server's configuration, or check one.

      engine config --example > engine.toml

      engine config --check engine.toml

    Args:
        example: Print a complete engine.toml, with all defaults and what they mean.
        check: Read a file and say whether every table, key and value in it is known. What stands in [session] is for
            the model's server to judge; and what stands in [tools], if the file does not name their module, for
            that.
    """
    if example == (check is not None):
        raise UsageError("say what is wanted: engine config --example, or engine config --check FILE")
    if check is None:
        from cli.example import example as text

        lines().print(text(), end="")
        return 0
    from cli.given import ConfigFile
    from cli.serve import check_config

    config = ConfigFile.read(check)
    check_config(config)
    left = {"session": "the model's server"}
    if not config.table("serve").get("tools"):
        left["tools"] = "the module of --tools"
    but = [f"in [{name}], which only {who} can judge" for name, who in left.items() if config.table(name)]
    lines().print(f"{check}: all of it is known{', but for what stands ' if but else ''}{' and '.join(but)}")
    return 0
