"""Writes docs/reference.md, the schemas, action.yml and its twin with every hosted provider; `make docs` runs it, a test compares."""

from __future__ import annotations

import json
from pathlib import Path

from runner import errors
from runner.arguments import schema_text
from runner.inputs import INPUTS
from runner.report.results import OUTPUTS
from runner.testing import shapes

ROOT = Path(__file__).parents[1]

HEAD = """# Reference

Written by `make docs` from the code.

"""

STOPPING = """
### Being told to stop

SIGINT, SIGTERM and SIGHUP cancel a run: no model is asked any more, what had finished is written, and the run ends
within five seconds with status `cancelled`, whatever hangs in it. One that has ended by then stays what it is. Another
signal, or the same one after a second, leaves at once and writes nothing more. A run that does not end by itself at its
`timeout` is ended the same way, with status `timeout`; one whose event loop stands still for a minute with `failed` and
exit code 70. The message says where it stood. Where not even that can be done, because something holds the interpreter,
it is killed eight seconds after a signal, or half a minute after its `timeout` (exit code 1), and the outputs say
`failed`.

One that is posting by then stops as well, with status `cancelled`: what stands at the host stays, and `posted` in
results.json says what is known of it. A later run looks at it and does the rest.

On Linux no process that a run started outlives it, however it ends.
"""

COMMANDS = """
## Commands

| command | |
|---|---|
| `run` | the workflow file, or `--prompt`: what the action does |
| `validate` | files, globs, directories: what is wrong with them and what is unwise. Runs nothing, needs no key |
| `test` | [test cases](testing.md): test files, globs, directories, and workflow files for those beside them |
| `plan` | what would run, in which order, with which hashes, and what it may cost; `--json`, `--mermaid`; `--matrix`: its [shards](patterns/shards.md). Runs nothing, needs no key |
| `schema` | the JSON Schema of the language |

`plan --json` has `name`, `pattern`, `config_hash`, `shard` (null, or such as `2/5`), `limits` (`max_parallel`,
`max_tokens`, `max_cost_usd`, `max_steps`, `timeout_s`, `connect_s`, `first_token_s`, `between_tokens_s`), `secrets`
(key → source), `estimate` (`calls_least`, `calls_most`, `prompt_tokens_least`, `answer_tokens_most`, null where some
call has no limit), `mermaid`, `steps` (`path`, `id`, `agent`, `provider`, `model_id`, `tools`, `needs`, `timeout_s`,
`retries`, `config_hash`, `agent_config_hash`), `gates` (`path`, `prompt`, `context_display`, `default`,
`timeout_seconds`, `needs`, `config_hash`) and `warnings`. Attempts after a failure and turns of tools are not in the
estimate: nobody can know how many.
"""

