"""docs/from-the-reference-client.md: no cell is empty, and each row's test is there."""

import ast
import re
from pathlib import Path
from typing import Final

import pytest

from realtime_engine.audio import decode_base64, encode_base64

TESTS: Final = Path(__file__).parent
PAGE: Final = (TESTS.parent / "docs" / "from-the-reference-client.md").read_text("utf-8")
ROWS: Final = [
    [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
    for line in PAGE.splitlines()
    if line.startswith("|") and not line.startswith("| ---")
]
PUBLIC: Final = {
    "RealtimeClient": (
        *("isConnected", "reset", "connect", "waitForSessionCreated", "disconnect", "getTurnDetectionType", "addTool"),
        *("removeTool", "deleteItem", "updateSession", "sendUserMessageContent", "appendInputAudio", "createResponse"),
        *("cancelResponse", "waitForNextItem", "waitForNextCompletedItem", "defaultSessionConfig", "sessionConfig"),
        *("defaultServerVadConfig", "dangerouslyAllowAPIKeyInBrowser", "debug", "transcriptionModels", "client.tools"),
        *("sessionCreated", ".realtime`", ".conversation`", "inputAudioBuffer"),
    ),
    "Its events": (
        *("realtime.event", "conversation.updated", "conversation.item.appended", "conversation.item.completed"),
        *("conversation.interrupted", "error", "close", "server.", "client."),
    ),
    "RealtimeEventHandler": ("on", "onNext", "off", "offNext", "clearEventHandlers", "waitForNext", "dispatch"),
    "RealtimeAPI": ("connect", "isConnected", "disconnect", "send", "receive", "log", "defaultUrl", "url", "apiKey"),
    "RealtimeConversation": (
        *("clear", "queueInputAudio", "processEvent", "getItem", "getItems", "defaultFrequency", "responses"),
        *("formatted.text", "formatted.transcript", "formatted.audio", "formatted.tool", "formatted.output"),
        "formatted.file",
    ),
    "RealtimeUtils": (
        *("floatTo16BitPCM", "base64ToArrayBuffer", "arrayBufferToBase64", "mergeInt16Arrays", "generateId"),
    ),
}
"""What the reference client has for its users, class by class."""


def test_no_cell_is_empty() -> None:
    assert len(ROWS) > 80
    assert [row for row in ROWS if not all(row)] == []


@pytest.mark.parametrize("test", sorted({row[2].strip("`") for row in ROWS if "::" in row[-1]}))
def test_the_test_of_a_row_is_there(test: str) -> None:
    file, _, name = test.partition("::")
    tree = ast.parse((TESTS / file).read_bytes())

    assert name in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


@pytest.mark.parametrize("section", PUBLIC)
def test_nothing_that_the_reference_client_has_is_left_out(section: str) -> None:
    table = PAGE.partition(f"## {section}\n")[2].partition("\n## ")[0]
    first = "\n".join(line.split("|")[1] for line in table.splitlines() if line.startswith("|"))

    assert [name for name in PUBLIC[section] if name not in first] == []


def test_base64_goes_both_ways() -> None:
    assert decode_base64(encode_base64(b"\1\0\2")) == b"\1\0\2"
