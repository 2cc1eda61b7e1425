"""One thing changes after a recording: a replay names it before anybody is asked, and recording anew asks no more than
that change calls for.
"""

from __future__ import annotations

import copy
import json
import re
import shutil
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from runner.plan import digest
from runner.plan.catalogue import TOOLS
from runner.plan.plan import AgentRecipe, CompactionPlan, ContextPlan, Gate, ModelRecipe, NotesPlan, Step
from runner.plan.tools import BuiltIn
from runner.tape.deck import Deck
from runner.tape.drift import MOST_SHOWN, Difference, fits, of_step
from runner.tape.recording import Recording
from tests.agents.test_mcp import server as mcp
from tests.build import agent, as_text, chain, model, plan_of, step
from tests.contract.replaying import FAST, Both, at_this_server, both, fixtures, told
from tests.contract.test_patterns import Script
from tests.plan.test_config_hash import CHANGED, HOME, ROWS, Row
from tests.servers import Answer, OllamaServer, OpenAIServer
from tests.workspace import Outcome, Workspace, parallel, workflow

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from runner.plan.plan import Plan

SCHEMA = {"type": "object", "properties": {"score": {"type": "integer"}, "why": {"type": "string"}}}
QUESTIONS = ["One.", "Two:", "Three:", "Four."]
ANSWERS = {"One.": "first", "Two:": {"score": 2}, "Three:": "third"}
PATHS = [f"steps[{number}]" for number in range(4)]
MENDS = "to record it anew: strands-action run workflow.yaml --mode record"


def spec(url: str) -> dict[str, Any]:
    """A chain of four: the second is another agent's, with everything that a step can have; the third uses its answer,
    and the fourth none."""
    critic = {
        "prompt": "You judge.",
        "model_id": "m",
        "tools": ["calculator", "api", "current_time"],
        "inference": {"temperature": 0.0},
        "output_schema": SCHEMA,
    }
    two = {"id": "two", "agent": "critic", "input": "Two: {{ last_response }} {{ topic }}", "vars": {"tone": "calm"}}
    return workflow(
        url,
        chain("One.", two, "Three: {{ steps.two.data.score }}", "Four."),
        inputs={"values": {"topic": "tea"}},
        runtime={"params": {"seed": 1}, "failure_policy": FAST},
        skills=[{"id": "pdf", "path": "pdf.md"}],
        context_policy={"compaction": {"enabled": True, "when_tokens_over": 90_000}},
        tools={
            "python": ["calculator", "current_time"],
            "http_executors": [{"id": "api", "base_url": "https://x", "description": "The old tracker."}],
            "mcp": [mcp("polite")],
        },
        agents={
            "writer": {"prompt": "You write.", "tools": []},
            "critic": critic,
            "editor": copy.deepcopy(critic),
        },
    )


@dataclass(frozen=True)
class Change:
    """An edit of that file, and the difference as it is told: whose, in which field, and both sides."""

    place: str
    value: Any
    field: str
    old: str
    new: str
    of_all: bool = False


