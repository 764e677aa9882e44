"""What docs/clients.md shows works as it stands there."""

import re
import subprocess
import sys
from typing import Final

from tests.sdks.conftest import TOKEN
from tests.served import ROOT, Served

CLIENTS: Final = (ROOT / "docs" / "clients.md").read_text("utf-8")


def test_the_program_in_the_documentation_is_answered(server: Served) -> None:
    (program,) = re.findall(r"^```python\n(.*?)^```", CLIENTS, re.MULTILINE | re.DOTALL)
    here = program.replace("127.0.0.1:8000", server.address).replace('"TOKEN"', repr(TOKEN))

    done = subprocess.run([sys.executable, "-c", here], capture_output=True, text=True, timeout=60, check=False)

    assert done.returncode == 0, done.stderr
    assert done.stdout == "You said: Good morning\n"
