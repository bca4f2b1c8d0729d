"""A fingerprint tells other content, and costs three small reads."""

from __future__ import annotations

from pathlib import Path

import pytest

from dflwrap.frames.fingerprint import PART, fingerprint


@pytest.mark.parametrize("size", [0, 1, PART, PART + 1, 3 * PART, 1_000_003])
def test_equal_for_equal_content_alone(tmp_path: Path, size: int) -> None:
    content = bytes(range(256)) * (size // 256 + 1)
    one, other = tmp_path / "one", tmp_path / "other"
    one.write_bytes(content[:size])
    other.write_bytes(content[:size])
    assert fingerprint(one) == fingerprint(other)
    for place in sorted({0, size // 2, size - 1} & set(range(size))):
        changed = bytearray(content[:size])
        changed[place] ^= 1
        other.write_bytes(changed)
        assert fingerprint(one) != fingerprint(other), place
    other.write_bytes(content[:size] + b"x")
    assert fingerprint(one) != fingerprint(other)
