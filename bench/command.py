"""The commands of the engine, run as a user runs them: how long they take, and how much memory."""

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Final, NamedTuple

ENGINE: Final = str(Path(sys.executable).with_name("engine"))


class Cost(NamedTuple):
    """What one run took: wall time, and the most memory it held at a time."""

    seconds: float
    megabytes: float


def run(*command: str) -> Cost:
    """Run a command to its end, silently.

    Raises:
        SystemExit: It failed; what it said goes to standard error.
    """
    start = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        said = process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - start
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} failed: {said.decode(errors='replace')}")
    return Cost(seconds, usage.ru_maxrss / 1024)
