"""What goes wrong, by seed: a blow for each attempt at each question, so that nothing depends on who comes first."""

from __future__ import annotations

import email.utils
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import TYPE_CHECKING, Final, Literal

from tests.chaos.workflows import Question, answer_to, question_of
from tests.servers import Answer
from tests.servers.faults import FAULTS, MARK, MISCOUNTS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.servers import Request

Effect = Literal["harmless", "passing", "final", "late"]
"""What a blow does: nothing, a failure that asking again gets over, one that it does not, or silence, which is the one
or the other by what the workflow says of it."""

LOST: Final = r"connection to .* (was lost|failed)"
UNREADABLE: Final = r"cannot be read|is not JSON|not UTF-8|no event stream of AWS"
ENDED: Final = "the stream ended in the middle"
LATE: Final = r"no answer within .* \(timeout_s\)"
SILENT: Final = r"no first token within|nothing more of the answer within"


@dataclass(frozen=True)
class Blow:
    """One thing that goes wrong; `says` is a pattern for the sentence that names it."""

    name: str
    effect: Effect
    says: str
    weight: int
    change: Callable[[Answer], Answer]


def _status(status: int, effect: Effect, weight: int = 1, name: str = "", **headers: str) -> Blow:
    given = {key.replace("_", "-"): value for key, value in headers.items()}
    named = name or f"status {status}"
    return Blow(named, effect, f"HTTP {status}", weight, lambda _: Answer(status=status, headers=given))


def _page(_: Answer) -> Answer:
    return Answer(status=502, raw=f"<html><title>{MARK}</title>Bad Gateway</html>".encode(), content_type="text/html")


def _busy_until(seconds: float) -> Callable[[Answer], Answer]:
    def busy(_: Answer) -> Answer:
        until = email.utils.format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)
        return Answer(status=429, headers={"retry-after": until})

    return busy


def _broken(name: str, effect: Effect, says: str, weight: int = 1) -> Blow:
    return Blow(name, effect, says, weight, lambda answer: replace(answer, breaks=FAULTS[name]))


def _miscounted(name: str) -> Blow:
    return Blow(name, "harmless", UNREADABLE, 1, lambda answer: replace(answer, recount=MISCOUNTS[name]))


BLOWS: Final[Mapping[str, Blow]] = {
    one.name: one
    for one in (
        _status(429, "passing", 2, "429 with seconds", retry_after="0.05"),
        Blow("429 with a date", "passing", "HTTP 429", 2, _busy_until(0)),
        _status(429, "final", 1, "429 for too long", retry_after="30"),
        Blow("429 until too late", "final", "HTTP 429", 1, _busy_until(3600)),
        _status(500, "passing", 2),
        _status(503, "passing", 2),
        _status(529, "passing"),
        _status(400, "final"),
        _status(401, "final"),
        Blow("page of a gateway", "passing", "HTTP 502", 1, _page),
        Blow("reset before headers", "passing", LOST, 2, lambda answer: replace(answer, reset="before")),
        Blow("reset mid-stream", "passing", LOST, 2, lambda answer: replace(answer, reset="during")),
        Blow("slow", "harmless", "", 2, lambda answer: replace(answer, delay=0.02, chunk_delay=0.01, late_end=0.02)),
        Blow("prose", "harmless", "output_schema", 1, lambda answer: Answer("I would rather not.", usage=answer.usage)),
        _broken("stall before headers", "late", f"{LATE}|{SILENT}"),
        _broken("stall before tokens", "late", f"{LATE}|{SILENT}"),
        _broken("stall between tokens", "late", f"{LATE}|{SILENT}"),
        _broken("endless drip", "late", f"{LATE}|{SILENT}"),
        _broken("drip", "harmless", ""),
        _broken("cut between chunks", "passing", LOST),
        _broken("cut inside a chunk", "passing", LOST),
        _broken("headers only", "passing", LOST),
        _broken("half of the headers", "passing", f"{LOST}|{ENDED}"),
        _broken("not http", "passing", f"{LOST}|no answer of an HTTP server"),
        _broken("empty body", "passing", ENDED),
        _broken("no finish", "passing", ENDED),
        _broken("broken json", "passing", UNREADABLE),
        _broken("no object", "passing", UNREADABLE),
        _broken("strange object", "passing", UNREADABLE),
        _broken("invalid utf8", "passing", UNREADABLE),
        _broken("megabyte line", "passing", UNREADABLE),
        _broken("line that is no field", "passing", UNREADABLE),
        _broken("end twice", "harmless", ""),
        _broken("bad checksum", "passing", UNREADABLE, 8),
        _broken("cut frame", "passing", f"{UNREADABLE}|{ENDED}"),
        _broken("page of a proxy", "passing", f"page of HTML|{UNREADABLE}"),
        _broken("error in place of a stream", "passing", f"told in a body|{UNREADABLE}"),
        _broken("error as the first event", "passing", "told in a stream"),
        _broken("error between tokens", "passing", "told in a stream"),
        *map(_miscounted, MISCOUNTS),
    )
}

