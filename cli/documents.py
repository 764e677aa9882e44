"""Files that a person has written for the command: TOML, or JSON."""

import tomllib
from pathlib import Path

import msgspec

from realtime_engine.errors import UsageError
from realtime_engine.objects import Json


def read_document(file: Path, name: str, *, toml: bool) -> Json:
    """What stands in a file.

    Args:
        file: The file.
        name: What it is called in an error.
        toml: Whether it is TOML; else it is JSON.

    Raises:
        UsageError: It cannot be read, or is neither.
    """
    try:
        text = file.read_text("utf-8")
        return tomllib.loads(text) if toml else msgspec.json.decode(text)
    except OSError as error:
        raise UsageError(f"{name}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{name}: not UTF-8 text") from error
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{name}: not TOML: {error}") from error
    except msgspec.DecodeError as error:
        raise UsageError(f"{name}: not JSON: {error} (TOML files end in .toml)") from error
