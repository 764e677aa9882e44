"""A stranger's package, installed as its user would, but where only the test finds it."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from tests.pages import ROOT, environment

UV: Final = shutil.which("uv") or str(ROOT / ".venv-uv" / "bin" / "uv")  # where there is none, `make setup` gets one
_HERE: Final = ("--offline", "--no-cache", "--no-deps", "--no-build-isolation", "--python", sys.executable)
"""What the package needs is there, and nothing of it is kept; it is built by what built the engine."""


def install(package: Path, into: Path) -> None:
    """Install the package of a folder into a folder of its own."""
    command = [UV, "pip", "install", "--quiet", *_HERE, "--target", str(into), str(package)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr


def with_packages(folder: Path) -> Mapping[str, str]:
    """The environment of somebody who has installed what is in a folder."""
    paths = (str(folder), os.environ.get("PYTHONPATH", ""))
    return environment(PYTHONPATH=os.pathsep.join(path for path in paths if path))
