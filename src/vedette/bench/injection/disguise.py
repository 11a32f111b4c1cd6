"""Ways to write a text so that it is read only by who decodes it."""

from __future__ import annotations

import base64
import codecs
from collections.abc import Callable

_GREEK_AND_CYRILLIC = str.maketrans("aceopxyiANBECHKMOPTX", "асеорхуіΑΝВЕСНКМОРТХ")


def _between(mark: str) -> Callable[[str], str]:
    return lambda text: mark.join(text)


def _shifted(upper: int, lower: int) -> Callable[[str], str]:
    """Letters moved to another block of Unicode; `upper` and `lower` are where A and a are in it."""

    def shift(char: str) -> str:
        if char.isascii() and char.isalpha():
            return chr((upper - ord("A") if char.isupper() else lower - ord("a")) + ord(char))
        return char

    return lambda text: "".join(map(shift, text))


DISGUISES: dict[str, Callable[[str], str]] = {
    "": str,
    "repeat": str,
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "base64url": lambda text: base64.urlsafe_b64encode(text.encode()).decode().rstrip("="),
    "hex": lambda text: text.encode().hex(),
    "rot13": lambda text: codecs.encode(text, "rot13"),
    "percent": lambda text: "".join(f"%{byte:02X}" for byte in text.encode()),
    "unicode": lambda text: "".join(f"\\u{ord(char):04x}" for char in text),
    "html": lambda text: "".join(f"&#{ord(char)};" for char in text),
    "binary": lambda text: " ".join(f"{byte:08b}" for byte in text.encode()),
    "reverse": lambda text: text[::-1],
    "tags": lambda text: "status ok" + "".join(chr(0xE0000 + ord(char)) for char in text),
    "zwsp": _between("\u200b"),
    "zwnj": _between("\u200c"),
    "wordjoiner": _between("\u2060"),
    "softhyphen": _between("\u00ad"),
    "variation": _between("\ufe0f"),
    "combining": _between("\u0332"),
    "fullwidth": _shifted(0xFF21, 0xFF41),
    "mathbold": _shifted(0x1D400, 0x1D41A),
    "bidi": lambda text: f"\u202e{text[::-1]}\u202c",
    "homoglyph": lambda text: text.translate(_GREEK_AND_CYRILLIC),
}