STEP, CRITIC, RUNTIME, POLICY = "pattern.config.steps.1", "agents.critic", "runtime", "context_policy.compaction"
FALLBACKS = [{"provider": "openai", "model_id": "other"}]
REVERSED = {**SCHEMA, "properties": {name: SCHEMA["properties"][name] for name in ("why", "score")}}  # type: ignore[index]
CHANGES = {
    "agent": Change(f"{STEP}.agent", "editor", "agent", '"critic"', '"editor"'),
    "agent prompt": Change(f"{CRITIC}.prompt", "You judge well.", "prompt", '"You judge."', '"You judge well."'),
    "input": Change(
        f"{STEP}.input", "Two: {{ topic }}", "input", '"Two: {{ last_response }} {{ topic }}"', '"Two: {{ topic }}"'
    ),
    "vars": Change(f"{STEP}.vars.tone", "loud", "vars.tone", '"calm"', '"loud"'),
    "a new variable": Change(f"{STEP}.vars.who", None, "vars.who", "nothing", "null"),
    "session": Change(f"{STEP}.session", "talk", "session", "nothing", '"talk"'),
    "tools": Change(
        f"{STEP}.tool_overrides", ["calculator", "api"], "tools.current_time", '{"description": "…', "nothing"
    ),
    "order of tools": Change(
        f"{STEP}.tool_overrides",
        ["api", "calculator", "current_time"],
        "tools",
        '["calculator", "api", "current_time", "Skill"]',
        '["api", "calculator", "current_time", "Skill"]',
    ),
    "executor": Change(
        "tools.http_executors.0.description",
        "The new tracker.",
        "tools.api.description",
        '"The old tracker."',
        '"The new tracker."',
    ),
    "executor's address": Change(
        "tools.http_executors.0.base_url", "https://y", "tools.api.base_url", '"https://x"', '"https://y"'
    ),
    "model_id": Change(f"{CRITIC}.model_id", "large", "model_id", '"m"', '"large"'),
    "provider": Change(
        f"{CRITIC}.provider", "ollama", 'params: {"seed": 1} → nothing; provider', '"openai"', '"ollama"'
    ),
    "temperature": Change(f"{CRITIC}.inference.temperature", 0.5, "temperature", "0.0", "0.5"),
    "top_p": Change(f"{CRITIC}.inference.top_p", 0.5, "top_p", "nothing", "0.5"),
    "max_tokens": Change(f"{CRITIC}.inference.max_tokens", 50, "max_tokens", "nothing", "50"),
    "output_schema": Change(
        f"{CRITIC}.output_schema.properties.score.type",
        "number",
        "output_schema.properties.score.type",
        '"integer"',
        '"number"',
    ),
    "order of properties": Change(
        f"{CRITIC}.output_schema", REVERSED, "output_schema.properties", '["score", "why"]', '["why", "score"]'
    ),
    "params": Change(f"{RUNTIME}.params.seed", 2, "params.seed", "1", "2", of_all=True),
    "params of another type": Change(f"{RUNTIME}.params.seed", True, "params.seed", "1", "true", of_all=True),
    "fallbacks": Change(f"{RUNTIME}.fallbacks", FALLBACKS, "fallbacks", "nothing", "[…]", of_all=True),
    "skill": Change("pdf.md", "Read it well.\n", "tools.Skill.pdf", '"…"', '"…"', of_all=True),
    "context policy": Change(
        f"{POLICY}.when_tokens_over", 80_000, "compaction.when_tokens_over", "90000", "80000", of_all=True
    ),
    "notes": Change("context_policy.notes", {"file": "n.md"}, "notes", "nothing", '["n.md", 12]', of_all=True),
    "personal data": Change(
        "security", {"guardrails": {"pii_redaction": True}}, "redact_pii", "nothing", "true", of_all=True
    ),
}


def edited(workspace: Workspace, file: dict[str, Any], change: Change) -> dict[str, Any]:
    """The file with one thing changed."""
    if change.place.endswith(".md"):
        workspace.write(change.place, change.value)
        return file
    file = copy.deepcopy(file)
    *way, last = change.place.split(".")
    inner: Any = file
    for name in way:
        inner = inner[int(name)] if isinstance(inner, list) else inner[name]
    inner[last] = change.value
    return file


@pytest.fixture
def workspace(workspace: Workspace) -> Workspace:
    workspace.write("pdf.md", "Read it.\n")
    return workspace


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Both:
    """The file above, recorded once."""
    elsewhere = Workspace(tmp_path_factory.mktemp("recorded"))
    elsewhere.write("pdf.md", "Read it.\n")
    return both(elsewhere, spec("")["pattern"], Script(ANSWERS), **without(spec("")))


@pytest.fixture
def ran(workspace: Workspace, recorded: Both) -> Both:
    """Its recordings, in the workspace of a test."""
    shutil.copytree(recorded.record.root / "fixtures", workspace.root / "fixtures")
    return replace(recorded, spec=copy.deepcopy(recorded.spec))


