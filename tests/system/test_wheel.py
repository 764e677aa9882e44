"""What is installed: the wheel has all that the commands need, and nothing else."""

import subprocess
import sys
from pathlib import Path
from typing import Final
from zipfile import ZipFile

import pytest

ROOT: Final = Path(__file__).parent.parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> ZipFile:
    folder = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (path,) = folder.glob("*.whl")
    return ZipFile(path)


def test_it_has_every_file_of_the_packages(wheel: ZipFile) -> None:
    files = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "realtime_engine", "transports", "cli"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split()

    packed = {name for name in wheel.namelist() if ".dist-info/" not in name}

    assert packed == set(files)
    assert {"transports/ws/page/index.html", "realtime_engine/py.typed"} <= packed


def test_it_registers_the_command_and_the_plug_ins(wheel: ZipFile) -> None:
    (points,) = [name for name in wheel.namelist() if name.endswith("entry_points.txt")]
    text = wheel.read(points).decode()

    for point in (
        "engine = cli.__main__:main",
        "ws = transports.ws:Ws",
        "local = realtime_engine.upstreams.local:Local",
    ):
        assert point in text.splitlines()
