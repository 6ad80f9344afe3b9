"""XXH64 of bytes: https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md."""

from __future__ import annotations

__all__ = ["xxh64"]

_MASK = (1 << 64) - 1
_P1, _P2, _P3 = 0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9
_P4, _P5 = 0x85EBCA77C2B2AE63, 0x27D4EB2F165667C5


def _rotated(value: int, bits: int) -> int:
    return ((value << bits) | (value >> (64 - bits))) & _MASK


def _round(lane: int, word: int) -> int:
    return _rotated((lane + word * _P2) & _MASK, 31) * _P1 & _MASK


def xxh64(data: bytes) -> str:
    """The hash with seed 0, as 16 lower-case hexadecimal digits."""
    position, length = 0, len(data)

    def word(size: int) -> int:
        nonlocal position
        position += size
        return int.from_bytes(data[position - size : position], "little")

    if length < 32:
        hashed = _P5
    else:
        lanes = [(_P1 + _P2) & _MASK, _P2, 0, -_P1 & _MASK]
        while length - position >= 32:
            lanes = [_round(lane, word(8)) for lane in lanes]
        hashed = sum(map(_rotated, lanes, (1, 7, 12, 18))) & _MASK
        for lane in lanes:
            hashed = ((hashed ^ _round(0, lane)) * _P1 + _P4) & _MASK
    hashed = (hashed + length) & _MASK
    while length - position >= 8:
        hashed = (_rotated(hashed ^ _round(0, word(8)), 27) * _P1 + _P4) & _MASK
    if length - position >= 4:
        hashed = (_rotated(hashed ^ (word(4) * _P1 & _MASK), 23) * _P2 + _P3) & _MASK
    while position < length:
        hashed = _rotated(hashed ^ (word(1) * _P5 & _MASK), 11) * _P1 & _MASK
    hashed = (hashed ^ (hashed >> 33)) * _P2 & _MASK
    hashed = (hashed ^ (hashed >> 29)) * _P3 & _MASK
    return f"{hashed ^ (hashed >> 32):016x}"
