"""The inputs of the action, read once, from strings to types. As flags of a command line they are in `arguments`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import field
from typing import Any, Final

from runner.errors import UsageError
from runner.records import dataclass
from runner.spec.nearest import nearest

DEFAULT_TIMEOUT_S: Final = 21_000.0
"""Ten minutes below the host's own limit for a job, so that a run ends by itself and tells how it stands."""


@dataclass(frozen=True)
class Input:
    """One input: `default` and `help` also stand in action.yml and docs/reference.md, which a test compares."""

    name: str
    help: str
    read: Callable[[str], Any]
    default: str = ""


def _text(value: str) -> str:
    return value


def _paths(value: str) -> tuple[str, ...]:
    return tuple(part for line in value.splitlines() for part in [line.strip()] if part)


def _accounts(value: str) -> tuple[int, ...]:
    names = [name for name in re.split(r"[\s,]+", value) if name]
    for name in names:
        if not re.fullmatch(r"[0-9]{1,18}", name):
            told = "should be the numbers of accounts, such as 41898282 for github-actions[bot]"
            raise ValueError(f"{told}; '{name}' is a name, and anybody may have a name")
    return tuple(int(name) for name in names)


def _shard(value: str) -> tuple[int, int]:
    found = re.fullmatch(r"(\d{1,9})\s*/\s*(\d{1,9})", value, re.ASCII)
    if found is None:
        raise ValueError(f"should be two whole numbers such as 2/5, the second of five, not '{value}'")
    number, of = int(found[1]), int(found[2])
    if not 1 <= number <= of:
        raise ValueError(f"'{value}' is none of 1/{max(of, 1)} to {max(of, 1)}/{max(of, 1)}")
    return number, of


def _map(value: str) -> dict[str, Any]:
    import yaml

    from runner.errors import SpecError
    from runner.spec.load import parse

    try:
        found = parse(value, "variables").data
    except (SpecError, yaml.YAMLError) as error:
        raise ValueError(f"is not YAML or JSON: {error}") from None
    if not isinstance(found, dict):
        raise ValueError("should be a YAML or JSON map of names to values, such as 'name: value'")
    return found


def _number(kind: type[int] | type[float], what: str, most: float = float("inf")) -> Callable[[str], Any]:
    def read(value: str) -> int | float:
        try:
            number = kind(value)
        except ValueError:
            number = kind(0)
        if not 0 < number < float("inf") or number > most:
            raise ValueError(f"should be {what}, not '{value}'")
        return number

    return read


def _percent(value: str) -> float:
    try:
        number = float(value.removesuffix("%"))
    except ValueError:
        number = -1.0
    if not 0 <= number < float("inf"):
        raise ValueError(f"should be a number of percent such as 25 or 25%, 0 or more, not '{value}'")
    return number


WORDS: Final = {
    "true": True,
    "false": False,
    "1": True,
    "0": False,
    "yes": True,
    "no": False,
    "on": True,
    "off": False,
}


def flag(value: str) -> bool:
    if value.lower() not in WORDS:
        raise ValueError(f"should be true or false, not '{value}'")
    return WORDS[value.lower()]


def _choice(*choices: str) -> Callable[[str], str]:
    def read(value: str) -> str:
        if value not in choices:
            raise ValueError(f"'{value}' is not one of: {', '.join(choices)}")
        return value

    return read


TESTS: Final = (".test.yaml", ".test.yml")
"""How the names of files of test cases end."""

MODES: Final = ("live", "record", "replay", "resume", "test", "validate", "plan")

POSTS: Final = ("none", "plan", "comment", "review")

