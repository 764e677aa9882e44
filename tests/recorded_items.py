"""The conversation that each recorded session is, read off its frames by a person: item by item, in the server's order.

The words are masked in the recordings, so they mean nothing; their lengths and places are real.
"""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from realtime_engine.conversation import Entry


class Right(NamedTuple):
    """An item as it must be known when the session is over.

    Attributes:
        who: Its role; of a function call ``call``, of what that gave ``output``.
        words: What was said or written; of a call its arguments, of an output what it is.
        spoken: Whether it was said.
        status: The server's last word; of an output it says none.
        at: Where a turn stood in the microphone's audio, in milliseconds.
        heard_ms: Where an answer was cut.
        pictures: How many there are in it.
    """

    who: str
    words: str
    spoken: bool = False
    status: str = "completed"
    at: tuple[int, int] | None = None
    heard_ms: int | None = None
    pictures: int = 0


def shown(entry: Entry) -> Right:
    """What is known of an item, in the same form."""
    at = None if entry.start_ms is None or entry.end_ms is None else (entry.start_ms, entry.end_ms)
    known = Right(entry.role, entry.words, bool(entry.said.parts), entry.status, at, entry.heard_ms, entry.pictures)
    match entry.type:
        case "function_call":
            return known._replace(who="call", words=f"{entry.name}({entry.arguments})")
        case "function_call_output":
            return known._replace(who="output", words=entry.output)
    return known


QUESTION: Final = "Nnan an nna naannan an Nannan?"
CALL: Final = 'get_weather({  \n  "city": "London" \n} \n)'
OUTPUT: Final = "An an nanna ann 00 nannaan an Nannan."
FORECAST: Final = (
    Right("user", QUESTION),
    Right("call", CALL),
    Right("output", OUTPUT, status=""),
)
HISTORY: Final = (
    Right("user", "Na nana an Anana ann na nananana nanan an naan."),
    Right("assistant", "Nana na naan aaa, Anana!"),
    Right("user", "Nnan an na nana ann nananana nanan?"),
)
"""Three items that the client makes, one after the other, before it asks for an answer."""

SPOKEN: Final = "Nanna, na nana an Nannana."
"""The same recording was spoken in all spoken turns."""

NUDGE: Final = (
    "Na anan nnaann nan nanannan nan a nnana. Nnaana nanaan nna nanannan aanaa: An nna anan nan nnaanann, nannann "
    "nanananna. An nan, nannan an an nnaan nann nannana na naan nna nannannanaan naann an ann an nnaa'na nnann nnana."
)