def asked_now(
    workspace: Workspace, file: dict[str, Any], answers: dict[str, Any], record: str = "changed", **inputs: str
) -> list[str]:
    """How the questions begin that recording anew asks of a model. What it leaves can be replayed."""
    with OpenAIServer(Script(answers)) as server:
        file["runtime"]["host"] = server.url
        recorded = workspace.run(at_this_server(file, server), mode="record", record=record, **inputs)
    replayed = workspace.run(file, mode="replay", **inputs)
    assert (recorded.exit_code, replayed.exit_code) == (0, 0), recorded.log + replayed.log
    assert [one["response"] for one in replayed.results["steps"]] == [
        one["response"] for one in recorded.results["steps"]
    ]
    return [next(one for one in QUESTIONS if one in request.user_texts[-1]) for request in server.requests]


def refused(workspace: Workspace, file: dict[str, Any], **inputs: str) -> Outcome:
    """A replay that is refused, and asks nobody."""
    with OpenAIServer() as server:
        outcome = workspace.run({**file, "runtime": {**file["runtime"], "host": server.url}}, mode="replay", **inputs)
    assert (outcome.exit_code, outcome.outputs["status"]) == (14, "invalid")
    assert server.connections == 0
    return outcome


def errors(outcome: Outcome) -> list[str]:
    return [line for line in outcome.annotations if line.startswith("::error")]


# -- one thing changes ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CHANGES)
def test_a_replay_names_what_changed_before_anybody_is_asked(workspace: Workspace, ran: Both, name: str):
    change = CHANGES[name]
    file = edited(workspace, ran.spec, change)
    outcome = refused(workspace, file)

    who = "editor" if name == "agent" else "critic"
    stale = PATHS if change.of_all else ["steps[1]"]
    found = errors(outcome)
    assert len(found) == len(stale)
    for path, error in zip(stale, found, strict=True):
        by = who if path == "steps[1]" else "writer"
        sides = " → ".join(re.escape(one).replace("…", ".+") for one in (change.old, change.new))
        line = line_of(file, int(path[6]))
        title = f"::error title=Recording problem,file=workflow.yaml,line={line},col=7::"
        says = rf"{re.escape(f'{path} ({by}) is not asked as it was recorded: {change.field}: ')}{sides}; {MENDS}"
        assert re.fullmatch(re.escape(title) + says, error), error
    logged = "\n".join(outcome.logged("ERROR"))
    assert all(f"{path} (" in logged for path in stale)
    assert (change.field in logged, MENDS.split(": ")[1] in logged) == (True, True)
    assert all(step["status"] == "skipped" for step in outcome.results["steps"])


def line_of(file: dict[str, Any], number: int) -> int:
    """Where a step of the chain begins in the file, counted from 1."""
    lines = yaml.safe_dump(file, sort_keys=False).splitlines()
    start = lines.index("    steps:")
    return [at for at, line in enumerate(lines, 1) if at > start and line.startswith("    - ")][number]


def without(file: dict[str, Any]) -> dict[str, Any]:
    """What of the file is given by its own name to whoever runs it."""
    file = {name: value for name, value in file.items() if name not in ("version", "name", "pattern")}
    file["runtime"] = {name: value for name, value in file["runtime"].items() if name in ("params", "failure_policy")}
    return file


@pytest.mark.parametrize("name", [name for name in CHANGES if name != "provider"])
@pytest.mark.parametrize("then", [ANSWERS, {**ANSWERS, "Two:": {"score": 9}}], ids=["the same answer", "another"])
def test_recording_anew_asks_no_more_than_it_must(workspace: Workspace, ran: Both, name: str, then: dict[str, Any]):
    change = CHANGES[name]
    file = edited(workspace, ran.spec, change)
    through_it = ["Three:"] if then is not ANSWERS else []

    asked = asked_now(workspace, file, then)

    assert asked == (QUESTIONS if change.of_all else ["Two:", *through_it])


def test_nothing_is_asked_where_nothing_changed(workspace: Workspace, ran: Both):
    before = {name: file.read_bytes() for name, file in fixtures(workspace).items()}

    assert asked_now(workspace, ran.spec, ANSWERS) == []
    assert {name: file.read_bytes() for name, file in fixtures(workspace).items()} == before


