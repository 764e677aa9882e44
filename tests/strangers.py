"""A stranger's package, installed as its user would, but where only the test finds it."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from tests.pages import ROOT, environment

UV: Final = shutil.which("uv") or str(ROOT / ".venv-uv" / "bin" / "uv")  # where there is none, `make setup` gets one
_HERE: Final = ("--offline", "--no-cache", "--no-deps", "--no-build-isolation", "--python", sys.executable)
"""What the package needs is there, and nothing of it is kept; it is built by what built the engine."""


def install(*packages: Path, into: Path) -> None:
    """Install the packages of some folders into a folder of their own."""
    command = [UV, "pip", "install", "--quiet", *_HERE, "--target", str(into), *map(str, packages)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr


@contextmanager
def installed(folder: Path) -> Iterator[None]:
    """Have what is installed in a folder in this process too; nothing of it stays."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        try:
            yield
        finally:
            for name, module in list(sys.modules.items()):
                if Path(getattr(module, "__file__", None) or "/").is_relative_to(folder):
                    del sys.modules[name]


def with_packages(folder: Path) -> Mapping[str, str]:
    """The environment of somebody who has installed what is in a folder, for a process of its own."""
    paths = (str(folder), os.environ.get("PYTHONPATH", ""))
    return environment(PYTHONPATH=os.pathsep.join(path for path in paths if path))
