"""Realtime clients that have an environment of their own, as they are, against `engine serve --upstream local`.

Each is a program that holds one conversation and prints what it has heard.
"""

import json
import os
import subprocess
from collections.abc import Sequence
from typing import Final

import msgspec
import pytest

from tests.certs import Certificate
from tests.sdks.heard import Heard, given, judge
from tests.served import ROOT, Served

CLIENTS: Final = ROOT / "tests" / "sdks" / "clients"
PYTHON: Final = ROOT / ".venv-clients" / "bin" / "python"


def converse(command: Sequence[str], server: Served, speech: Sequence[bytes], trusted: Certificate) -> Heard:
    """Run a client to its end."""
    done = subprocess.run(
        command,
        cwd=CLIENTS,
        env={**os.environ, "NODE_EXTRA_CA_CERTS": str(trusted.chain)},
        input=json.dumps(given(server, speech)),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return msgspec.json.decode(done.stdout.splitlines()[-1], type=Heard)


@pytest.mark.parametrize(
    "command",
    [
        pytest.param([str(PYTHON), "livekit_client.py"], id="livekit-plugins-openai"),
        pytest.param([str(PYTHON), "pipecat_client.py"], id="pipecat-ai"),
        pytest.param(["node", "node/main.mjs", "openai_ws"], id="OpenAIRealtimeWS of openai"),
        pytest.param(["node", "node/main.mjs", "agents"], id="@openai/agents-realtime"),
    ],
)
def test_a_client_types_speaks_and_answers_a_function_call(
    command: Sequence[str], server: Served, speech: Sequence[bytes], certificate: Certificate
) -> None:
    judge(converse(command, server, speech, certificate), speech)


def test_a_client_of_npm_that_dials_nothing_but_tls_does_so_over_tls(
    secure: Served, speech: Sequence[bytes], certificate: Certificate
) -> None:
    judge(converse(["node", "node/main.mjs", "openai_ws"], secure, speech, certificate), speech)
