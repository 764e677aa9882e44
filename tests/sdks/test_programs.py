"""Realtime clients that have an environment of their own, as they are, against `engine serve --upstream local`.

Each is a program that holds one conversation and says at its end what it has heard.
"""

import json
import os
import subprocess
from collections.abc import Sequence
from typing import Final

import msgspec
import pytest

from tests.certs import Certificate
from tests.sdks.conftest import serving
from tests.sdks.heard import Heard, given, judge
from tests.served import ROOT, Served

CLIENTS: Final = ROOT / "tests" / "sdks" / "clients"
PYTHON: Final = str(ROOT / ".venv-clients" / "bin" / "python")
NODE: Final = ("node", "node/main.mjs")


def run(command: Sequence[str], server: Served, speech: Sequence[bytes], trusted: Certificate) -> str:
    """Run a client to its end; what it says last."""
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
    return done.stdout.splitlines()[-1]


def converse(command: Sequence[str], server: Served, speech: Sequence[bytes], trusted: Certificate) -> Heard:
    """What a client has heard."""
    return msgspec.json.decode(run(command, server, speech, trusted), type=Heard)


@pytest.mark.parametrize(
    "command",
    [
        pytest.param([PYTHON, "livekit_client.py"], id="livekit-plugins-openai"),
        pytest.param([PYTHON, "pipecat_client.py"], id="pipecat-ai"),
        pytest.param([*NODE, "openai_ws", "converse"], id="openai/realtime/ws"),
        pytest.param([*NODE, "openai_ws", "converseInBeta"], id="openai/beta/realtime/ws"),
        pytest.param([*NODE, "agents", "converse"], id="@openai/agents-realtime"),
        pytest.param([*NODE, "reference", "converse"], id="openai-realtime-api"),
        pytest.param([*NODE, "reference", "converseByHand"], id="openai-realtime-api without turn detection"),
    ],
)
def test_a_client_types_speaks_and_answers_a_function_call(
    command: Sequence[str], server: Served, speech: Sequence[bytes], certificate: Certificate
) -> None:
    judge(converse(command, server, speech, certificate), speech)


@pytest.mark.parametrize("conversation", ["converse", "converseInBeta"])
def test_a_class_of_npm_that_dials_nothing_but_tls_does_so_over_tls(
    conversation: str, secure: Served, speech: Sequence[bytes], certificate: Certificate
) -> None:
    judge(converse([*NODE, "openai_ws", conversation], secure, speech, certificate), speech)


def test_the_reference_client_cancels_an_answer_at_what_was_heard_and_deletes_it(certificate: Certificate) -> None:
    with serving(speed="1") as server:
        told = json.loads(run([*NODE, "reference", "cancel"], server, [], certificate))

    assert told == {"status": "cancelled", "heard_ms": 100, "deleted": True, "left": ["user"]}
