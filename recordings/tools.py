"""The tool of the golden recording ``tool-call``."""


def weather(city: str) -> str:
    """Say what the weather is like in a city."""
    return f"In {city} it is sunny, 22 degrees."
