"""What an editor knows of the client: mypy holds these when the code is checked, and they hold when it runs."""

from array import array
from typing import assert_type

import numpy as np
import pytest
import trio.testing

from realtime_engine import Client, Item, open_client
from realtime_engine import events as ev
from realtime_engine.raw_events import RawEvent
from realtime_engine.session_settings import SessionSettings
from realtime_engine.updates import ItemAppended, ResponseEnded, Update
from tests.script import Script
from tests.talk import added, created, done, message, session
from tests.test_client import Played

SETTINGS: SessionSettings = {
    "instructions": "Be brief.",
    "output_modalities": ["audio"],
    "audio": {
        "input": {"turn_detection": "none", "transcription": {"model": "whisper-1"}},
        "output": {"voice": "marin"},
    },
}


def double(number: int) -> int:
    """Twice as much."""
    return 2 * number


@pytest.mark.usefixtures("autojump_clock")
async def test_sound_is_bytes_or_an_array_of_samples() -> None:
    script = Script().on("connected", session())

    async with open_client(Played(script)) as client:
        for sound in (b"\1\0", array("h", [1]), np.ones(1, np.int16), np.full(1, 1 / 32767)):
            await client.append_audio(sound)
        await client.send_user_message("Listen:", np.ones(1, np.float32))

    assert [event["audio"] for event in script.all("input_audio_buffer.append")] == ["AQA="] * 4


@pytest.mark.usefixtures("autojump_clock")
async def test_everything_has_its_type() -> None:
    script = Script().on("connected", session()).at(1, added(message("item_1")), created(), done())
    script.at(2, added(message("item_2")), {"type": "vendors.own"})

    async with open_client(Played(script), session=SETTINGS) as client:
        assert_type(client, Client)
        assert assert_type(client.add_tool(double)(2), int) == 4
        assert_type(await client.wait_for(ItemAppended), ItemAppended)
        assert_type((await client.wait_for(ResponseEnded)).goes_on, bool)
        assert assert_type(await client.wait_for_next_item(), Item).id == "item_2"
        assert_type(await client.wait_for_event("vendors.own"), RawEvent)
        async for update in client.updates():
            assert_type(update, Update)
            break
        async for event in client.events():
            assert_type(event, RawEvent)
            break
        with trio.move_on_after(1):
            assert_type(await client.wait_for_event(ev.ResponseDone), ev.ResponseDone)
