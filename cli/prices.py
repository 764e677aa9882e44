"""``[prices]`` of ``engine.toml``: what tokens cost, by the model."""

from collections.abc import Mapping
from typing import Final

from cli.tables import Tables
from realtime_engine.errors import UsageError
from realtime_engine.objects import Json
from realtime_engine.prices import Price, Prices

_KEYS: Final = ("source", "currency", "models")


def read_prices(config: Tables) -> Prices | None:
    """The price table; None: there is none.

    Raises:
        UsageError: A key is unknown, or has a value that is no text, or no price.
    """
    table = config.known(_KEYS, "prices")
    if not table:
        return None
    texts = {key: _text(config, key, table) for key in ("source", "currency") if key in table}
    if "source" not in texts:
        raise UsageError(f"{config.name}: [prices] source is missing: say where the figures are from, and of when")
    models = {name: _price(config, name) for name in config.table("prices", "models")}
    return Prices(models=models, **texts)


def _text(config: Tables, key: str, table: Mapping[str, Json]) -> str:
    text = table[key]
    if not isinstance(text, str):
        raise UsageError(f"{config.where(key, 'prices')} must be a text")
    return text


def _price(config: Tables, model: str) -> Price:
    path = ("prices", "models", model)
    figures: dict[str, float] = {}
    for key, figure in config.known(Price.__struct_fields__, *path).items():
        if isinstance(figure, bool) or not isinstance(figure, int | float) or not figure >= 0:
            raise UsageError(f"{config.where(key, *path)} must be a number, and not less than 0")
        figures[key] = float(figure)
    return Price(**figures)