FILES = """
## Files of a run

Below `artifacts-dir`; when that is taken by another run, below `run-2`, `run-3`, … in it. A relative path, or one in
the workspace, has to be there really: to write to another disk, name it by its absolute path and not by a link in the
workspace. Below the directory nothing is written through a link.

| file | |
|---|---|
| `results.json` | all of it, for programs: [below](#resultsjson) |
| `summary.md` | what went to the job summary, in full |
| `trace-<time>.json` | `{"spans": [{name, trace_id, span_id, parent_id, start, duration_ms, status, attributes}]}`; prompts and answers stay out, unless the environment asks for them; then spans have `events` |
| `trace-<time>.otlp.jsonl` | the same for a collector |
| `tape/` | the run's [recordings](recordings.md#going-on-with-a-run) |
| `review.md`, `review.json` | [what became of recordings](recordings.md#a-re-recording-is-reviewed), where some were made anew or held against others |
| `post-plan.json` | [what was to be posted](posting.md#plans), with the input `post`; there is none of a run that did not succeed |
| `junit.xml` | of [test cases](testing.md#what-comes-of-it), which have no trace and no tape |
| artifacts | what `outputs.artifacts` asks for |

A summary shows answers as the Markdown they are written in, data as it is. Nothing in them acts: HTML is text, images
are not loaded but named, links say where they go, nobody is mentioned and no issue linked, and characters that nobody
sees are written out, such as ⟨U+202E⟩. What is too long ends with a marker, at most 40,000 bytes of an answer.

What went wrong comes first, with the place in the workflow file:

<picture>
  <source media="(prefers-color-scheme: dark)" srcset="pictures/failure-summary-dark.png">
  <img alt="The summary of a run that failed: the cause and its place, then the steps" src="pictures/failure-summary-light.png">
</picture>

Of more than 25 steps those are seen that failed or wait; the others, and all answers but the run's own, are folded:

<picture>
  <source media="(prefers-color-scheme: dark)" srcset="pictures/many-summary-dark.png">
  <img alt="The summary of 500 steps, of which one failed" src="pictures/many-summary-light.png">
</picture>

At a terminal a run is shown step by step:

<picture>
  <source media="(prefers-color-scheme: dark)" srcset="pictures/success-terminal-dark.png">
  <img alt="A run at a terminal of 80 columns" src="pictures/success-terminal-light.png">
</picture>

### results.json

| key | |
|---|---|
| `name`, `pattern`, `mode`, `config_hash`, `shard`, `trust` | what ran; `shard` is null, or such as `2/5`; `trust` is [`trusted` or `untrusted`](trust.md) |
| `status`, `exit_code`, `started`, `duration_ms` | how it ended, when it began, and how many milliseconds it took |
| `response`, `data`, `step_outputs` | its answer as text and as data, and the outputs that the file asks for |
| `steps` | every step and gate, in the order of the plan, or in that of the run where steps are taken again |
| `questions` | of the gates that wait for an answer: each `path`, `prompt`, `context`, `default`, and `until` when it waits |
| `usage` | `input_tokens`, `output_tokens`, `total_tokens`; of those sent, `cache_read_tokens` and `cache_write_tokens`; and `uncounted_turns`, which may have cost more that nobody told |
| `cost_usd` | about what the run cost in US dollars, [at list prices](language.md#cost); null where a price is not known |
| `cache` | agents prepared (`builds`) and used again (`hits`), and the `hit_rate` in percent |
| `clients` | clients of providers, each with its connections: `created`, and used again (`hits`) |
| `budget` | `tokens`, `steps` and, under a limit in money, `cost_usd` spent; `max_tokens`, `max_steps` and `max_cost_usd` allowed; `used_percent` of the tightest |
| `posted` | null, or what became of a [post](posting.md): its `url`, new `comments` at the diff and those `known` from before, threads `resolved`, requests `written` that changed something, and `remarks`; of a post that failed, what was done before |
| `failure` | null, or `title`, `message`, the `path` of the step, and `findings`, each a `message` with its place (`at`) and `level` |
| `warnings` | advice, and what the run went on without: each a `message` with its place (`at`) |

| a step's key | |
|---|---|
| `path`, `id`, `agent`, `config_hash` | which it is; a gate has no agent |
| `status`, `error` | `success`, `failed`, `cancelled`, `skipped` or `paused`, and why |
| `response`, `data` | its answer |
| `model` | who gave it, as `provider/model_id`: one of the `fallbacks`, perhaps |
| `usage`, `turns`, `attempts` | tokens as above; times the model was asked; attempts, those after a failure included |
| `cost_usd` | about what it cost in this run, every turn at the price of the model that was asked, 0 where a recording answered; null where one is not known |
| `started`, `duration_ms` | from when it first had a slot |
| `source` | `live`; `tape`, where a recording answered; `resumed`, where an earlier run did, a gate among them |
| `question`, `answered_by` | of a gate: what was asked, as in `questions`, and `response` or `default`; of others null |

Of test cases it has `status`, `exit_code`, `mode`, `took_more` (sentences of the
[gates](recordings.md#a-re-recording-is-reviewed)) and `cases`, each with `file`, `name`, `at`, `status`, `source`,
`passes` of its `runs`, `tokens`, `cost_usd`, `duration_ms`, `failures` (a `message` with its place, `at`) and `error`.

## Environment

| variable | |
|---|---|
| `OPENAI_API_KEY` | for `openai`; not needed with `host` |
| `OPENAI_ORG_ID`, `OPENAI_PROJECT_ID` | for `openai`: who pays, where a key is of several |
| `ANTHROPIC_API_KEY` | for `anthropic`; not needed with `host` |
| `GEMINI_API_KEY`, `GOOGLE_API_KEY` | for `gemini`, the first that is set; not needed with `host` |
| `AZURE_OPENAI_API_KEY`, `AZURE_OPENAI_AD_TOKEN` | for `azure_openai`: a key, or a token of Entra ID, which goes before it |
| `AZURE_OPENAI_API_VERSION`, `OPENAI_API_VERSION` | for `azure_openai`: a dated version of the older API instead of `v1` |
| `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`, `AWS_PROFILE`, `AWS_REGION`, `AWS_BEARER_TOKEN_BEDROCK` | for `bedrock`, and whatever else boto3 finds |
| `HTTP_PROXY`, `HTTPS_PROXY`, `NO_PROXY` | honoured |
| `SSL_CERT_FILE` | the authorities that are trusted, but by what speaks to AWS: that reads `AWS_CA_BUNDLE` |
| `OTEL_EXPORTER_OTLP_ENDPOINT` and its kin, `OTEL_SERVICE_NAME` | spans are sent there too, by OTLP over HTTP; over `telemetry.otel` of the file |
| `AWS_ENDPOINT_URL`, `AWS_ENDPOINT_URL_SECRETS_MANAGER`, `AWS_ENDPOINT_URL_SSM` | where AWS is asked for secrets of the file |
| what `env.secrets` names | a run fails without it |
| `OTEL_SEMCONV_STABILITY_OPT_IN` | with `gen_ai_unredacted_attributes=…` in it, spans hold what that names of prompts and answers; without, none |
| `GITHUB_EVENT_NAME`, `GITHUB_EVENT_PATH`, `GITHUB_SHA` and their kin, `GITHUB_API_URL`, `GITHUB_GRAPHQL_URL` | on a CI host: [who caused the run](trust.md), and where to ask |
| `RUNNER_DEBUG` | `1` is `debug: true` |

## Log lines

On stderr, each with time and level; on a terminal a run is shown step by step instead. Model text never stands in them,
but for what the question of a gate holds of it, and what a test case found instead of what it expected.
The command line prints the answer on stdout; what would be a workflow command in it is made harmless.

| line | level |
|---|---|
| `run_started name=… pattern=… steps=… config_hash=…`, `run_finished status=… steps=… tokens=… duration_ms=…` | info; `paused` is a warning, and what is not `success` an error |
| `step_started path=… agent=…` | debug |
| `step_finished path=… agent=… status=… time=… tokens=…`, and `attempts=…` where there were several, `error=…` | info, error; of a gate without an answer a warning |
| `step_retry path=… attempt=… reason=… wait_s=…` | warning |
| `answer_malformed path=… reason=… asked_again=…` | warning |
| `throttled model=… limit=…` | info; with `wait_s=…` where nobody is asked for so long |
| `circuit_open model=… failures=… wait_s=… reason=…` | warning, and an annotation |
| `fell_back path=… unavailable=… asked=… reason=…` | warning, and an annotation |
| `agent_cache_miss agent_id=… config_hash=…`, `agent_cache_hit …` | debug |
| `budget_warning usage=… limit=… percent=…` | warning, and an annotation; with `what=` `dollars`, `steps` or `seconds` where it is not tokens |
| `budget_exceeded usage=… limit=…` | error, likewise |
| `usage_unknown …` | warning |
| `compacted path=… messages=… before=… after=…`, `compaction_failed path=… tokens=… reason=…` | info, warning |
| `mcp_server_lost server=… seen=…` | warning |
| `loop_blocked seconds=… at=…`: everything waits for what is done there | warning, and an annotation |
| `SIGTERM received: stopping; once more leaves at once` | warning |
| a sentence, such as that a note could not be written | warning, and an annotation |
| `shard 2/5: 3 of 11 steps; the rest is left to the job that resumes` | info |
| `untrusted: …`, why, and what is otherwise for it | warning; `trusted: …` is debug |
| `Waiting for an answer: …`, the path and the question of a gate | warning, and an annotation |
| `Cache hit rate: 90% (9 hits, 1 miss)` | info |
| `Clients: 1 created, 9 reused` | info |
| `Posted: … · 3 new comments at the diff, 2 said before, 1 resolved`, or why nothing was posted | info |
| `…; waiting 60 s before … is asked again`: the host's rate limits, and its failures, where something is posted | info |
| `Results: … · Summary: … · Trace: …` | info |
"""


