"""What must not leave in a report: session references, passwords, CHAP secrets, tokens, credentials in addresses.

Lines are scrubbed in dom0 already; this is the second net, for what an older agent or XenAPI itself brought along.
"""

import re
from typing import Final

MASK: Final = "«redacted»"

_PATTERNS: Final = (
    re.compile(r"OpaqueRef:[0-9a-fA-F-]{8,}"),
    re.compile(
        r"(?i)(?<=[\s'\"<{,;&?(])((?:cifs|chap|incoming_chap)?[a-z_]*(?:passw(?:or)?d|secret|token|chap_?user|session_ref)"
        r"['\"]?\s*[:=>]\s*['\"]?)([^\s'\",;<>&)}]+)"
    ),
    re.compile(r"(?i)(\bbearer\s+)([A-Za-z0-9._~+/=-]{8,})"),
    # A scheme is tried once, from where it begins: `a.a.a...` has a word's boundary at every place.
    re.compile(r"(?i)((?<![a-z0-9+.-])[a-z0-9+.-]+://[^\s/:@]+:)([^\s/@]+)(?=@)"),
)


def redact(text: str) -> str:
    """The text with every secret replaced by one mask; everything else is left as it is."""
    for pattern in _PATTERNS:
        text = pattern.sub(_masked, text)
    return text


def _masked(match: re.Match[str]) -> str:
    return f"{match.group(1)}{MASK}" if match.re.groups else MASK
