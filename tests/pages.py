"""What the documentation shows: its commands and its programs, to be run by tests as they stand there."""

import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parent.parent
_FENCED: Final = re.compile(r"^```(\w*)\n(.*?)^```\n", re.MULTILINE | re.DOTALL)


def page(name: str) -> str:
    """The text of a page, by its path in the project."""
    return (ROOT / name).read_text("utf-8")


def section(text: str, heading: str) -> str:
    """What stands under a heading of the second level."""
    return text.partition(f"## {heading}\n")[2].partition("\n## ")[0]


def blocks(text: str, language: str) -> list[str]:
    """What stands between fences of this language."""
    return [block for named, block in _FENCED.findall(text) if named == language]


def commands(text: str) -> list[str]:
    """The lines that are commands: indented, and not between fences."""
    return [line.strip() for line in _FENCED.sub("", text).splitlines() if line.startswith("    ") and line[4] != "{"]


def environment(**more: str) -> Mapping[str, str]:
    """That of somebody who has set the engine up; a server takes any port that is free."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "ENGINE_PORT": "0", **more}
