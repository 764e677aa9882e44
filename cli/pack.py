"""``engine pack``: the audio of finished recordings into FLAC."""

from pathlib import Path

from cli.out import lines
from realtime_engine.errors import UsageError
from realtime_engine.recording.pack import pack as pack_audio


def pack(*recordings: Path) -> int:
    """Pack the audio of finished recordings: smaller, and the same to the bit.

    FLAC takes the place of WAV, which goes only when the FLAC has been read
    back and compared. G.711 stays as it is. What is packed is replayed and
    inspected as before. An incomplete or damaged recording is left alone.

      engine pack my-recordings/*

    Args:
        recordings: The folders of the recordings.
    """
    if not recordings:
        raise UsageError("name a recording: engine pack my-recordings/*")
    out = lines()
    for folder in recordings:
        try:
            packed = pack_audio(folder)
        except OSError as error:
            raise UsageError(f"{folder} cannot be packed: {error.strerror or error}") from error
        for name, before, after in packed:
            out.print(f"{folder.name}: {name}: {_size(before)} to {_size(after)}")
        if not packed:
            out.print(f"{folder.name}: nothing to pack")
    return 0


def _size(size: int) -> str:
    return f"{size / 1000:.0f} kB" if size < 1_000_000 else f"{size / 1_000_000:.1f} MB"
