"""Turn a finished recording's audio into FLAC: about half the size, and the same to the last bit.

Only PCM16 is packed; G.711 stays as it is. Replay and inspection read what is packed as they read what is not.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from realtime_engine.audio import PCM16
from realtime_engine.errors import RecordingError
from realtime_engine.recording.reader import Recording
from realtime_engine.recording.sounds import HEAD, NAME, Flac, Sound, Wav
from realtime_engine.recording.wav import is_pcm16

_BLOCK: Final = 1 << 17  # bytes that are packed, and compared, at once


class Packed(NamedTuple):
    """What has become of one audio file.

    Attributes:
        name: Of the WAV.
        before, after: Its size in bytes, and that of the FLAC.
    """

    name: str
    before: int
    after: int


def pack(folder: Path) -> list[Packed]:
    """Pack the audio of a recording, once every line of it, and all the audio they name, could be read.

    A WAV goes only when its FLAC has been read back and is the same.

    Returns:
        What was packed; nothing if there is nothing to pack, or no more.

    Raises:
        RecordingError: It is incomplete (and may be being written), damaged, or of a newer version.
        OSError: It cannot be written.
    """
    with Recording(folder) as recording:
        if recording.end is None:
            raise RecordingError(f"{recording.name} is not complete ({recording.cut}): it cannot be packed")
        for _ in recording.entries():
            pass  # what is damaged raises here
    return [_pack(path) for path in sorted(folder.glob("*.wav")) if _can_be_packed(path)]


def _can_be_packed(path: Path) -> bool:
    """Whether it is the recording's own, and PCM16 in whole samples: FLAC has nothing else."""
    if not NAME.fullmatch(path.name):
        return False
    with path.open("rb") as file:
        head = file.read(HEAD)
    return is_pcm16(head) and path.stat().st_size % 2 == 0


def _pack(path: Path) -> Packed:
    flac, new = path.with_suffix(".flac"), path.with_suffix(".new")
    wav = Wav(path)
    try:
        _encode(wav, new)
        _compare(wav, new)
        new.replace(flac)
        path.unlink()
        return Packed(path.name, wav.size, flac.stat().st_size)
    finally:
        wav.close()
        new.unlink(missing_ok=True)


def _encode(wav: Sound, new: Path) -> None:
    import soundfile  # only here, and where FLAC is read

    file = os.open(new, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with soundfile.SoundFile(
            file, "w", PCM16.sample_rate, 1, "PCM_16", format="FLAC", compression_level=1.0, closefd=False
        ) as flac:
            for block in _blocks(wav):
                flac.buffer_write(block, dtype="int16")
        os.fsync(file)
    except soundfile.SoundFileRuntimeError as error:
        raise OSError(f"{new.name} cannot be written: {error}") from error
    finally:
        os.close(file)


def _compare(wav: Sound, new: Path) -> None:
    """See that what was packed is the same."""
    flac = Flac(new)
    try:
        at = 0
        for block in _blocks(wav):
            if flac.read(at, at + len(block)) != block:
                raise RecordingError(
                    f"{new.name} is not the same as what was packed, near byte {at}: nothing is changed"
                )
            at += len(block)
    finally:
        flac.close()


def _blocks(wav: Sound) -> Iterator[bytes]:
    return (wav.read(at, at + _BLOCK) for at in range(0, wav.size, _BLOCK))
