"""Talk to a model from Python: say something, and read the answer as it comes.

    python examples/client.py                                      # with the model that is embedded
    python examples/client.py ws://127.0.0.1:8000/v1/realtime      # with a server: make run

A server gets the key in OPENAI_API_KEY, if there is one.
"""

import sys
from pathlib import Path

import trio

from realtime_engine import Client, open_client
from realtime_engine.updates import ErrorReported, ResponseEnded, ToolEnded, ToolFailed, TranscriptDelta
from realtime_engine.upstreams.local import Local, LocalOptions

HERE = Path(__file__).parent


async def lamp(on: bool) -> str:
    """Switch the lamp in the living room on or off."""
    return f"the lamp is {'on' if on else 'off'}"


async def ask(client: Client, question: str) -> None:
    """Say something, and print what comes of it, until the model has nothing more to do."""
    print(f"> {question}")
    await client.send_user_message(question)
    async for update in client.updates():
        match update:
            case TranscriptDelta(transcript=words):
                print(words, end="", flush=True)
            case ToolEnded(item=item, output=output) | ToolFailed(item=item, output=output):
                print(f"[{item.tool.name if item.tool else '?'}: {output}]")
            case ErrorReported(error=error):
                print(f"[{error.message}]")
            case ResponseEnded(goes_on=False):
                print()
                break


async def main() -> None:
    """Two questions, one of which the model needs a function for."""
    script = HERE / "replies.toml"
    upstream = sys.argv[1] if len(sys.argv) > 1 else Local(LocalOptions(script=script, reply_speed=20))
    async with open_client(upstream, session={"instructions": "Be brief."}) as client:
        client.add_tool(lamp)
        await ask(client, "How is the weather?")
        await ask(client, "Switch the lamp on")


if __name__ == "__main__":
    trio.run(main)
