"""What failed in a run of the host's, and the ends of the logs of that."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from runner.ci.event import Told
from runner.ci.refusal import NoAnswer
from runner.invisible import stripped
from runner.tokens import tokens

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from runner.ci.api import Api
    from runner.ci.event import Event

LOG_TOKENS: Final = 20_000
"""Of all logs together; each failed job has an equal share."""

MOST_LOGS: Final = 10
"""Failed jobs of which the log is fetched."""

BAD: Final = ("failure", "timed_out", "startup_failure")
GONE: Final = (404, 410)

_STAMP: Final = re.compile(r"^\ufeff?\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z ?", re.MULTILINE)
_COLOUR: Final = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b\n]*(?:\x07|\x1b\\)?|[^\n])?")


def ci_of_host(api: Api, event: Event, environ: Mapping[str, str], parts: Collection[str]) -> dict[str, Any]:
    """The run before, where the event is that of one, else this very run. Raises NoAnswer."""
    found, number = _run(event, environ)
    if "failed" in parts:
        if not number:
            raise NoAnswer("neither the event nor GITHUB_RUN_ID says of which run")
        jobs = [
            job
            for job in api.pages(f"actions/runs/{number}/jobs", within="jobs", filter="latest")
            if job.text("conclusion") in BAD
        ]
        share = LOG_TOKENS // max(1, min(MOST_LOGS, len(jobs)))
        logs = (_log(api, job, share) if place < MOST_LOGS else "" for place, job in enumerate(jobs))
        found["failed"] = [_job(job, log) for job, log in zip(jobs, logs, strict=True)]
    return found


def _run(event: Event, environ: Mapping[str, str]) -> tuple[dict[str, Any], str]:
    """A run's plain facts, and its number."""
    if event.name == "workflow_run":
        run = event.part("workflow_run")
        plain = {
            "workflow": run.text("name"),
            "run_url": run.text("html_url"),
            "head": run.commit("head_sha"),
        }
        return plain, str(run.id() or "")
    number = environ.get("GITHUB_RUN_ID", "")
    number = number if re.fullmatch("[0-9]{1,20}", number) else ""
    server, repository = environ.get("GITHUB_SERVER_URL", ""), event.repository
    url = f"{server}/{repository}/actions/runs/{number}" if number else ""
    return {"workflow": environ.get("GITHUB_WORKFLOW", ""), "run_url": url, "head": event.sha}, number


def _job(job: Told, log: str) -> dict[str, Any]:
    step = next((one.text("name") for one in job.each("steps") if one.text("conclusion") in BAD), "")
    return {
        "name": job.text("name"),
        "conclusion": job.text("conclusion"),
        "step": step,
        "url": job.text("html_url"),
        "log": log,
    }


def _log(api: Api, job: Told, share: int) -> str:
    """The end of a job's log; a sentence in its place where the host has it no more, or not yet."""
    try:
        return shortened(plain(api.text(f"actions/jobs/{job.id()}/logs")), share)
    except NoAnswer as problem:
        if problem.status in GONE:
            return f"[there is no log: {problem}]"
        raise


def plain(log: str) -> str:
    """A log without the time before each line, and without colours; what a terminal writes over is what it shows."""
    lines = _COLOUR.sub("", _STAMP.sub("", log.replace("\r\n", "\n"))).split("\n")
    return stripped("\n".join(line.rstrip("\r").rpartition("\r")[2] for line in lines))


def shortened(log: str, share: int) -> str:
    """The end of a log, at most so many tokens of it, from the beginning of a line on where there is one."""
    if tokens(log) <= share:
        return log
    kept = log[-4 * share :]
    while kept and tokens(kept) > share - 20:
        kept = kept[max(1, len(kept) // 10) :]
    kept = kept.partition("\n")[2] or kept
    return f"[the first {log.count(chr(10)) - kept.count(chr(10)):,} lines are left out]\n{kept}"