def test_everything_is_asked_where_that_is_wanted(workspace: Workspace, ran: Both):
    assert asked_now(workspace, ran.spec, ANSWERS, record="all") == QUESTIONS


def test_another_provider_is_asked_for_its_step_alone(workspace: Workspace, ran: Both, monkeypatch: pytest.MonkeyPatch):
    file = edited(workspace, ran.spec, CHANGES["provider"])
    with OllamaServer(Script(ANSWERS)) as other:
        monkeypatch.setattr("runner.agents.providers.ollama.DEFAULT_HOST", other.url)
        assert asked_now(workspace, file, ANSWERS) == []

    assert len(other.requests) == 1


def test_arguments_of_a_server_of_tools(workspace: Workspace):
    """In a file of its own: the server is started when it is recorded."""
    agents = {"writer": {"prompt": "p", "tools": ["small"]}, "critic": {"prompt": "c"}}
    pattern = chain("One.", {"agent": "critic", "input": "Two: {{ last_response }}"})
    ran = both(workspace, pattern, Script(ANSWERS), agents=agents, tools={"mcp": [mcp("")]})
    ran.spec["tools"]["mcp"][0]["args"][-1] = "polite"
    (error,) = errors(refused(workspace, ran.spec))

    assert re.search(
        r'steps\[0\] \(writer\) is not asked as it was recorded: tools\.small\.args: .*"".* → .*"polite"', error
    )
    with OpenAIServer(Script(ANSWERS)) as server:
        ran.spec["runtime"]["host"] = server.url
        assert workspace.run(ran.spec, mode="record").exit_code == 0
    assert len(server.requests) == 1


# -- what fills a question --------------------------------------------------------------------------------------------


def test_a_value_that_is_given(workspace: Workspace, ran: Both):
    given = {"variables": '{"topic": "milk"}'}
    outcome = refused(workspace, ran.spec, **given)

    (error,) = errors(outcome)
    assert f"line={line_of(ran.spec, 1)}" in error
    assert 'steps[1] (critic) is not asked as it was recorded: question: "Two: first tea" → "Two: first milk"' in error
    assert """to record it: strands-action run workflow.yaml --mode record --variables '{"topic": "milk"}'""" in error
    assert outcome.results["failure"]["path"] == "steps[1]"
    assert asked_now(workspace, ran.spec, ANSWERS, **given) == ["Two:"]


def test_an_answer_that_somebody_wrote(workspace: Workspace, ran: Both):
    """By hand, and said to be; what follows from it was another question."""
    file = fixtures(workspace)["steps[0].json"]
    body = json.loads(file.read_text())
    body["turns"][0]["content"] = [{"text": "last"}]
    file.write_text(json.dumps({**body, "origin": "hand"}))
    (error,) = errors(refused(workspace, ran.spec))

    assert 'steps[1] (critic) is not asked as it was recorded: question: "Two: first tea" → "Two: last tea"' in error
    assert asked_now(workspace, ran.spec, {**ANSWERS, "Two:": {"score": 3}}) == ["Two:", "Three:"]
    assert json.loads(file.read_text())["origin"] == "hand"


def test_a_long_question_is_shown_where_it_begins_to_differ(workspace: Workspace):
    ran = both(workspace, chain("{{ topic }}"), "ok", inputs={"values": {"topic": f"{'x' * 900}old{'y' * 900}"}})
    given = {"variables": json.dumps({"topic": f"{'x' * 900}new{'y' * 900}"})}
    (error,) = errors(refused(workspace, ran.spec, **given))

    (sides,) = re.findall(r"question: (.*); to record it", error)
    assert re.fullmatch(r"…x{20}oldy{57}… → …x{20}newy{57}…", sides)
    assert max(map(len, sides.split(" → "))) == MOST_SHOWN + 2


