"""Unknown lines as shapes: what may be shown to others, because every value in it is masked."""

from __future__ import annotations

import re

_MASKS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE), "<uuid>"),
    (re.compile(r"(?:OpaqueRef|DummyRef):[^\s'\"\])]*"), "<ref>"),
    (re.compile(r"'[^']*'"), "'<s>'"),
    (re.compile(r'"[^"]*"'), '"<s>"'),
    (re.compile(r"(?<![<\w])/[^\s'\"\]),:]+"), "<path>"),
    (re.compile(r"\b(?:\d{1,3}\.){3}\d{1,3}\b"), "<ip>"),
    (re.compile(r"\b0x[0-9a-f]+\b", re.IGNORECASE), "<n>"),
    (re.compile(r"\*?\b[0-9a-f]{8}(?=[\[(])"), "<vdi>"),
    (re.compile(r"\b[A-Za-z0-9+/_]{24,}={0,2}"), "<blob>"),
    (re.compile(r"\d+(?:\.\d+)*"), "<n>"),
    (re.compile(r"[^\x20-\x7e]+"), "<x>"),
)
_LIMIT = 160


def shape(text: str) -> str:
    """A message with digits, uuids, paths, quoted names and refs masked, at most 160 characters."""
    for pattern, mask in _MASKS:
        text = pattern.sub(mask, text[:2000])
    return text[:_LIMIT].rstrip()
