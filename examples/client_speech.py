"""Speak to a model from Python: a file is said, and the answer is written into another.

    python examples/client_speech.py                                          # with the model that is embedded
    python examples/client_speech.py ws://127.0.0.1:8000/v1/realtime          # with a server: make run

The answer is in answer.wav, in the folder where it is run.
"""

import sys
import wave
from pathlib import Path

import trio

from realtime_engine import Client, open_client
from realtime_engine.updates import AudioDelta, Interrupted, ResponseEnded, TranscriptDelta
from realtime_engine.upstreams.local import Local, LocalOptions

HERE = Path(__file__).parent
RATE = 24_000
SILENCE = bytes(RATE * 2)  # a second, in which the server hears that nobody speaks any more


async def speak(client: Client, path: Path) -> None:
    """Say what is in a file, as a microphone would: piece by piece."""
    with wave.open(str(path)) as file:
        sound = file.readframes(file.getnframes()) + SILENCE
    for start in range(0, len(sound), 4800):
        await client.append_audio(sound[start : start + 4800])
        await trio.sleep(0.01)  # a microphone takes 0.1 s for that


async def listen(client: Client, path: Path) -> None:
    """Print the answer, and keep its sound."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        async for update in client.updates():
            match update:
                case AudioDelta(audio=audio):
                    file.writeframes(audio)
                case TranscriptDelta(item=item, transcript=words) if item.role == "assistant":
                    print(words, end="", flush=True)
                case Interrupted():
                    await client.interrupt()  # nobody hears an answer that is spoken over
                case ResponseEnded():
                    print()
                    break


async def main() -> None:
    """One spoken turn."""
    script = HERE / "replies.toml"
    upstream = sys.argv[1] if len(sys.argv) > 1 else Local(LocalOptions(script=script, reply_speed=20))
    async with open_client(upstream) as client, trio.open_nursery() as nursery:
        nursery.start_soon(speak, client, HERE / "question.wav")
        await listen(client, Path("answer.wav"))
        nursery.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(main)
