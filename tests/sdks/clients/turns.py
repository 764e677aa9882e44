"""What every client is made to do, and how it tells what it has heard: `tests/sdks/heard.py` judges."""

import asyncio
import base64
import json
import sys

HELLO = "Hello?"
ASKED = "How is the weather?"


def run(converse):
    """Hold a conversation: what to talk to comes by standard input, what was heard goes to standard output."""
    given = json.load(sys.stdin)
    speech = [base64.b64decode(piece) for piece in given["speech"]]
    address = given["http"].replace("http", "ws", 1)
    heard = {"typed": "", "voiced": [], "spoken": [], "called": [], "after": "", "errors": []}
    asyncio.run(asyncio.wait_for(converse(address, given["token"], speech, heard), 60))
    print(json.dumps(heard, default=lambda sound: base64.b64encode(sound).decode()))
