"""What somebody says to the model, as an application has it: texts, sound, pictures; and as the protocol has it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import msgspec

from realtime_engine.audio import PCM16, AudioFormat, decode_base64, encode_base64
from realtime_engine.errors import UsageError
from realtime_engine.objects import ContentPart

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from typing_extensions import Buffer

    Sound: TypeAlias = Buffer | NDArray[np.int16] | NDArray[np.float32] | NDArray[np.float64]
    """``bytes`` in the session's format, or an array of 16-bit or of floating-point samples (-1 to 1), mono."""

_PICTURES: Final = {b"\x89PNG\r\n\x1a\n": "image/png", b"\xff\xd8\xff": "image/jpeg"}
"""How the two kinds of picture begin that the protocol takes (protocol.md, section 9)."""

_BYTES: Final = frozenset("Bbc")
_WHOLE: Final = frozenset({"h", "<h", "=h", "@h"})
_FLOATING: Final = {"f": "=f4", "<f": "<f4", "d": "=f8", "<d": "<f8"}


@dataclass(frozen=True, slots=True)
class Image:
    """A picture to look at.

    Attributes:
        picture: A PNG or JPEG file's bytes, or its ``data:`` URI.
        detail: How closely the model looks.
    """

    picture: bytes | str
    detail: Literal["auto", "low", "high"] = "auto"

    @property
    def url(self) -> str:
        """The picture as a ``data:`` URI.

        Raises:
            UsageError: It is neither PNG nor JPEG.
        """
        if isinstance(self.picture, str):
            return self.picture
        for beginning, kind in _PICTURES.items():
            if self.picture.startswith(beginning):
                return f"data:{kind};base64,{encode_base64(self.picture).decode()}"
        raise UsageError("a picture is a PNG or JPEG file")


Content: TypeAlias = "str | Image | Mapping[str, object] | Sound"
"""A text, a picture, sound, or a part as the protocol has it (its ``audio`` may be sound, too)."""


def parts_of(content: Iterable[Content], *, role: str, format: AudioFormat) -> list[ContentPart]:  # noqa: A002
    """The parts of a message; half a sample at the very end of a sound is no sound, and left out.

    Args:
        content: What is said.
        role: Who says it: what an assistant has said is output.
        format: The format of the session's input.

    Raises:
        UsageError: There are none, or one cannot be said.
    """
    parts = [_part(each, "output_text" if role == "assistant" else "input_text", format) for each in content]
    if not parts:
        raise UsageError("a message says something: give it a text, sound, or a picture")
    return parts


def pcm(sound: "Sound", format: AudioFormat = PCM16) -> bytes:  # noqa: A002
    """Sound as the protocol has it: bytes as they are, samples in a format, at whose rate they are.

    Raises:
        UsageError: It is no sound.
    """
    view = _view(sound)
    if view.ndim != 1:
        raise UsageError(f"sound is mono: an array of one dimension, not {view.ndim}")
    if view.format in _BYTES or (view.format in _WHOLE and format.type == PCM16.type):
        return view.tobytes()
    if view.format in _WHOLE or view.format in _FLOATING:
        return _samples_in(format, view)
    raise UsageError(f"sound is bytes, 16-bit samples or floating-point samples, not of the format {view.format!r}")


def _view(sound: object) -> memoryview:
    try:
        return memoryview(sound)  # type: ignore[arg-type]  # it says itself what is none
    except TypeError as error:
        raise UsageError(f"sound is bytes, or an array of samples, not {type(sound).__name__}") from error


def _samples_in(format: AudioFormat, view: memoryview) -> bytes:  # noqa: A002
    import numpy as np

    from realtime_engine.sound import encode, from_pcm16

    raw, kind = view.tobytes(), _FLOATING.get(view.format)
    return encode(from_pcm16(raw) if kind is None else np.frombuffer(raw, kind).astype(np.float32), format)


def _part(content: Content, written: str, format: AudioFormat) -> ContentPart:  # noqa: A002
    match content:
        case str():
            return ContentPart(type=written, text=content)
        case Image():
            return ContentPart(type="input_image", image_url=content.url, detail=content.detail)
        case Mapping():
            return _given(content, format)
        case _:
            return ContentPart(type="input_audio", audio=_encoded(pcm(content, format), format))


def _given(part: Mapping[str, object], format: AudioFormat) -> ContentPart:  # noqa: A002
    """A part as the protocol has it."""
    audio = part.get("audio")
    if audio is not None:
        sound = _decoded(audio) if isinstance(audio, str) else pcm(audio, format)  # type: ignore[arg-type]  # it says what is none
        part = {**part, "audio": _encoded(sound, format)}
    try:
        return msgspec.convert(dict(part), ContentPart)
    except msgspec.ValidationError as error:
        raise UsageError(f"a part of a message cannot be said: {error}") from error


def _encoded(sound: bytes, format: AudioFormat) -> str:  # noqa: A002
    return encode_base64(sound[: len(sound) // format.sample_bytes * format.sample_bytes]).decode()


def _decoded(audio: str) -> bytes:
    try:
        return decode_base64(audio)
    except ValueError as error:
        raise UsageError("the audio of a part that is text is base64") from error