def test_a_session_that_said_something_else(workspace: Workspace):
    """Which is known when all of it was said, for the order may be another one."""
    steps = {name: [{"input": name, "session": "talk"}] for name in "ab"}
    ran = both(workspace, parallel(**steps), lambda request: f"to {request.user_texts[-1]}")
    first, second = sorted(fixtures(workspace).values(), key=lambda file: "before" in file.read_text())
    body = json.loads(first.read_text())
    body["turns"][0]["content"] = [{"text": "something else"}]
    first.write_text(json.dumps({**body, "origin": "hand"}))
    (error,) = errors(refused(workspace, ran.spec))

    path = second.stem
    assert f"{path}: its session said something else in {first.stem} when it was recorded; to record it" in error
    assert re.search(r"file=workflow\.yaml,line=\d+", error)


def test_all_that_is_stale_is_told_at_once(workspace: Workspace, ran: Both):
    outcome = refused(workspace, edited(workspace, ran.spec, CHANGES["params"]))

    assert len(errors(outcome)) == 4
    assert "4 steps are not asked as they were recorded" in outcome.results["failure"]["message"]


def test_recording_anew_is_rid_of_what_nothing_asks_for_when_the_run_is_whole(workspace: Workspace, ran: Both):
    ran.spec["pattern"]["config"]["steps"].pop()
    with OpenAIServer(lambda _: Answer(status=400)) as server:
        failing = edited(workspace, ran.spec, CHANGES["agent prompt"])
        failing["runtime"]["host"] = server.url
        assert workspace.run(failing, mode="record").exit_code == 10
    assert len(fixtures(workspace)) == 4

    assert workspace.run(ran.spec, mode="record").exit_code == 0
    assert [*fixtures(workspace)] == [f"{path}.json" for path in PATHS[:3]]


def test_what_may_change_without_another_recording(workspace: Workspace, ran: Both):
    """A place, a limit, a name, a word for people: the question is the same."""
    file = copy.deepcopy(ran.spec)
    file["description"] = "what it is for"
    file["runtime"] |= {"host": "http://nowhere.invalid/v1", "max_parallel": 9, "timeout_s": 60}
    file["runtime"]["budgets"] = {"max_steps": 4, "max_tokens": 100_000, "warn_threshold": 1.0}
    file["tools"]["http_executors"][0]["headers"] = {}
    file["tools"]["mcp"][0]["timeout_s"] = 3
    replayed = workspace.run(file, mode="replay")

    assert replayed.exit_code == 0
    assert told(replayed)["results"]["steps"] == told(ran.record)["results"]["steps"]


# -- whatever is hashed can be told -----------------------------------------------------------------------------------


def compared(old: Plan, new: Plan) -> Iterable[tuple[bool, list[Difference]]]:
    """For every step that both plans have: whether its hash is the same, and what is told of it."""
    steps, asked = {one.path: one for one in new.steps()}, Deck(new).asked
    for was in old.steps():
        if (now := steps.get(was.path)) is not None:
            recording = Recording(was.path, was.config_hash, Deck(old).asked(was))
            same = was.config_hash == now.config_hash
            # Told as if the hashes differed, whether they do or not.
            found = of_step(replace(recording, config_hash=""), now.config_hash, asked(now))
            yield same, [one for one in found if one.field != "config_hash"]


@pytest.mark.parametrize("found", [one for one in ROWS if one.values[0].verdict in ("hashed", "acts")])
def test_of_two_files_what_is_told_differs_where_the_hash_does(found: Row) -> None:
    before, after = (plan_of(one, variables=found.variables, root=HOME) for one in (found.before, found.after))
    for same, differences in compared(before, after):
        assert same is (differences == []), differences