INPUTS: Final = (
    Input("spec", "workflow file in the workspace; for validate and test several, one a line, globs or directories; "
          "for record test files too", _paths),
    Input("prompt", "one-line mode: a workflow of one step that asks this; instead of spec", _text),
    Input("variables", "YAML or JSON map, over inputs.values of the file", _map, "{}"),
    Input("mode", "live, record (only what changed is asked), replay (no model is asked), resume (only what an earlier "
          "run did not finish is asked), test (cases of *.test.yaml files), validate or plan", _choice(*MODES), "live"),
    Input("fixtures", "where recordings live, relative to the workspace; default fixtures/<workflow name> beside the "
          "file", _text),
    Input("record", "with mode record: changed (the default), or all to ask everything anew",
          _choice("changed", "all")),
    Input("baseline", "with mode record or replay: a directory of recordings to review those of this run against; "
          "default, with mode record, those that there were", _text),
    Input("live-cases", "with mode test: run (the default), or skip where there is no key for them, as on forks",
          _choice("run", "skip")),
    Input("max-token-increase", "gate of a re-recording (mode record): by how many percent the tokens of a step "
          "that was recorded before, and of all together, may grow; 0 for not at all", _percent),
    Input("max-cost-increase", "the same gate for their cost at list prices; a price that is not known does not "
          "pass it", _percent),
    Input("provider", "over runtime.provider of the file", _text),
    Input("model-id", "over runtime.model_id", _text),
    Input("host", "over runtime.host: the base URL of the provider", _text),
    Input("region", "over runtime.region", _text),
    Input("max-parallel", "over runtime.max_parallel: calls in flight at once",
          _number(int, "a whole number from 1 to 500", 500)),
    Input("max-tokens-budget", "over runtime.budgets.max_tokens: tokens of the whole run",
          _number(int, "a whole number above 0")),
    Input("max-cost-usd", "over runtime.budgets.max_cost_usd: dollars of the whole run, at list prices",
          _number(float, "a number of US dollars above 0, such as 0.50")),
    Input("timeout", "seconds the run may take, over runtime.budgets.max_duration_s; default 21000, or the file's",
          _number(float, "a number of seconds above 0")),
    Input("shard", "only this share of the plan: 2/5 is the second of five; for the patterns parallel and workflow",
          _shard),
    Input("shards", "for plan: how many jobs its matrix has at most; default one for each independent part, up to 256",
          _number(int, "a whole number above 0")),
    Input("fail-on", "what fails the step: error; warning (advice and budget warnings too); never "
          "(failed, budget and timeout end with exit code 0)", _choice("error", "warning", "never"), "error"),
    Input("artifacts-dir", "where results, summary and trace are written, relative to the workspace", _text,
          "strands-artifacts"),
    Input("summary", "the job summary: full, brief or off", _choice("full", "brief", "off"), "full"),
    Input("trace", "write the trace files", flag, "true"),
    Input("hitl-response", "the answer to a human gate; where several are open, a YAML or JSON map of path to answer",
          _text),
    Input("facts", "a file of facts of the event (github, pr, ci), instead of asking the host or git", _text),
    Input("diff-base", "a branch, tag or commit: `pr` is what the job's commit has and that has not, as the host "
          "compares them; on a laptop the workspace's HEAD, as git does", _text),
    Input("trust", "auto (from the event: untrusted ones get a read-only run), trusted or untrusted",
          _choice("auto", "trusted", "untrusted"), "auto"),
    Input("trusted-bots", "numbers of bot accounts that count as writers, one a line or with commas between",
          _accounts),
    Input("only-writers", "nothing runs, and the status is skipped, where the account that caused the event may not "
          "write to the repository", flag, "false"),
    Input("github-token", "asks the host who may write, and for the files of the base revision; given to no tool",
          _text, "${{ github.token }}"),
    Input("post", "none; plan (write what would be posted, and post nothing); comment (one comment, kept up to date); "
          "review (that, and comments at lines of the diff)", _choice(*POSTS), "none"),
    Input("post-plan", "a plan that an earlier job wrote, to be posted by this one; nothing else runs, and a spec "
          "beside it only says which labels and which check are allowed", _text),
    Input("post-key", "what tells this post from others on the same pull request; default the workflow, the job, the "
          "step and the workflow file that post", _text),
    Input("debug", "log cache look-ups and starts too; also on when the runner's debug is on", flag, "false"),
)  # fmt: skip

ONLY_IN: Final[Mapping[str, tuple[str, ...]]] = {
    "fixtures": ("record", "replay"),
    "record": ("record",),
    "baseline": ("record", "replay"),
    "live-cases": ("test",),
    "facts": ("live", "record", "replay", "resume"),
    "diff-base": ("live", "record", "resume"),
}
"""Inputs that only some modes know. They have no default in action.yml: a host gives those to every run."""

