"""The ``openai`` package over TLS, with a certificate that its system trusts."""

from pathlib import Path

import pytest
from openai import OpenAI

from tests.certs import make_certificate
from tests.sdks.conftest import TOKEN
from tests.sdks.test_openai import HELLO, said, until
from tests.served import served


def test_a_typed_turn_over_tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chain, key = make_certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(chain))
    local = ("--upstream", "local", "--speech", "tones", "--tls-cert", chain, "--tls-key", key)

    with served(*local, env={"ENGINE_TOKEN": TOKEN}) as server:
        client = OpenAI(api_key=TOKEN, base_url=f"{server.http}/v1")
        with client, client.realtime.connect(model="gpt-realtime") as connection:
            connection.conversation.item.create(item=HELLO)
            connection.response.create()
            assert said(until("response.done", connection)) == "You said: Hello?"

    assert server.scheme == "https"
