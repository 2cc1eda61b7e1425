"""Events to log lines. Pure: the door decides which level is shown, guards the text and writes it.

Lines are a word and `key=value` pairs, as users grep for them. Answers and prompts never stand in them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from runner.prices import exact
from runner.report import events
from runner.report.markdown import duration

if TYPE_CHECKING:
    from runner.report.results import StepResult

Level: TypeAlias = Literal["DEBUG", "INFO", "WARNING", "ERROR"]

_SIGN: Final = {"success": "✓", "failed": "✗", "cancelled": "-", "skipped": "-", "paused": "?"}
_SPENT: Final = 26
"""Characters for a step's time and tokens at a terminal. They stand before its name, so that they make columns."""
_LEVEL: Final[dict[str, Level]] = {"success": "INFO", "skipped": "INFO", "paused": "WARNING"}
"""How loudly an end is told; others are errors."""

_LEVEL_OF_A_STEP: Final[dict[str, Level]] = {"failed": "ERROR", "paused": "WARNING"}


@dataclass(frozen=True, slots=True)
class Line:
    level: Level
    text: str


def lines(event: events.Event) -> list[Line]:
    """What the log says of an event."""
    match event:
        case events.RunStarted():
            return [
                _line("INFO", "run_started", name=event.name, pattern=event.pattern, steps=event.steps,
                      config_hash=event.config_hash[:12])
            ]  # fmt: skip
        case events.StepStarted():
            return [_line("DEBUG", "step_started", path=event.path, agent=event.agent)]
        case events.StepFinished():
            return [_finished(event.result)]
        case (
            events.StepRetry()
            | events.AnswerMalformed()
            | events.FellBack()
            | events.Throttled()
            | events.CircuitOpened()
        ):
            return [_trouble(event)]
        case events.CacheLookup():
            word = "agent_cache_hit" if event.hit else "agent_cache_miss"
            return [_line("DEBUG", word, agent_id=event.agent_id, config_hash=event.config_hash[:12])]
        case events.BudgetWarning() | events.UsageUnknown() | events.BudgetReached():
            return [_budget(event)]
        case events.Compacted() | events.CompactionFailed() | events.Warned() | events.ToolsLost():
            return [_context(event)]
        case events.LoopBlocked(seconds, at):
            return [_line("WARNING", "loop_blocked", seconds=seconds, at=at)]
        case events.Crashed():
            return [Line("ERROR", line) for line in event.traceback.splitlines()]
        case events.Statistics():
            return statistics(event)
        case events.RunFinished():
            level = _LEVEL.get(event.status, "ERROR")
            told = {"status": event.status, "steps": event.steps, "tokens": event.tokens}
            return [_line(level, "run_finished", **told, duration_ms=event.duration_ms)]


def _trouble(
    event: events.StepRetry | events.AnswerMalformed | events.FellBack | events.Throttled | events.CircuitOpened,
) -> Line:
    """What went wrong with a call and is being mended."""
    match event:
        case events.StepRetry(path, attempt, reason, wait_s):
            return _line("WARNING", "step_retry", path=path, attempt=attempt, reason=reason, wait_s=round(wait_s, 2))
        case events.AnswerMalformed(path, reason, left):
            return _line("WARNING", "answer_malformed", path=path, reason=reason, asked_again=left > 0)
        case events.FellBack(path, unavailable, asked, reason):
            return _line("WARNING", "fell_back", path=path, unavailable=unavailable, asked=asked, reason=reason)
        case events.Throttled(model, limit, wait_s):
            wait = {"wait_s": round(wait_s, 2)} if wait_s else {}
            return _line("INFO", "throttled", model=model, limit=limit, **wait)
        case events.CircuitOpened(model, failures, wait_s, reason):
            told = {"failures": failures, "wait_s": round(wait_s, 2), "reason": reason}
            return _line("WARNING", "circuit_open", model=model, **told)


def display(event: events.Event) -> list[Line] | None:
    """What a person at a terminal is shown of an event; None where that is what the log says."""
    match event:
        case events.RunStarted():
            return [Line("INFO", f"{event.name}: {event.pattern}, {event.steps} steps")]
        case events.StepStarted():
            return [Line("INFO", f"  …{'':{_SPENT}}  {event.path}  {event.agent}")]
        case events.StepFinished(result):
            level = _LEVEL_OF_A_STEP.get(result.status, "INFO")
            spent = f"{duration(result.duration_ms):>10}{result.usage.total:>9,} tokens"
            told = f"  {_SIGN[result.status]}{spent}  {result.path}  {result.asked}"
            return [Line(level, told), *([Line(level, f"    {result.error}")] if result.error else [])]
        case events.RunFinished():
            told = f"{event.status}: {event.steps} steps, {event.tokens:,} tokens, {duration(event.duration_ms)}"
            return [Line(_LEVEL.get(event.status, "ERROR"), told)]
    return None


def statistics(event: events.Statistics) -> list[Line]:
    cache, clients = event.cache, event.clients
    hits = "1 hit" if cache.hits == 1 else f"{cache.hits} hits"
    misses = "1 miss" if cache.builds == 1 else f"{cache.builds} misses"
    return [
        Line("INFO", f"Cache hit rate: {cache.hit_rate}% ({hits}, {misses})"),
        Line("INFO", f"Clients: {clients.created} created, {clients.hits} reused"),
    ]


def _budget(event: events.BudgetWarning | events.UsageUnknown | events.BudgetReached) -> Line:
    match event:
        case events.BudgetWarning():
            told = {**_spent(event), "percent": event.percent}
            return _line("WARNING", "budget_warning", **told, **_unit(event.what))
        case events.BudgetReached():
            return _line("ERROR", "budget_exceeded", **_spent(event), **_unit(event.what))
        case events.UsageUnknown():
            return Line("WARNING", "usage_unknown a turn ended without a count; the budget counts its estimate")


def _spent(event: events.BudgetWarning | events.BudgetReached) -> dict[str, str]:
    return {"usage": exact(float(event.usage)), "limit": exact(float(event.limit))}


def _unit(what: str) -> dict[str, str]:
    """What is spent, where it is not tokens."""
    return {} if what == "tokens" else {"what": what}


def _context(event: events.Compacted | events.CompactionFailed | events.Warned | events.ToolsLost) -> Line:
    match event:
        case events.Compacted(path, messages, before, after):
            return _line("INFO", "compacted", path=path, messages=messages, before=before, after=after)
        case events.CompactionFailed(path, tokens, reason):
            return _line("WARNING", "compaction_failed", path=path, tokens=tokens, reason=reason)
        case events.Warned(message):
            return Line("WARNING", message)
        case events.ToolsLost(server, seen):
            return _line("WARNING", "mcp_server_lost", server=server, seen=seen)


def _finished(result: StepResult) -> Line:
    level = _LEVEL_OF_A_STEP.get(result.status, "INFO")
    told: dict[str, object] = {"path": result.path, "agent": result.asked, "status": result.status}
    told |= {"time": duration(result.duration_ms).replace(" ", ""), "tokens": result.usage.total}
    if result.attempts > 1:
        told["attempts"] = result.attempts
    if result.error:
        told["error"] = result.error
    return _line(level, "step_finished", **told)


def _line(level: Level, word: str, **pairs: object) -> Line:
    return Line(level, " ".join([word, *(f"{key}={_quoted(str(value))}" for key, value in pairs.items())]))


def _quoted(value: str) -> str:
    """A value that reads back as one: quoted where it has spaces, with no quotation marks of its own."""
    value = value.replace('"', "'")
    return f'"{value}"' if " " in value or not value else value
