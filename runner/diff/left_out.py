"""Which files of a change no model is shown, and why: what the workflow file ignores, what the repository's
`.gitattributes` call generated, vendored or not worth a diff, and what is known to be so by its name.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final

from runner.diff.patterns import Attributes, Ignore

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

LOCK, VENDORED, MINIFIED, GENERATED = "a lock file", "vendored", "minified", "generated"

BUILT_IN: Final[Mapping[str, str]] = {
    LOCK: """
        package-lock.json npm-shrinkwrap.json yarn.lock pnpm-lock.yaml bun.lock bun.lockb deno.lock
        poetry.lock Pipfile.lock pdm.lock uv.lock pixi.lock conda-lock.yml Cargo.lock go.sum go.work.sum
        Gemfile.lock composer.lock mix.lock pubspec.lock Podfile.lock Cartfile.resolved Package.resolved
        packages.lock.json paket.lock gradle.lockfile flake.lock stack.yaml.lock cabal.project.freeze
        MODULE.bazel.lock Chart.lock .terraform.lock.hcl
    """,
    VENDORED: """
        vendor/ third_party/ third-party/ node_modules/ bower_components/ site-packages/ Pods/ Godeps/
        .yarn/releases/ .yarn/plugins/ .yarn/sdks/
    """,
    MINIFIED: "*.min.js *.min.mjs *.min.css *-min.js *-min.css *.js.map *.mjs.map *.css.map",
    GENERATED: """
        dist/ __generated__/ __snapshots__/ *.snap *.pb.go *.pb.cc *.pb.h *.pb.swift *_pb2.py *_pb2.pyi
        *_pb2_grpc.py *.g.dart *.freezed.dart *.g.cs *.Designer.cs *.designer.cs zz_generated.*.go
    """,
}
"""By the reason, patterns as in a .gitignore."""

_SAID: Final = (
    ("linguist-generated", (LOCK, MINIFIED, GENERATED), GENERATED),
    ("linguist-vendored", (VENDORED,), VENDORED),
)
"""Attributes, the reasons that each can take back, and the one that it gives."""


class LeftOut:
    """Why a file is left out, by its path; empty where it is shown.

    `ignore` has lines as of a .gitignore; one that begins with `!` brings back also what would be left out for another
    reason. `attributes` has the text of each .gitattributes by its folder ("" is the root): of the base revision, since
    a change could else say of itself that nobody is to look at it.
    """

    def __init__(self, ignore: Iterable[str] = (), attributes: Mapping[str, str] | None = None) -> None:
        self._ignore = Ignore("\n".join(ignore).split("\n"))
        self._attributes = Attributes(attributes or {})

    def __call__(self, path: str) -> str:
        ignored = self._ignore(path)
        if ignored is not None:
            return "ignored" if ignored else ""
        attributes = self._attributes(path)
        reason = next((reason for reason, patterns in _built_in().items() if patterns(path)), "")
        for name, known, given in _SAID:
            said = attributes.get(name)
            if said in (True, "true"):
                return given
            if said in (False, "false") and reason in known:
                reason = ""
        return "not to be compared" if attributes.get("diff") is False else reason


@cache
def _built_in() -> Mapping[str, Ignore]:
    return {reason: Ignore(patterns.split()) for reason, patterns in BUILT_IN.items()}
