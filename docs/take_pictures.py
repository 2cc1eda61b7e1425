"""Takes the pictures of the job summary and of the terminal: `make pictures`. A browser, Chromium, is all it needs.

The summary is rendered as GitHub renders Markdown, and shown about as GitHub shows it, light and dark. The pictures of
`SHOWN` go to docs/pictures, and what the summaries were made from beside them, so that a test sees when they are no
longer true. With `--to` all go there.
"""

from __future__ import annotations

import argparse
import html
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from docs.scenes import COLUMNS, SCENES

HERE: Final = Path(__file__).parent
HOME: Final = HERE / "pictures"
SHOWN: Final = {
    "success": ("summary", "terminal"),
    "failure": ("summary",),
    "budget": ("summary",),
    "many": ("summary",),
}
"""The pictures that README and pages show, by scene."""

COMPARED: Final = ("success", "failure", "budget")
"""Scenes of which a test sees when they look different; `many` takes long, and is made of the same parts."""

BROWSERS: Final = ("chromium", "chromium-browser", "google-chrome", "chrome")
WIDTH: Final = 980
"""CSS pixels of a summary, as on the page of a job."""
MOST: Final = 1200
"""CSS pixels of a picture's height; of what is longer the beginning is seen."""
SCALE: Final = 1.25

_MERMAID: Final = re.compile(r"```mermaid\n.*?\n```\n*", re.DOTALL)
_TIME: Final = re.compile(r"\d+(\.\d)? m?s\b")
_COLOURS: Final = {"2": "dim", "33": "yellow", "31": "red"}
_ESCAPE: Final = re.compile(r"\x1b\[(\d*)m")
_MEASURE: Final = """<script>addEventListener("load", () => {
  const seen = document.body.firstElementChild.getBoundingClientRect();
  document.title = `${Math.ceil(seen.width)} ${Math.ceil(seen.height)}`;
})</script>"""


def seen(summary: str) -> str:
    """What is seen of a summary before somebody unfolds something: all but its diagrams."""
    return _MERMAID.sub("", summary)


def settled(summary: str) -> str:
    """What is seen of a summary, but for how long it took, which is never the same."""
    return _TIME.sub("… s", seen(summary))


def summary_page(markdown: str) -> str:
    from markdown_it import MarkdownIt

    text = MarkdownIt("gfm-like", {"linkify": False}).render(seen(markdown))
    return f'<main style="width: {WIDTH}px">{text}</main>'


def terminal_page(screen: str) -> str:
    """What a terminal is sent, with its colours."""
    text = html.escape(screen.replace("\r", ""))
    text = _ESCAPE.sub(lambda found: f"</span><span class='{_COLOURS.get(found[1], '')}'>", text)
    return f'<pre style="width: calc({COLUMNS}ch + 32px)"><span>{text}</span></pre>'


def take(browser: str, page: str, to: Path, *, theme: str) -> None:
    """A picture of what stands on a page, as large as that, up to `MOST`."""
    style = (HERE / "pictures.css").read_text()
    with tempfile.TemporaryDirectory(prefix="picture-") as directory:
        file = Path(directory, "page.html")
        file.write_text(
            f"<!doctype html><html class={theme}><meta charset=utf-8><style>{style}</style>{page}{_MEASURE}"
        )
        found = re.search(r"<title>(\d+) (\d+)</title>", _browse(browser, directory, "--dump-dom", file.as_uri()))
        if found is None:
            sys.exit(f"{browser} did not say how large the page is")
        size = f"{found[1]},{min(int(found[2]), MOST)}"
        _browse(browser, directory, f"--screenshot={to}", f"--window-size={size}", file.as_uri())
    print(f"{to.name}: {to.stat().st_size // 1024} KiB")


def _browse(browser: str, home: str, *arguments: str) -> str:
    flags = ["--headless", "--disable-gpu", "--hide-scrollbars", f"--user-data-dir={home}/profile"]
    flags += [f"--force-device-scale-factor={SCALE}", "--virtual-time-budget=2000"]
    flags += ["--no-sandbox"] if os.geteuid() == 0 else []  # root has none
    done = subprocess.run([browser, *flags, *arguments], capture_output=True, text=True, timeout=60, check=True)
    return done.stdout


def pictures(browser: str, name: str, kinds: tuple[str, ...], to: Path) -> None:
    """A scene's pictures, light and dark. A scene is run anew for each kind."""
    for kind in kinds:
        with tempfile.TemporaryDirectory(prefix="scene-") as directory:
            if kind == "summary":
                told = SCENES[name].summary(Path(directory))
                if name in COMPARED:
                    Path(to, f"{name}.md").write_text(settled(told))
                page = summary_page(told)
            else:
                page = terminal_page(SCENES[name].screen(Path(directory)))
        for theme in ("light", "dark"):
            take(browser, page, (to / f"{name}-{kind}-{theme}.png").resolve(), theme=theme)


def main() -> None:
    parser = argparse.ArgumentParser(prog="make pictures", description=__doc__.splitlines()[0])
    parser.add_argument("scenes", nargs="*", help=f"of {', '.join(SCENES)}; all when none is named")
    parser.add_argument(
        "--to", type=Path, help="where all pictures go, instead of those that are shown to docs/pictures"
    )
    given = parser.parse_args()
    if unknown := set(given.scenes) - set(SCENES):
        parser.error(f"no scene {', '.join(sorted(unknown))}; there are {', '.join(SCENES)}")
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        sys.exit(f"no browser to take pictures with: none of {', '.join(BROWSERS)} is in PATH")
    to = given.to or HOME
    to.mkdir(parents=True, exist_ok=True)
    for name in given.scenes or SCENES:
        pictures(browser, name, ("summary", "terminal") if given.to else SHOWN.get(name, ()), to)


if __name__ == "__main__":
    main()
