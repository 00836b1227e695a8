"""Secrets written over with as many `*`: session references, passwords and CHAP secrets, in a driver's parameters,
in a command's argv and in the XML-RPC call that an SM driver gets as its argument. Pure; a line at a time.

The length never changes, and what is masked depends on the line alone (proto/README.md 3.8), so that the same line
read twice is the same line.
"""

import re
from typing import Match, Tuple

# What holds a secret: device_config and sm_config keys, SR.create's parameters, iscsiadm's settings; of the first kind
# also longer words that end so.
_ENDS = rb"(?:password|passwd|passphrase|_secret|chapsecret)(?:_in)?"
_NAMES = rb"session_ref|session_id|secret|(?:incoming_)?chapuser|chap_?(?:user|username|secret)"
_KEY = rb"(?:" + _NAMES + rb"|[\w.]*" + _ENDS + rb")"
# As the end of a word, tried once from where the word begins: from every place in it a long word, be it a blob of
# 64 KiB, would be gone through as often as it has bytes.
_WORD = rb"(?<![\w.])[\w.]*(?:" + _NAMES + rb"|" + _ENDS + rb")"
# On 3.6 an expression that is a short word looks for it in half the time of `find`.
_GUARDS = tuple(re.compile(word).search for word in (b"session_", b"pass", b"secret", b"chap"))
_PATTERNS = (
    # 'key': 'value', "key": "value", 'key', '-v', 'value' (a Python repr or JSON); an end cut off is the line's end.
    re.compile(
        rb"(?i)(?P<q>['\"])" + _KEY + rb"(?P=q)(?:, ?['\"]-[vV]['\"])?(?::|,) ?u?(?P<open>['\"])"
        rb"(?P<value>(?:\\[^\n]|(?!(?P=open))[^\\\n])+)"
    ),
    # <name>key</name><value><string>value</string></value>, also with blanks between and with the end cut off.
    re.compile(rb"(?i)<name>" + _KEY + rb"</name>[ \t]*<value>[ \t]*(?:<string>)?(?P<value>[^<\n]+)"),
    # key=value in mount options, URLs and environments.
    re.compile(rb"(?i)(?<![\w.])(?:" + _KEY + rb"|pass)=(?P<value>[^,;&'\"\s]+)"),
    # iscsiadm ... -n node.session.auth.password -v value, as one string.
    re.compile(rb"(?i)" + _WORD + rb" -v (?P<value>[^\s'\"]+)"),
)


def may_hold_secrets(data: bytes) -> bool:
    """Whether `scrub` could find something: a quick look, for much data at once."""
    lower = data.lower()
    return any(guard(lower) for guard in _GUARDS)


def scrub(data: bytes) -> Tuple[bytes, int]:
    """(`data` with every secret masked, how many there were). `data` is whole lines."""
    if not may_hold_secrets(data):
        return data, 0
    total = 0
    for pattern in _PATTERNS:
        data, count = pattern.subn(_mask, data)
        total += count
    return data, total


def _mask(found: "Match[bytes]") -> bytes:
    start, end = found.span("value")
    whole, begin = found.group(0), found.start()
    return whole[: start - begin] + b"*" * (end - start) + whole[end - begin :]
