"""``livekit-plugins-openai``: a session of its realtime model, without a room around it."""

import asyncio
import json

from livekit import rtc
from livekit.agents import function_tool, llm
from livekit.plugins.openai import realtime
from turns import ASKED, HELLO, run


@function_tool
async def get_weather(city: str) -> str:
    """The weather of a city."""
    return f"fine in {city}"


async def hear(generation):
    """What one answer is: its words, its sound, and the functions that it calls."""
    words, sound = "", []
    async for message in generation.message_stream:
        words += "".join([str(part) async for part in message.text_stream])
        sound += [bytes(frame.data) async for frame in message.audio_stream]
    return words, sound, [call async for call in generation.function_stream]


async def converse(address, token, speech, heard):
    model = realtime.RealtimeModel(base_url=f"{address}/v1", api_key=token, model="gpt-realtime")
    session = model.session()
    session.on("error", lambda error: heard["errors"].append(str(error)))
    spontaneous = asyncio.Queue()
    session.on("generation_created", lambda event: event.user_initiated or spontaneous.put_nowait(event))

    context = session.chat_ctx.copy()
    context.add_message(role="user", content=HELLO)
    await session.update_chat_ctx(context)
    heard["typed"], heard["voiced"], _ = await hear(await session.generate_reply())

    for piece in speech:
        session.push_audio(rtc.AudioFrame(piece, 24_000, 1, len(piece) // 2))
    _, heard["spoken"], _ = await hear(await spontaneous.get())

    await session.update_tools([get_weather])
    context = session.chat_ctx.copy()
    context.add_message(role="user", content=ASKED)
    await session.update_chat_ctx(context)
    _, _, calls = await hear(await session.generate_reply())

    context = session.chat_ctx.copy()
    for call in calls:
        arguments = json.loads(call.arguments)
        heard["called"].append(arguments["city"])
        output = await get_weather(**arguments)
        context.insert(llm.FunctionCallOutput(call_id=call.call_id, name=call.name, output=output, is_error=False))
    await session.update_chat_ctx(context)
    heard["after"], _, _ = await hear(await session.generate_reply())

    await session.aclose()


run(converse)
