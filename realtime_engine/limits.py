"""How long, how idle and how costly one conversation may be. What is over ends it, with a reason."""

from math import inf

from realtime_engine.objects import SessionConfig, TranscriptionUsage, Usage, text
from realtime_engine.options import Limits
from realtime_engine.prices import Price


class Meter:
    """Counts a conversation against its limits. ``now`` is in seconds, as everywhere.

    Attributes:
        tokens: What all responses and transcripts have used.
        cost: What they have cost, as far as there are prices.
        spent: Why nothing more may be spent, as a sentence: tokens or cost have reached their limit, or the cost is
            limited and the price of a model is not known. None: more may be.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._ends = inf
        self._last = inf
        self._model = self._transcriber = ""
        self.tokens = 0
        self.cost = 0.0
        self.spent: str | None = None

    @property
    def deadline(self) -> float:
        """When a limit of time is reached, or ``inf``."""
        idle = self._limits.idle
        return self._ends if idle is None else min(self._ends, self._last + idle)

    @property
    def counts_cost(self) -> bool:
        """Whether it matters which models answer: their prices are known, or the cost is limited."""
        return self._limits.prices is not None or self._limits.cost is not None

    def started(self, now: float) -> None:
        """The front is there."""
        self._last = now
        if self._limits.duration is not None:
            self._ends = now + self._limits.duration

    def heard_from_front(self, now: float) -> None:
        """The front has sent something."""
        self._last = now

    def session(self, session: SessionConfig) -> None:
        """The session says which model answers, and which one writes down what is said."""
        self._model = text(session.model) or self._model
        self._transcriber = session.transcriber or self._transcriber
        if text(session.model):
            self._price_of(self._model)

    def responded(self, usage: Usage | None) -> None:
        """A response has ended, and perhaps says what it used."""
        if usage is not None:
            price = self._price_of(self._model)
            tokens = max(usage.total_tokens, usage.input_tokens + usage.output_tokens)
            self._count(tokens, price.of(usage) if price is not None else 0.0)

    def transcribed(self, usage: object) -> None:
        """A turn has been written down, and says what that took."""
        if isinstance(usage, TranscriptionUsage):
            price = self._price_of(self._transcriber)
            tokens = max(usage.total_tokens or 0, (usage.input_tokens or 0) + (usage.output_tokens or 0))
            cost = price.of_transcript(usage) if price is not None else 0.0
            self._count(tokens, cost or 0.0)
            if cost is None:
                self._unknown(f"a minute of the model {self._transcriber!r}")

    def exceeded(self, now: float) -> str | None:
        """Which limit is reached, as a sentence; None: none is."""
        limits = self._limits
        if now >= self._ends:
            return f"the conversation has reached its limit of {limits.duration:g} s"
        if limits.idle is not None and now >= self._last + limits.idle:
            return f"nothing has come from the front for {limits.idle:g} s"
        return self.spent

    def _count(self, tokens: int, cost: float) -> None:
        limits, prices = self._limits, self._limits.prices
        self.tokens += tokens
        self.cost += cost
        if limits.tokens is not None and self.tokens >= limits.tokens:
            self.spent = f"the conversation has used {self.tokens} of its {limits.tokens} tokens"
        elif limits.cost is not None and prices is not None and self.cost >= limits.cost:
            spent = f"{self.cost:.4f} of its {limits.cost:g} {prices.currency}"
            self.spent = f"the conversation has cost {spent}, by the prices of {prices.source}"

    def _price_of(self, model: str) -> Price | None:
        """What a model costs; where the cost is limited it must be known."""
        limits = self._limits
        price = limits.prices.of(model) if limits.prices is not None else None
        if price is None:
            self._unknown(f"the model {model!r}")
        return price

    def _unknown(self, what: str) -> None:
        """What something costs is not known, which ends the conversation where the cost is limited."""
        if self._limits.cost is not None:
            self.spent = f"no price is known of {what}, so what it costs cannot be limited"
