"""A function that the model may call: the weather, from a service that speaks as Open-Meteo does.

It is async, so httpx runs on the engine's own loop. Where the service is stands in the configuration, and the model
sees nothing of that.
"""

from dataclasses import dataclass
from functools import cache
from ssl import SSLContext
from typing import Annotated

import httpx
import msgspec
from msgspec import Meta


@dataclass(frozen=True)
class Options:
    """What the function is told.

    Attributes:
        weather_url: Who knows the weather; such as https://api.open-meteo.com/v1/forecast.
        weather_within: Seconds in which they must answer.
    """

    weather_url: str
    weather_within: float = 5.0


class Weather(msgspec.Struct):
    """The weather, in degrees Celsius and kilometres an hour."""

    temperature: float
    wind: float


class _Current(msgspec.Struct):
    temperature_2m: float
    wind_speed_10m: float


class _Forecast(msgspec.Struct):
    current: _Current


async def get_weather(
    options: Options,
    latitude: Annotated[float, Meta(ge=-90, le=90)],
    longitude: Annotated[float, Meta(ge=-180, le=180)],
) -> Weather:
    """Say what the weather is like now.

    Args:
        latitude: Degrees north, of the place that is meant.
        longitude: Degrees east.
    """
    asked: dict[str, str | float] = {
        "latitude": latitude,
        "longitude": longitude,
        "current": "temperature_2m,wind_speed_10m",
    }
    try:
        async with httpx.AsyncClient(timeout=options.weather_within, verify=_trust()) as client:
            answer = await client.get(options.weather_url, params=asked)
        now = msgspec.json.decode(answer.raise_for_status().content, type=_Forecast).current
    except (httpx.HTTPError, msgspec.DecodeError) as error:  # its words would show the model the address
        raise RuntimeError(f"the weather service gave no answer that can be read ({type(error).__name__})") from error
    return Weather(now.temperature_2m, now.wind_speed_10m)


@cache
def _trust() -> SSLContext:
    """Whom to trust: read once, for it takes long."""
    return httpx.create_ssl_context()