NOT_OF_CASES: Final[Mapping[str, str]] = {
    "fixtures": "a case names its own with the key 'recordings'",
    "baseline": "it is of one workflow, and cases may be of several",
    "hitl-response": "a case has its own with the key 'hitl_response'",
    "shard": "a case is a whole run",
    "facts": "a case names its own with the key 'facts'",
    "diff-base": "it has the facts of its file, and not those of a branch",
}
"""Inputs of a run that cases, tested or recorded, do not take, and why."""

NEVER_POSTED: Final[Mapping[str, str]] = {
    "record": "what it writes is looked at before it counts; post from mode: live or replay",
    "test": "a case is judged, and is about nothing that the event is about",
    "validate": "nothing is answered",
    "plan": "nothing is answered; post: plan, with mode: live or replay, shows what would be posted",
}
"""Modes that post nothing, and why."""

OF_A_POST: Final = frozenset(
    {
        "spec",
        "post-plan",
        "post-key",
        "github-token",
        "trust",
        "trusted-bots",
        "only-writers",
        "fail-on",
        "summary",
        "debug",
    }
)
"""Inputs that mean something where a plan of another job is posted."""

NOT_OFFERED: Final[Mapping[str, str]] = {
    "aws-role-arn": "",
}
"""Inputs of later versions, with the one value that is no request for them. Anything else is refused by name."""


@dataclass(frozen=True)
class ActionInputs:
    """The inputs, typed. None where the file's own value stands."""

    spec: tuple[str, ...] = ()
    prompt: str | None = None
    variables: Mapping[str, Any] = field(default_factory=dict)
    mode: str = "live"
    fixtures: str | None = None
    record: str = "changed"
    baseline: str | None = None
    live_cases: str = "run"
    max_token_increase: float | None = None
    """In percent, as `max_cost_increase`."""
    max_cost_increase: float | None = None
    provider: str | None = None
    model_id: str | None = None
    host: str | None = None
    region: str | None = None
    max_parallel: int | None = None
    max_tokens_budget: int | None = None
    max_cost_usd: float | None = None
    timeout: float | None = None
    shard: tuple[int, int] | None = None
    """Which, of how many; from 1."""
    shards: int | None = None
    fail_on: str = "error"
    artifacts_dir: str = "strands-artifacts"
    summary: str = "full"
    trace: bool = True
    hitl_response: str | None = None
    facts: str | None = None
    diff_base: str | None = None
    trust: str = "auto"
    trusted_bots: tuple[int, ...] = ()
    only_writers: bool = False
    github_token: str = field(default="", repr=False)
    post: str = "none"
    post_plan: str | None = None
    post_key: str | None = None
    debug: bool = False
    plan_as: str = "text"
    """Only on the command line: print the plan as text, json or mermaid, or its shards as a matrix."""
    given: Mapping[str, str] = field(default_factory=dict, compare=False)
    """What was set, as it was written: for a command that does the same again."""

    @property
    def records_cases(self) -> bool:
        """Whether it is the cases of test files that are to be recorded."""
        return self.mode == "record" and bool(self.spec) and all(name.endswith(TESTS) for name in self.spec)


def from_environ(environ: Mapping[str, str]) -> ActionInputs:
    """The inputs as the runner gives them: INPUT_ and the name in capitals, hyphens kept; underscores do as well."""
    given: dict[str, str] = {}
    for variable, value in environ.items():
        if variable.startswith("INPUT_") and value.strip():
            name = variable.removeprefix("INPUT_").lower().replace("_", "-")
            given[name] = value if name in ("prompt", "variables") else value.strip()
    for runners_own in ("entrypoint", "args"):
        given.pop(runners_own, None)
    inputs = from_strings(given)
    if not inputs.spec and inputs.prompt is None and inputs.post_plan is None:
        raise UsageError("nothing to run: set the input 'spec' to a workflow file, or 'prompt' to a question")
    return inputs