def reference() -> str:
    inputs = [f"| `{one.name}` | {f'`{one.default}`' if one.default else ''} | {one.help} |" for one in INPUTS]
    outputs = [f"| `{name}` | {help_} |" for name, help_ in OUTPUTS.items()]
    return (
        HEAD
        + "\n".join(["## Inputs", "", "| input | default | |", "|---|---|---|", *inputs])
        + "\n\nOn the command line each is a flag of `run`, but for `spec`, whose files are named without one. Environment: `INPUT_` and the name in capitals.\n\n"
        + "To `validate`, a directory stands for every `*.yaml` and `*.yml` below it, but for `*.test.yaml` and what is in hidden directories (other than `.github`), `node_modules` or `fixtures`. Of those, files without `pattern` and `runtime` are skipped, and the log says so.\n\n"
        + "\n".join(["## Outputs", "", "| output | |", "|---|---|", *outputs])
        + "\n\nAll are written on failure too, and every name under `outputs.step_outputs` of the file, but by a shard. Together they are at most 480,000 bytes, for a job may have 1 MB of outputs in UTF-16: the longest are cut with a marker, and whole in results.json.\n\n"
        + "\n".join(["## Exit codes", "", "| code | status | |", "|---|---|---|", *exit_codes()])
        + "\n"
        + STOPPING
        + COMMANDS
        + FILES
    )


