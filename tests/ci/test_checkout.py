"""What git leaves in a directory, or somebody who imitates it: it is read, and never breaks the reader."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import example, given, settings
from hypothesis import strategies as st

from runner.ci.checkout import checkouts

WORDS = st.sampled_from(
    ["gitdir: ", "ref: ", "refs/heads/x", "..", "/", "\0", "\n", "a" * 300, "a/" * 3000, "b" * 40, "."]
)
CONTENT = st.lists(WORDS | st.text(max_size=3)).map("".join)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(link=CONTENT, files=st.dictionaries(st.sampled_from(["HEAD", "commondir", "packed-refs", "config"]), CONTENT))
@example(link="gitdir: " + "a" * 5000, files={})
def test_nothing_in_a_git_directory_breaks_its_reader(link: str, files: dict[str, str]) -> None:
    with TemporaryDirectory() as directory:
        root = Path(directory)
        (root / "linked").mkdir()
        (root / "linked/.git").write_text(link)
        (root / "whole/.git").mkdir(parents=True)
        for name, content in files.items():
            (root / "whole/.git" / name).write_text(content)
        assert {one.directory.name for one in checkouts(root, None)} == {"linked", "whole"}
