"""``pipecat-ai``: a pipeline of its realtime service and the two halves of its context, as its examples have it."""

import asyncio
from contextlib import asynccontextmanager

from pipecat.adapters.llm.schemas.function_schema import FunctionSchema
from pipecat.adapters.llm.schemas.tools_schema import ToolsSchema
from pipecat.frames.frames import (
    ErrorFrame,
    InputAudioRawFrame,
    InterruptionFrame,
    LLMFullResponseEndFrame,
    LLMRunFrame,
    TTSAudioRawFrame,
    TTSTextFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.runner import PipelineRunner
from pipecat.pipeline.task import PipelineParams, PipelineTask
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import LLMContextAggregatorPair
from pipecat.processors.frame_processor import FrameProcessor
from pipecat.services.openai.realtime.llm import OpenAIRealtimeLLMService
from turns import ASKED, HELLO, run


class Ear(FrameProcessor):
    """Notes what comes out of the model."""

    def __init__(self):
        super().__init__()
        self.words, self.sound, self.errors = "", [], []
        self.answers = asyncio.Queue()
        self.interrupted = asyncio.Event()

    async def process_frame(self, frame, direction):
        await super().process_frame(frame, direction)
        match frame:
            case TTSTextFrame():
                self.words += frame.text
            case TTSAudioRawFrame():
                self.sound.append(frame.audio)
            case ErrorFrame():
                self.errors.append(frame.error)
            case InterruptionFrame():
                self.interrupted.set()
            case LLMFullResponseEndFrame():
                self.answers.put_nowait((self.words, self.sound))
                self.words, self.sound = "", []
        await self.push_frame(frame, direction)


@asynccontextmanager
async def conversation(address, token, text, called):
    """A pipeline whose context begins with a typed message; its model answers that first."""

    async def get_weather(params):
        city = params.arguments["city"]
        called.append(city)
        await params.result_callback(f"fine in {city}")

    weather = FunctionSchema("get_weather", "The weather of a city.", {"city": {"type": "string"}}, ["city"])
    user, assistant = LLMContextAggregatorPair(LLMContext([{"role": "user", "content": text}], ToolsSchema([weather])))
    model = OpenAIRealtimeLLMService(api_key=token, base_url=f"{address}/v1/realtime")
    model.register_function("get_weather", get_weather)
    ear = Ear()
    task = PipelineTask(
        Pipeline([user, model, ear, assistant]),
        params=PipelineParams(audio_in_sample_rate=24_000, audio_out_sample_rate=24_000),
    )
    running = asyncio.create_task(PipelineRunner(handle_sigint=False).run(task))
    await task.queue_frame(LLMRunFrame())
    yield task, ear
    await task.cancel()
    await running


async def speak(task, speech):
    for piece in speech:
        await task.queue_frame(InputAudioRawFrame(piece, 24_000, 1))


async def converse(address, token, speech, heard):
    async with conversation(address, token, HELLO, []) as (task, ear):
        heard["typed"], heard["voiced"] = await ear.answers.get()
        # Whoever begins to speak interrupts: the pipeline drops what it holds, were it the answer to what was said.
        await speak(task, speech[: len(speech) // 2])
        await ear.interrupted.wait()
        await speak(task, speech[len(speech) // 2 :])
        _, heard["spoken"] = await ear.answers.get()
        heard["errors"] += ear.errors

    async with conversation(address, token, ASKED, heard["called"]) as (_, ear):
        while not heard["after"]:
            heard["after"], _ = await ear.answers.get()
        heard["errors"] += ear.errors


run(converse)
