"""A short stand-in for a long text."""

from __future__ import annotations

import hashlib


def text_digest(text: str) -> str:
    """A fingerprint of a text, for where the text itself would be too long to keep or to read."""
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:16]
