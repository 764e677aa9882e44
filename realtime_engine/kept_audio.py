"""The sound of a conversation's items, as much of it as a client keeps: so much of each item, and so much in all."""

from typing import Final

from realtime_engine.audio import PCM16, AudioFormat

_MOST: Final = 4096  # items that have sound, be it half a sample


class _Sound:
    """The sound of one item, from its beginning."""

    __slots__ = ("audio", "content_index", "half")

    def __init__(self, content_index: int) -> None:
        self.audio = bytearray()
        self.content_index = content_index
        self.half = b""  # of a sample whose other half has not come


class KeptAudio:
    """The sound of each item by its id; of the oldest it is let go of first.

    Attributes:
        format: The format of what comes from now on.
    """

    def __init__(self, *, per_item: float, in_all: float, format: AudioFormat = PCM16) -> None:  # noqa: A002
        self.format = format
        self._per_item = per_item
        self._in_all = in_all
        self._sounds: dict[str, _Sound] = {}
        self._size = 0

    @property
    def size(self) -> int:
        """Bytes that are kept."""
        return self._size

    def get(self, item_id: str) -> bytes:
        """What is kept of an item; nothing of one that has no sound, or whose sound was let go of."""
        sound = self._sounds.get(item_id)
        return b"" if sound is None else bytes(sound.audio)

    def content_index(self, item_id: str) -> int:
        """Which part of the item the sound is; 0 where that is not known."""
        sound = self._sounds.get(item_id)
        return 0 if sound is None else sound.content_index

    def grow(self, item_id: str, content_index: int, audio: bytes) -> bytes:
        """A piece of an item's sound has come, cut anywhere.

        Returns:
            As much as makes whole samples with what came before it.
        """
        sound = self._sounds.get(item_id)
        if sound is None:
            sound = self._sounds[item_id] = _Sound(content_index)
        audio = sound.half + audio
        whole = len(audio) // self.format.sample_bytes * self.format.sample_bytes
        audio, sound.half = audio[:whole], audio[whole:]
        self._keep(sound, audio)
        return audio

    def put(self, item_id: str, audio: bytes) -> None:
        """All of an item's sound, in a format of its own; what was kept of it before is let go of."""
        self.drop(item_id)
        self._sounds[item_id] = sound = _Sound(0)
        self._keep(sound, audio)

    def cut(self, item_id: str, ms: float) -> None:
        """What comes after so many milliseconds of an item was not heard."""
        sound = self._sounds.get(item_id)
        if sound is not None:
            end = self.format.size(ms / 1000)
            self._size -= len(sound.audio[end:])
            del sound.audio[end:]
            sound.half = b""

    def drop(self, item_id: str) -> None:
        """Nobody will ask for this item's sound any more."""
        sound = self._sounds.pop(item_id, None)
        if sound is not None:
            self._size -= len(sound.audio)

    def _keep(self, sound: _Sound, audio: bytes) -> None:
        """Keep as much as there is room for; other items, the oldest first, make room for this one."""
        limit = self.format.size(self._in_all)
        room = min(self.format.size(self._per_item), limit) - len(sound.audio)
        kept = audio[: max(room, 0)]
        sound.audio += kept
        self._size += len(kept)
        for item_id, other in list(self._sounds.items()) if self._size > limit else ():
            if self._size <= limit:
                break
            if other is not sound:
                self._size -= len(other.audio)
                other.audio.clear()
                if not other.half:  # else it may yet grow, and its samples stay whole
                    del self._sounds[item_id]
        if len(self._sounds) > _MOST:
            self.drop(next(iter(self._sounds)))
