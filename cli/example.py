"""A complete ``engine.toml``, made from the dataclasses that the flags are made from."""

import textwrap
from dataclasses import Field
from inspect import Parameter as Argument
from typing import Final, get_type_hints

import msgspec

from cli.flags import default_of, field_docs
from cli.given import OWN, plugins, settable
from cli.values import accepted

WIDTH: Final = 110

_HEAD: Final = """\
# Everything that `engine serve --config engine.toml` can be told, with its defaults.
#
# A line such as #port = 8000 shows a default: take the # away to change it. Where nothing is the default, three dots
# stand. What a flag says counts more than this file, and so does the environment: for `port`, --port and ENGINE_PORT.
# Keys are not kept here: they come from OPENAI_API_KEY and ENGINE_TOKEN, or from files that are named here. A path
# is taken from where the engine is started.
"""

_SESSION: Final = """\
[session]
# The session object of the Realtime API: what no key of [serve] sets. Clients can change nothing that is set here.
#output_modalities = ["audio"]
#[session.audio.input.turn_detection]
#type = "semantic_vad"
#[session.audio.input.transcription]
#model = "gpt-4o-mini-transcribe"
"""

_PRICES: Final = """\
[prices]
# What a million tokens cost, for max_cost. The figures here are made up. A model's name stands for all that begin with
# it. Besides these there are image_in, cached_image_in, and minute: a minute of audio, where a model that transcribes
# counts time.
#source = "the list on the wall, 1 January"
#currency = "USD"
#[prices.models."gpt-realtime"]
#text_in = 1.0
#cached_text_in = 0.1
#audio_in = 10.0
#cached_audio_in = 0.1
#text_out = 5.0
#audio_out = 20.0
"""

_TOOLS: Final = """\
[tools]
# What the module that `tools` in [serve] names has to be told: the fields of its Options, if it has them.
"""


def example() -> str:
    """The text of the file."""
    own = [_table(name, options) for name, options in OWN.items()]
    plugged = [_table(f"{kind}.{name}", options) for kind, name, options in plugins()]
    return "\n".join([_HEAD, own[0], _SESSION, *own[1:], _PRICES, _TOOLS, *plugged])


def _table(name: str, options: type) -> str:
    hints, docs = get_type_hints(options), field_docs(options)
    entries = [
        "\n".join(
            [
                *(f"# {line}" for line in textwrap.wrap(docs.get(key, ""), WIDTH - 2, break_on_hyphens=False)),
                f"#{key} = {_value(field, hints[key])}",
            ]
        )
        for key, field in settable(options).items()
    ]
    return f"[{name}]\n" + "\n\n".join(entries) + "\n"


def _value(field: Field[object], hint: object) -> str:
    """A default, as TOML writes it."""
    default = default_of(field)
    if default is None or default is Argument.empty:
        metavar: str | None = field.metadata.get("metavar")
        return f"…  ({accepted(hint) if metavar is None else f'a {metavar.lower()}'})"
    plain = msgspec.to_builtins(default, enc_hook=str)
    return msgspec.json.encode(plain).decode()  # a text, a number, true, false, a list of them: as in JSON
