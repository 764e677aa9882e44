"""xAI's servers: the protocol with a few habits of their own (`realtime_engine.upstreams.openai` does the rest).

Source: the recorded sessions of ``tests/traces/xai``.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

from realtime_engine.upstreams.openai import OpenAI, OpenAIOptions, ServerOptions, Vendor, common

if TYPE_CHECKING:
    from realtime_engine.tongues import UpstreamDialect

KEY: Final = "XAI_API_KEY"


@dataclass(frozen=True, slots=True, kw_only=True)
class XaiOptions(ServerOptions):
    """Where xAI's model is, and who asks.

    Attributes:
        url: The server's address.
        model_name: The model, where the address names none and a client is free to ask for another.
        key_file: A file with the key, instead of XAI_API_KEY.
    """

    url: str = "wss://api.x.ai/v1/realtime"
    model_name: str | None = None


class Xai(OpenAI):
    """The plug-in: see `realtime_engine.plugins.LinkUpstream`.

    Raises:
        UsageError: There is no key, or an option is wrong; the message names it, and shows no secret.
    """

    Options: ClassVar[type] = XaiOptions
    vendor: ClassVar[Vendor] = Vendor(key=KEY, model="grok-voice-latest", aloof=True)
    name: str = "xai"

    @property
    def dialect(self) -> "UpstreamDialect":
        """See `realtime_engine.plugins.dialect_of`."""
        return "xai"

    def __init__(self, options: XaiOptions) -> None:
        super().__init__(OpenAIOptions(url=options.url, model_name=options.model_name, **common(options)))