def from_strings(given: Mapping[str, str], *, plan_as: str = "text") -> ActionInputs:
    """Typed inputs from strings by name. Raises UsageError for the first that does not fit."""
    known = {one.name: one for one in INPUTS}
    typed: dict[str, Any] = {"plan_as": plan_as}
    typed["given"] = {name: value for name, value in given.items() if name != "github-token"}
    for name, value in given.items():
        if name in NOT_OFFERED:
            if value != NOT_OFFERED[name]:
                raise UsageError(f"input '{name}' is not offered in this version")
            continue
        if name not in known:
            raise UsageError(f"unknown input '{name}'; {nearest(name, list(known))}")
        try:
            typed[name.replace("-", "_")] = known[name].read(value)
        except ValueError as problem:
            raise UsageError(f"input '{name}' {problem}") from None
    inputs = ActionInputs(**typed)
    if inputs.spec and inputs.prompt is not None:
        raise UsageError("inputs 'spec' and 'prompt' are both set; a run has one of them")
    if inputs.facts is not None and inputs.diff_base is not None:
        raise UsageError("inputs 'facts' and 'diff-base' are both set; facts are in a file, or made of a comparison")
    _check_modes(inputs)
    _check_shards(inputs)
    _check_gates(inputs)
    _check_posting(inputs)
    return inputs


def _check_modes(inputs: ActionInputs) -> None:
    """An input that nothing looks at would be passed over in silence."""
    for name, modes in ONLY_IN.items():
        if name in inputs.given and inputs.mode not in modes:
            raise UsageError(f"input '{name}' is for mode: {' or '.join(modes)}, not for mode: {inputs.mode}")
    for name, why in NOT_OF_CASES.items():
        if name in inputs.given and (inputs.mode == "test" or inputs.records_cases):
            raise UsageError(f"input '{name}' is not for test cases: {why}")


def _check_shards(inputs: ActionInputs) -> None:
    """A shard is of one plan, and how many there are at most is asked where the plan is made."""
    if inputs.shard is not None and inputs.mode == "validate":
        raise UsageError("input 'shard' is for a run or a plan; mode: validate takes whole files")
    if inputs.shards is not None and inputs.mode != "plan":
        raise UsageError("input 'shards' is for mode: plan; a run is told its own 'shard', such as 2/5")
    if inputs.shard is not None and (inputs.shards is not None or inputs.plan_as == "matrix"):
        raise UsageError("input 'shard' shows one share of a plan; a matrix is of the whole plan, leave it out")


def _check_gates(inputs: ActionInputs) -> None:
    """A gate that nothing goes through would pass everything."""
    reviews = inputs.mode == "record" or inputs.baseline is not None
    gates = {"max-token-increase": inputs.max_token_increase, "max-cost-increase": inputs.max_cost_increase}
    for name, limit in gates.items():
        if limit is not None and not reviews:
            told = f"input '{name}' is a gate of mode: record, or of a 'baseline' beside mode: replay"
            raise UsageError(f"{told}; mode: {inputs.mode} records nothing anew")


def _check_posting(inputs: ActionInputs) -> None:
    """What is posted is one whole answer to the event, or a plan of it that another job made."""
    if inputs.post_plan is not None:
        return _check_post_plan(inputs)
    if inputs.post != "none":
        if inputs.mode in NEVER_POSTED:
            raise UsageError(f"input 'post' is not for mode: {inputs.mode}: {NEVER_POSTED[inputs.mode]}")
        if inputs.shard is not None:
            raise UsageError(
                "input 'post' is not for a shard, which has a part of the answer; set it in the job that resumes"
            )
    return None


def _check_post_plan(inputs: ActionInputs) -> None:
    """Beside a plan there is nothing to run, and an input of a run would be passed over in silence."""
    if inputs.post != "none":
        raise UsageError("inputs 'post' and 'post-plan' are both set: a job makes a plan, or posts that of another one")
    defaults = {one.name: one.default for one in INPUTS}
    for name, value in inputs.given.items():
        if name not in OF_A_POST and value != defaults[name]:
            raise UsageError(f"input '{name}' is of a run, and with 'post-plan' nothing runs; leave it out")