RIGHT: Final[Mapping[str, Sequence[Right]]] = {
    # a spoken turn: the user's transcript comes while the answer is spoken
    "openai/audio_in_server_vad_turn.jsonl": [
        Right("user", SPOKEN, spoken=True, at=(1460, 4256)),
        Right("assistant", "Nanna, Nannana! Nnaan na naan aaa. Nan nan A nann aaa nanaa?", spoken=True),
    ],
    # spoken over: the first answer is cancelled, and cut by the client to nothing; both turns have their transcripts
    # late, the first one's after the second has been committed
    "openai/barge_in_interrupt_response_true.jsonl": [
        Right("user", SPOKEN, spoken=True, at=(1460, 4256)),
        Right("assistant", "Ana, Nannana! A an nnanan", spoken=True, status="incomplete", heard_ms=0),
        Right("user", SPOKEN, spoken=True, at=(6932, 9760)),
        Right("assistant", "Aa, Nannana! Naa nan nanan nan nana. Nana nanna na ananan nana?", spoken=True),
    ],
    # a picture and a question about it; the response fails before it has an item
    "openai/failed_response.jsonl": [Right("user", "", pictures=1), Right("user", "Nnan an an nna anana?")],
    "openai/history_seeding_parity_openai-current.jsonl": [
        *HISTORY,
        Right("assistant", "Aaan nana an Anana, ann aaan nananana nanan an naan."),
    ],
    "openai/history_seeding_parity_openai-previous.jsonl": [
        *HISTORY,
        Right("assistant", "Aaan nana an Anana, ann aaan nananana nanan an naan."),
    ],
    # nobody spoke for five seconds: the server tells itself to speak up, and commits the silence as a turn whose
    # transcript is empty
    "openai/idle_timeout.jsonl": [
        Right("user", "Naa na an nna nannn."),
        Right("assistant", "Na nnana.", spoken=True),
        Right("system", NUDGE),
        Right("user", "", spoken=True, at=(672, 5792)),
        Right("assistant", "Naa, A'n nnann nana! Anannann aaa nann na nnan anaan?", spoken=True),
    ],
    "openai/message_history_seeding.jsonl": [
        *HISTORY,
        Right("assistant", "Aaan nana an Anana, ann aaan nananana nanan an naan!"),
    ],
    # beside a WebRTC call: the sound goes elsewhere, the words come here
    "openai/sideband_webrtc_sideband_audio_turn.jsonl": [
        Right("user", "Naa nanna."),
        Right("assistant", "Nanna nnana.", spoken=True),
    ],
    "openai/sideband_webrtc_sideband_text_turn.jsonl": [
        Right("user", "Naa nanna."),
        Right("assistant", "Nanna nnana!"),
    ],
    "openai/text_in_audio_out_turn.jsonl": [
        Right("user", "Naa a nnann nnaanann."),
        Right("assistant", "Na nnana!", spoken=True),
    ],
    "openai/text_tool_round_parity_openai-previous.jsonl": [
        *FORECAST,
        Right("assistant", "An?n nanna ann 00 nannaan an Nannan."),
    ],
    # the client answers the call before its response is done
    "openai/tool_call_round.jsonl": [*FORECAST, Right("assistant", "An an nanna ann 00 nannaan an Nannan.")],
    # the answer is complete when it is cut, to nothing; the recording ends at the next item
    "openai/truncate_after_done.jsonl": [
        Right("user", "Naa nanna."),
        Right("assistant", "Nanna! Nnaan na nannann nann aaa.", spoken=True, heard_ms=0),
        Right("user", "Naa naannaa."),
    ],
    "azure/audio_in_server_vad_transcribes.jsonl": [
        Right("user", SPOKEN, spoken=True, at=(1556, 4224)),
        Right("assistant", "Na Nannana, an'n nnaan na naan aaa! Nnan nan A nann aaa nann nanaa?", spoken=True),
    ],
    "azure/message_history_seeding.jsonl": [
        *HISTORY,
        Right(
            "assistant",
            "Aaan nana an Anana, ann aaan nananana nanan an naan! Nan an nannan an. Nan?n nana nnan nnan an nannann an "
            "nnan nanan, nnann na?",
        ),
    ],
    "azure/sideband_webrtc_sideband_text_turn.jsonl": [Right("user", "Naa nanna."), Right("assistant", "Nanna nnana!")],
    "azure/text_in_audio_out_turn.jsonl": [
        Right("user", "Naa a nnann nnaanann."),
        Right("assistant", "Nanna nnana! Nnaan na naan aaa!", spoken=True),
    ],
    "azure/tool_call_round.jsonl": [*FORECAST, Right("assistant", "An an nanna ann 00 nannaan an Nannan.")],
    # the item is added, in progress, while it is being said; its transcript is corrected four times, and thrice
    # called completed, twice of them too early; no event says that the item is done but its commit
    "xai/audio_in_server_vad_turn.jsonl": [
        Right("user", SPOKEN, spoken=True, at=(227, 432)),
        Right("assistant", "Nanna Nannana! Nana na naan aaa. Nan nan A nann aaa nanaa?", spoken=True),
    ],
    # what ends an answer's item says nothing of its content
    "xai/message_history_seeding.jsonl": [
        *HISTORY,
        Right(
            "assistant",
            "Aaan nana an Anana ann aaan nananana nanan an naan. An nnana'n anannann anna aaa'n nana na nnana an nnan "
            "anaan, A'n ann aann!",
            spoken=True,
        ),
    ],
    "xai/text_in_audio_out_turn.jsonl": [
        Right("user", "Naa a nnann nnaanann."),
        Right("assistant", "Nanna nnana!", spoken=True),
    ],
    "xai/thinking_disabled.jsonl": [
        Right("user", "Naa a nnann nnaanann."),
        Right("assistant", "Nanna nnana!", spoken=True),
    ],
    # the older generation: its item is created in progress, and what ends it says nothing of its content
    "beta/text_response_beta.jsonl": [
        Right(
            "assistant",
            '{\n  "nann": "nannann",\n  "nanaan": "--",\n  "annnananaan": "Nna nann \'nannann\' nanann na nanannann '
            "nnan an anaanann a nananaan, nannnanann, an nannnanaan. An naann nnan nna nannan an nan aan nanannan an "
            'nanananan.",\n  "nannanna": "Nna annnanan nan nna nan nnanann an nnann nannann, na na nan\'n nnann '
            'nannann an an nann aan."\n}',
        )
    ],
}
