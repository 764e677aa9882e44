"""Realtime clients of other makers, as they are, against `engine serve --upstream local`: what `make sdks` runs.

They are heavy, so each has an environment of its own, made by uv or npm; a client prints what it has heard.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pytest

from tests.sdks.conftest import TOKEN
from tests.served import Served

CLIENTS: Final = Path(__file__).with_name("clients")
UV: Final = Path(shutil.which(os.environ.get("UV", "uv")) or "uv").resolve()


@pytest.mark.parametrize(
    "command",
    [
        pytest.param([str(UV), "run", "--no-project", "--quiet", "livekit_client.py"], id="livekit-plugins-openai"),
        pytest.param([str(UV), "run", "--no-project", "--quiet", "pipecat_client.py"], id="pipecat-ai"),
        pytest.param(["node", "node/openai.mjs"], id="openai of npm"),
        pytest.param(["node", "node/agents.mjs"], id="@openai/agents-realtime"),
    ],
)
def test_a_client_types_speaks_and_answers_a_function_call(command: Sequence[str], server: Served) -> None:
    host, port = server.address.split(":")

    done = subprocess.run(
        [*command, host, port, TOKEN], cwd=CLIENTS, capture_output=True, text=True, timeout=600, check=False
    )

    assert done.returncode == 0, done.stderr
    heard = json.loads(done.stdout.splitlines()[-1])
    assert heard["typed"] == "You said: Hello?"
    assert heard["spoken"] > 1.0
    assert len(heard["called"]) == 1
    assert "Paris" in heard["called"][0]
    assert heard["after"].startswith("The weather service says: ")
    assert "fine in Paris" in heard["after"]
    assert heard.get("errors", []) == []