def exit_codes() -> list[str]:
    """A row for each kind of error that ends a run, in the order of their codes."""
    idle = "where no step's `when` held, a shard is empty, or `only-writers` kept somebody from it"
    rows = {(0, "success", f"and what `fail-on` forgives; `skipped`, {idle}")}
    for kind in errors.RunnerError.__subclasses__():
        if kind not in (errors.TemplateProblem, errors.ModelProblem):  # a step makes its own failure of these
            told = " ".join((kind.__doc__ or "").split()).split(". ")[0].rstrip(".")
            rows.add((kind.exit_code, kind.status, told))
    rows.add((errors.RunnerError.exit_code, errors.RunnerError.status, "A bug of ours; the log has the traceback"))
    return [f"| {code} | `{status}` | {told} |" for code, status, told in sorted(rows)]


def action(name: str, dockerfile: str) -> str:
    """An action of these inputs and outputs, with the image that a Dockerfile builds; a release names it by digest."""

    def quoted(text: str) -> str:
        return json.dumps(text, ensure_ascii=False)

    lines = [
        "# Written by `make docs` from the code: inputs, outputs and their texts.",
        f"name: {name}",
        "description: Run declarative agent workflows in CI - fast, bounded, observable.",
        "author: strands-action",
        "branding: {icon: git-merge, color: purple}",
        "inputs:",
    ]
    for one in INPUTS:
        lines += [f"  {one.name}:", f"    description: {quoted(one.help)}", "    required: false"]
        if one.default:
            lines.append(f"    default: {quoted(one.default)}")
    lines.append("outputs:")
    for name, told in OUTPUTS.items():
        lines += [f"  {name}:", f"    description: {quoted(told)}"]
    lines += [
        "runs:",
        "  using: docker",
        f"  image: {dockerfile}",
        "  # Said here too: without it a caller's own input of that name would take its place.",
        "  entrypoint: /opt/venv/bin/python",
        '  args: ["-I", "-u", "/opt/strands-action/entrypoint.py"]',
    ]
    return "\n".join(lines) + "\n"


def with_all_providers() -> str:
    """The Dockerfile of the other image: a host builds an action's image without arguments."""
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    given = text.replace("\nARG LOCK=runtime\n", "\nARG LOCK=all\n")
    return "# Written by `make docs` from Dockerfile; it has another LOCK.\n" + given


def written() -> dict[Path, str]:
    """Every file written from the code, with its content."""
    return {
        ROOT / "docs/reference.md": reference(),
        ROOT / "docs/schema.json": schema_text(),
        ROOT / "docs/test-schema.json": shapes.schema_text(),
        ROOT / "action.yml": action("strands-action", "Dockerfile"),
        ROOT / "all/action.yml": action("strands-action with every hosted provider", "../all.Dockerfile"),
        ROOT / "all.Dockerfile": with_all_providers(),
    }


if __name__ == "__main__":
    for path, text in written().items():
        path.write_text(text, encoding="utf-8")
