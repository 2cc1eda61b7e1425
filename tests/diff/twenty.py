"""Twenty changes such as public projects have them, as trees before and after: the same at every run."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Final

from tests.diff.repository import LINK, PROGRAM, SUBMODULE, Entry

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Tree = dict[str, bytes | Entry]

WORDS: Final = "self value return index await client path result none true for in if else raise error count".split()


def code(lines: int, seed: int) -> list[str]:
    """Lines that look like a program's, with functions for the headings of hunks."""
    chance = random.Random(seed)
    return [
        f"def function_{seed}_{number}():" if number % 25 == 0 else "    " + " ".join(chance.choices(WORDS, k=5))
        for number in range(lines)
    ]


def data(lines: Iterable[str], end: str = "\n") -> bytes:
    return "".join(line + end for line in lines).encode()


def edited(lines: list[str], seed: int, share: float = 0.02) -> list[str]:
    """With some lines changed, some added and some removed."""
    chance = random.Random(seed)
    told: list[str] = []
    for line in lines:
        at = chance.random()
        told += [line] if at > share else [[], [line + " # other"], [line, "    added = 1"]][chance.randrange(3)]
    return told


def many(count: int, lines: int, share: float) -> tuple[Tree, Tree]:
    bodies = {f"src/part_{number % 40}/module_{number}.py": code(lines, number) for number in range(count)}
    old: Tree = {path: data(body) for path, body in bodies.items()}
    return old, {
        path: data(edited(body, len(body) + index, share)) for index, (path, body) in enumerate(bodies.items())
    }


def moved() -> tuple[Tree, Tree]:
    """Code that goes from one file to another, and files that go elsewhere, as they are or edited."""
    first, second, third = code(300, 1), code(300, 2), code(200, 3)
    old: Tree = {"a.py": data(first), "b.py": data(second), "old/c.py": data(third), "old/d.py": data(code(90, 4))}
    new: Tree = {
        "a.py": data(first[:100] + first[200:]),
        "b.py": data(second[:150] + first[100:200] + second[150:]),
        "new/c.py": data(third),
        "new/d.py": data(edited(code(90, 4), 4, 0.1)),
    }
    return old, new


def odd_names() -> tuple[Tree, Tree]:
    names = [
        "with blank",
        'quo"te',
        "new\nline",
        "tab\t",
        "back\\slash",
        "ünïcödé/日本.md",
        "## not a heading",
        "a b/c",
        " b",
    ]
    names += ["Not shown: 1 of 1 files.", "-dash", "a\u202egnp.exe"]
    return {name: data(["x"]) for name in names}, {name: data(["x", name.replace("\n", " ")]) for name in names}


def like_a_diff() -> tuple[Tree, Tree]:
    lines = [
        "-- a/x",
        "++ b/x",
        "@@ -1 +1 @@",
        "diff --git a/x b/x",
        "\\ No newline at end of file",
        "## x (+1)",
        "+1 x",
    ]
    return {"x.sql": data(lines[::2] * 9)}, {"x.sql": data(lines * 9), "y.sql": data(lines)}


def ends() -> tuple[Tree, Tree]:
    body = code(60, 5)
    mixed = "".join(line + ("\r\n" if number % 3 else "\n") for number, line in enumerate(body)).encode()
    old: Tree = {"to_lf": data(body, "\r\n"), "mixed": mixed, "crlf": data(body, "\r\n"), "lone": b"a\rb\rc\n"}
    new: Tree = {"to_lf": data(body), "mixed": mixed + b"one\r\ntwo\n", "crlf": data(edited(body, 5, 0.2), "\r\n")}
    return old, {**new, "lone": b"a\rb\rd\n"}


def kinds() -> tuple[Tree, Tree]:
    a, b = Entry(b"a" * 40, SUBMODULE), Entry(b"b" * 40, SUBMODULE)
    old: Tree = {"module": a, "gone": a, "run.sh": data(["x"]), "link": Entry(b"run.sh", LINK), "file": data(["y"])}
    return old, {"module": b, "new": b, "run.sh": Entry(data(["x"]), PROGRAM), "link": Entry(b"file", LINK), "file": a}


def twenty() -> Mapping[str, tuple[Tree, Tree]]:
    """Each with its name; what a case is about is all that it has."""
    long, picture = code(400, 7), b"\x89PNG\r\n\0" + bytes(range(256)) * 40
    return {
        "small": ({"a.py": data(code(40, 0))}, {"a.py": data(edited(code(40, 0), 1, 0.1))}),
        "one long file": ({"a.py": data(code(20_000, 1))}, {"a.py": data(edited(code(20_000, 1), 1))}),
        "thousands of files": many(2_400, 6, 0.3),
        "many hunks": many(30, 400, 0.05),
        "new files": ({}, {f"n{number}.py": data(code(number * 60, number)) for number in range(12)}),
        "only deletions": ({f"d{number}.py": data(code(200, number)) for number in range(12)}, {"kept": b"x\n"}),
        "deleted lines": ({"a.py": data(long)}, {"a.py": data(long[:50] + long[300:])}),
        "moved": moved(),
        "copied": ({"a.py": data(long)}, {"a.py": data([*long, "x"]), "b.py": data(long), "c.py": data(long[9:])}),
        "binary": ({"a.png": picture, "b": picture}, {"a.png": picture + b"\0", "c.png": picture[::-1]}),
        "ends of lines": ends(),
        "no end of line": (
            {"both": b"a\nb", "old": b"a\nb", "new": b"a\nb\n", "gone": b"x"},
            {"both": b"a\nc", "old": b"a\nb\n", "new": b"a\nb", "come": b"y"},
        ),
        "modules, links and modes": kinds(),
        "odd names": odd_names(),
        "like a diff": like_a_diff(),
        "very long lines": (
            {"a.json": b'{"a": "%s"}\n' % (b"x" * 300_000), "b": b"b\n" * 9},
            {"a.json": b'{"b": "%s"}\n' % (b"y" * 300_000), "b": b"b\n" * 8},
        ),
        "empty files": (
            {"gone": b"", "filled": b"", "emptied": b"x\n"},
            {"filled": b"x\n", "emptied": b"", "a/new": b""},
        ),
        "generated and vendored": (
            {"package-lock.json": data(long), "vendor/a.go": data(long), "a.go": data(long)},
            {"package-lock.json": data(long[5:]), "vendor/a.go": data(long[:9]), "a.go": data(edited(long, 3))},
        ),
        "other scripts": (
            {"日本語.md": data(["人工智能代理在持续集成中运行"] * 90)},
            {
                "日本語.md": data(
                    ["人工智能代理在持续集成中运行", "Запуск агентов 🎉", "a\u202eb\u200bc\x0cd\x1ce"] * 60
                )
            },
        ),
        "not UTF-8": ({"latin": b"caf\xe9\n" * 20}, {"latin": b"caf\xe9\n" * 9 + b"\xff\xfe\n" + b"caf\xe9\n" * 11}),
    }