def variant(recipe: type, name: str) -> tuple[Step, ContextPlan]:
    """A step that differs in one field of one of the recipes that it is made of."""
    value = CHANGED.get(name)
    context = ContextPlan(CompactionPlan(), NotesPlan("notes.md"))
    if recipe is ModelRecipe:
        return step(agent=agent(model=replace(model(), **{name: value}))), context
    if recipe is AgentRecipe:
        return step(agent=agent(**{"id": "writer", name: value})), context
    if recipe is Step:
        return step(**{name: value}), context
    parts: dict[tuple[type, str], Callable[[], ContextPlan]] = {
        (ContextPlan, "compaction"): lambda: replace(context, compaction=None),
        (ContextPlan, "notes"): lambda: replace(context, notes=None),
        (ContextPlan, "redact_pii"): lambda: replace(context, redact_pii=True),
        (CompactionPlan, "when_tokens_over"): lambda: replace(context, compaction=CompactionPlan(when_tokens_over=9)),
        (CompactionPlan, "summary_ratio"): lambda: replace(context, compaction=CompactionPlan(summary_ratio=0.9)),
        (CompactionPlan, "preserve_recent_messages"): lambda: replace(
            context, compaction=CompactionPlan(preserve_recent_messages=3)
        ),
        (CompactionPlan, "model_id"): lambda: replace(context, compaction=CompactionPlan(model_id="n")),
        (NotesPlan, "file"): lambda: replace(context, notes=NotesPlan("other.md")),
        (NotesPlan, "include_last"): lambda: replace(context, notes=NotesPlan("notes.md", include_last=3)),
    }
    return step(), parts[recipe, name]()


HASHED = [(recipe, name) for recipe, names in digest.HASHED.items() if recipe is not Gate for name in sorted(names)]
"""Of what a model is asked; what a human is asked stands in its recording itself."""


@pytest.mark.parametrize(("recipe", "name"), HASHED, ids=lambda one: getattr(one, "__name__", one))
def test_a_field_that_is_hashed_is_told(recipe: type, name: str) -> None:
    """A new field fails here until it has a place in `digest.asked` too."""
    tools, context = {"calculator": BuiltIn(TOOLS["calculator"])}, ContextPlan(CompactionPlan(), NotesPlan("notes.md"))
    changed, policy = variant(recipe, name)
    was, now = digest.sign_step(step(), context), digest.sign_step(changed, policy)

    assert was.config_hash != now.config_hash
    assert digest.asked(was, context, tools) != digest.asked(now, policy, tools)


# -- values side by side ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("recorded", "text", "same"),
    [
        ("a *** b", "a secret b", True),
        ("a *** b", "a  b", True),
        ("***", "anything", True),
        ("*** and ***", "one and another", True),
        ("*** and ***", "one or another", False),
        ("a *** b", "a secret c", False),
        ("a *** b", "b secret b", False),
        ("ab***bc", "abc", False),
        ("a***a***a", "aa", False),
        ("plain", "plain", True),
        ("plain", "plain ", False),
    ],
)
def test_what_was_taken_out_of_a_question_may_have_been_anything(recorded: str, text: str, same: bool):
    assert fits(recorded, text) is same


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ({"a": 1}, {"a": 2}, ["a: 1 → 2"]),
        ({"a": 1}, {"a": True}, ["a: 1 → true"]),
        ({"a": 1}, {"a": 1.0}, ["a: 1 → 1.0"]),
        ({"a": {}}, {}, ["a: {} → nothing"]),
        ({}, {"a": None}, ["a: nothing → null"]),
        ({"a": {"b": {"c": "x", "d": 1}}}, {"a": {"b": {"c": "y", "d": 1}}}, ['a.b.c: "x" → "y"']),
        ({"a": {"x": 1, "y": 2}}, {"a": {"y": 2, "x": 1}}, ['a: ["x", "y"] → ["y", "x"]']),
        ({"a": [1, 2]}, {"a": [1, 3], "b": "ü"}, ["a: [1, 2] → [1, 3]", 'b: nothing → "ü"']),
        ({}, {}, ['config_hash: "0123456789ab" → "fedcba987654"']),
    ],
)
def test_differences_in_words(old: dict[str, Any], new: dict[str, Any], says: list[str]):
    found = of_step(Recording("steps[0]", "0123456789abcdef", old), "fedcba9876543210", new)
    assert [str(one) for one in found] == says


def test_the_file_of_these_tests_is_as_users_write_it():
    assert plan_of(as_text({**spec("http://x/v1"), "skills": []})).steps()[1].agent.id == "critic"
