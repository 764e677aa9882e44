"""Realtime clients in Chromium, as they are: there the token can only come as a subprotocol."""

import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import msgspec
import pytest
from playwright.sync_api import Browser, Page

from tests.sdks.heard import Heard, given, judge
from tests.served import ROOT, Served
from tests.system.browser import chromium

NODE: Final = ROOT / "tests" / "sdks" / "clients" / "node"


@pytest.fixture(scope="module")
def clients(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All of them in one file, as for any page that uses them."""
    path = tmp_path_factory.mktemp("page") / "clients.js"
    esbuild = NODE / "node_modules" / ".bin" / "esbuild"
    subprocess.run(
        [str(esbuild), "page.mjs", "--bundle", "--log-level=warning", f"--outfile={path}"], cwd=NODE, check=True
    )
    return path


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as opened:
        yield opened


@pytest.fixture
def page(browser: Browser, secure: Served, clients: Path) -> Iterator[Page]:
    """A page of the server's own origin."""
    with browser.new_context(ignore_https_errors=True, bypass_csp=True) as context:
        opened = context.new_page()
        opened.goto(f"{secure.http}/healthz")
        opened.add_script_tag(path=clients)
        yield opened


@pytest.mark.parametrize(
    "conversation",
    [
        pytest.param("openai.converse", id="openai/realtime/websocket"),
        pytest.param("openai.converseInBeta", id="openai/beta/realtime/websocket"),
        pytest.param("agents.converse", id="@openai/agents-realtime"),
        pytest.param("reference.converse", id="openai-realtime-api"),
    ],
)
def test_a_client_types_speaks_and_answers_a_function_call(
    conversation: str, page: Page, secure: Served, speech: Sequence[bytes]
) -> None:
    in_time = f"(given) => Promise.race([clients.{conversation}(given), clients.late(60)])"
    heard = page.evaluate(in_time, given(secure, speech))

    judge(msgspec.convert(heard, Heard), speech)