SSE: Final = frozenset({"openai", "azure_openai", "anthropic"})
ELSEWHERE: Final[Mapping[str, Mapping[str, Effect]]] = {
    **{name: {"no object": "harmless", "strange object": "harmless", "line that is no field": "harmless"}
       for name in ("openai", "azure_openai")},
    "anthropic": {"line that is no field": "harmless"},
    "gemini": {"no object": "harmless", "strange object": "harmless", "usage in words": "passing"},
    "ollama": {"usage in words": "passing"},
}  # fmt: skip
"""Where a client reads on over what another stumbles at."""


def effect_at(provider: str, blow: Blow) -> Effect:
    return ELSEWHERE.get(provider, {}).get(blow.name, blow.effect)


@dataclass(eq=False)
class Asked:
    """One request as the server saw it, and what it did to it."""

    request: Request
    question: Question
    attempt: int
    effect: Effect
    blow: Blow | None

    @property
    def answered_well(self) -> bool:
        """The whole answer was written, and nothing was wrong with it."""
        return self.request.answered and self.effect == "harmless" and (self.blow is None or self.blow.name != "prose")

    @property
    def counted(self) -> bool:
        """The client was told what it cost."""
        return self.answered_well and (self.blow is None or self.blow.name not in MISCOUNTS)


@dataclass(eq=False)
class Storm:
    """All that is asked of one run's models, and what becomes of it. `strength` is the share of attempts that go
    wrong; 0 is the calm."""

    seed: int
    strength: float
    asked: list[Asked] = field(default_factory=list)
    _attempts: Counter[tuple[str, str, str]] = field(default_factory=Counter)

    def reply(self, provider: str, request: Request) -> Answer:
        question = question_of(request)
        key = (request.model, question.label, question.digest)
        self._attempts[key] += 1
        attempt = self._attempts[key]
        other = "b" if request.model.endswith("-b") else "a"
        blow = self._blow(
            Random(f"{self.seed} {other} {question.label} {question.digest} {attempt}"), provider, question
        )
        effect = "harmless" if blow is None else effect_at(provider, blow)
        self.asked.append(Asked(request, question, attempt, effect, blow))
        answer = answer_to(question)
        return answer if blow is None else blow.change(answer)

    def _blow(self, random: Random, provider: str, question: Question) -> Blow | None:
        if random.random() >= self.strength:
            return None
        left_out = {"prose"} if not question.wants_data else set()
        if provider != "bedrock":
            left_out.add("bad checksum")
        if not answer_to(question).text:  # nothing but a call of a tool, so there is no text to be broken in the middle
            left_out |= {"bad checksum", "cut frame", "endless drip"}
        blows = [one for one in BLOWS.values() if one.name not in left_out]
        [blow] = random.choices(blows, [one.weight for one in blows])
        return blow
