"""Frames as a peer writes them: whole. The engine writes heads and payloads, each as it has them."""

from websockets.speedups import apply_mask

from realtime_engine.frames import MASKED, header


def frame(opcode: int, payload: bytes, key: bytes | None = None) -> bytes:
    """A frame that is a whole message; with a key, masked by it."""
    if key is None:
        return header(opcode, len(payload), 0) + payload
    return header(opcode, len(payload), MASKED) + key + apply_mask(payload, key)
