"""What tokens cost. The engine knows no price: the operator's table says them, and where they are from."""

from typing import Annotated, TypeAlias

from msgspec import UNSET, Meta, Struct

from realtime_engine.objects import CachedTokens, InputTokens, OutputTokens, TranscriptionUsage, Usage

Money: TypeAlias = Annotated[float, Meta(ge=0)]
_MILLION = 1e6


class Price(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a model costs: a million tokens of each kind, in the table's currency.

    Attributes:
        text_in, audio_in, image_in: Of the input.
        cached_text_in, cached_audio_in, cached_image_in: The same where it was cached; left out: as if it was not.
        text_out, audio_out: Of the output.
        minute: A minute of audio, where a model that transcribes counts time and not tokens; None: not known.
    """

    text_in: Money = 0.0
    audio_in: Money = 0.0
    image_in: Money = 0.0
    cached_text_in: Money | None = None
    cached_audio_in: Money | None = None
    cached_image_in: Money | None = None
    text_out: Money = 0.0
    audio_out: Money = 0.0
    minute: Money | None = None

    def of(self, usage: Usage) -> float:
        """What a response costs; what is not told in detail costs as much as it can."""
        heard = self._input(usage.input_token_details, usage.input_tokens)
        said = self._output(usage.output_token_details, usage.output_tokens)
        untold = max(usage.total_tokens - usage.input_tokens - usage.output_tokens, 0)
        return (heard + said + untold * max(self._dearest_in, self._dearest_out)) / _MILLION

    def of_transcript(self, usage: TranscriptionUsage) -> float | None:
        """What a transcript, which is text, costs; what is not told in detail costs as much as it can.

        None: it took time, and what time costs is not known.
        """
        if usage.seconds is not UNSET:
            return None if self.minute is None else max(usage.seconds, 0.0) / 60 * self.minute
        given, written = usage.input_tokens or 0, usage.output_tokens or 0
        heard = self._input(usage.input_token_details or None, given)
        untold = max((usage.total_tokens or 0) - given - written, 0)
        return (heard + written * self.text_out + untold * max(self._dearest_in, self.text_out)) / _MILLION

    @property
    def _dearest_in(self) -> float:
        return max(self.text_in, self.audio_in, self.image_in)

    @property
    def _dearest_out(self) -> float:
        return max(self.text_out, self.audio_out)

    def _input(self, details: InputTokens | None, tokens: int) -> float:
        told = details or InputTokens()
        cached = told.cached_tokens_details or CachedTokens()
        kinds = (
            (told.text_tokens, cached.text_tokens, self.text_in, self.cached_text_in),
            (told.audio_tokens, cached.audio_tokens, self.audio_in, self.cached_audio_in),
            (told.image_tokens, cached.image_tokens, self.image_in, self.cached_image_in),
        )
        untold = max(tokens - told.text_tokens - told.audio_tokens - told.image_tokens, 0)
        return untold * self._dearest_in + sum(
            max(all_of_them - again, 0) * price + again * (price if less is None else less)
            for all_of_them, again, price, less in kinds
        )

    def _output(self, details: OutputTokens | None, tokens: int) -> float:
        told = details or OutputTokens()
        untold = max(tokens - told.text_tokens - told.audio_tokens, 0)
        return told.text_tokens * self.text_out + told.audio_tokens * self.audio_out + untold * self._dearest_out


class Prices(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The operator's table.

    Attributes:
        source: Where the figures are from, and of when they are.
        models: By name; a name stands for all that begin with it and have none of their own.
        currency: In what they are.
    """

    source: str
    models: dict[str, Price]
    currency: str = "USD"

    def of(self, model: str) -> Price | None:
        """The price of a model; None: it is not in the table."""
        name = max((name for name in self.models if model.startswith(name)), key=len, default=None)
        return None if name is None else self.models[name]
