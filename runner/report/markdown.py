"""Texts made safe to stand in Markdown, whoever wrote them. Pure."""

from __future__ import annotations

import re


def duration(milliseconds: int) -> str:
    """A duration as people read it: `85 ms`, `1.2 s`, `3 min 05 s`."""
    if milliseconds < 1000:
        return f"{milliseconds} ms"
    if milliseconds < 60_000:
        return f"{milliseconds / 1000:.1f} s"
    minutes, seconds = divmod(round(milliseconds / 1000), 60)
    return f"{minutes} min {seconds:02d} s"


def fenced(text: str) -> str:
    """A text as a code block that nothing in it can close, with invisible control characters taken out."""
    safe = re.sub(r"[^\S\n\t ]|[\x00-\x08\x0b-\x1f\x7f]", " ", text)
    longest = max((len(run) for run in re.findall(r"`+", safe)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{safe}\n{fence}"


def plain(text: str) -> str:
    """A text inside a line or a table cell, with nothing in it that Markdown or HTML would act on."""
    flat = html(" ".join(text.split()))
    return re.sub(r"([\\`*_\[\]|#@!~])", r"\\\1", flat)


def code(text: str) -> str:
    """An identifier as inline code, safe in a table cell."""
    return f"<code>{html(' '.join(text.split())).replace('|', '&#124;')}</code>"


def html(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
