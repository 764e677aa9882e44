# /// script
# requires-python = ">=3.11"
# dependencies = ["livekit-plugins-openai==1.8.9"]
# ///
"""``livekit-plugins-openai``: a session of its realtime model, without a room around it.

Usage: python livekit_client.py HOST PORT TOKEN
"""

import asyncio
import json
import sys

from livekit import rtc
from livekit.agents import function_tool, llm
from livekit.plugins.openai import realtime
from question import QUESTION


@function_tool
async def get_weather(city: str) -> str:
    """The weather of a city."""
    return f"fine in {city}"


async def hear(generation):
    """What one answer is: its words, its length in seconds, and the functions that it calls."""
    words, seconds = "", 0.0
    async for message in generation.message_stream:
        words += "".join([str(part) async for part in message.text_stream])
        seconds += sum([frame.duration async for frame in message.audio_stream])
    return words, seconds, [call async for call in generation.function_stream]


async def main(host, port, token):
    model = realtime.RealtimeModel(base_url=f"ws://{host}:{port}/v1", api_key=token, model="gpt-realtime")
    session = model.session()
    errors = []
    session.on("error", errors.append)
    spontaneous = asyncio.Queue()
    session.on("generation_created", lambda event: event.user_initiated or spontaneous.put_nowait(event))
    heard = {}

    context = session.chat_ctx.copy()
    context.add_message(role="user", content="Hello?")
    await session.update_chat_ctx(context)
    heard["typed"], _, _ = await hear(await session.generate_reply())

    for piece in QUESTION:
        session.push_audio(rtc.AudioFrame(piece, 24_000, 1, len(piece) // 2))
    _, heard["spoken"], _ = await hear(await spontaneous.get())

    await session.update_tools([get_weather])
    context = session.chat_ctx.copy()
    context.add_message(role="user", content="How is the weather?")
    await session.update_chat_ctx(context)
    _, _, calls = await hear(await session.generate_reply())
    heard["called"] = [f"{call.name} {call.arguments}" for call in calls]

    context = session.chat_ctx.copy()
    for call in calls:
        output = await get_weather(**json.loads(call.arguments))
        context.insert(llm.FunctionCallOutput(call_id=call.call_id, name=call.name, output=output, is_error=False))
    await session.update_chat_ctx(context)
    heard["after"], _, _ = await hear(await session.generate_reply())

    await session.aclose()
    heard["errors"] = [str(error) for error in errors]
    print(json.dumps(heard))


asyncio.run(asyncio.wait_for(main(*sys.argv[1:]), 60))
