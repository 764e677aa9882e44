"""Functions that the model may call in `make run`: a house with one lamp."""


def lamp(on: bool) -> str:
    """Switch the lamp in the living room on or off."""
    return f"the lamp is {'on' if on else 'off'}"
