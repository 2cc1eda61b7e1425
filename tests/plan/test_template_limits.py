"""Every template ends within a second and builds a bounded amount, whatever it says and whatever it is given."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from runner.errors import TemplateProblem
from runner.plan.bounds import MAX_RENDERED
from runner.plan.deadline import bounded
from runner.plan.pieces import MAX_PARTS
from runner.plan.templates import MAX_SOURCE, references, render

HOME = Path(__file__).parent.parent.parent


def doubling(start: str, again: str) -> str:
    """A template that makes something of itself forty times over, and then text of it."""
    sets = "".join(f"{{% set a = {again} %}}" for _ in range(40))
    return f"{{% set a = {start} %}}{sets}{{{{ a }}}}"


def often(expression: str, times: int = 500) -> str:
    """A template that keeps what an expression makes, many times."""
    return "".join(f"{{% set a{i} = {expression} %}}" for i in range(times))


TIME = "takes longer than 1 s"
STEPS = "takes more than 1,000,000 steps"
EITHER = "the template takes"
TEXT = "produces more than 4,194,304 characters"
BUILT = "builds more than 64 MiB"
DATA = "the data is larger than 4,194,304 characters of JSON"
PARTS = "has more than 5,000 parts"
DEEP = "nested too deeply"
APART = "a text of more than 1,000,000 characters cannot be taken apart"

BOMBS = {
    # loops
    "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}": STEPS,
    "{% for a in range(99999) %}{% for b in range(99999) if b < 0 %}{% endfor %}{% endfor %}": STEPS,
    "{% for a in l %}{% for b in l %}{{ loop.length }}{% endfor %}{% endfor %}": EITHER,
    "{% for a in text %}{% endfor %}": STEPS,
    "{% for a in l %}{% set b = -a in l %}{% endfor %}": TIME,
    "{% for a in l %}{% set b = [l] %}{% endfor %}": TIME,
    "{% for a in range(10 ** 9) %}{% endfor %}": "Range too big",
    # text
    doubling("x", "a ~ a"): TEXT,
    doubling("x", "a + a"): "the sum is too large",
    doubling("x", "a * 9"): "the product is too large",
    doubling("x", "[a, a] | join"): DATA,
    doubling("x", "a | replace('x', 'xx')"): TEXT,
    doubling("x", "a.replace('', a)"): TEXT,
    doubling("'ab'", "a.join('abc')"): TEXT,
    "{% for a in range(90000) %}{{ x }}{% endfor %}": TEXT,
    "{% set a %}{% for a in range(90000) %}{{ x }}{% endfor %}{% endset %}": BUILT,
    "{% filter upper %}{% for a in range(90000) %}{{ x }}{% endfor %}{% endfilter %}": BUILT,
    "{% set a %}{% for a in range(90000) %}" + "z" * 9000 + "{% endfor %}{% endset %}": STEPS,
    often("text[1:]"): BUILT,
    often("text ~ 'a'"): BUILT,
    often("text + 'a'"): BUILT,
    often("text | upper"): BUILT,
    often("text.lower()"): BUILT,
    often("text | truncate(3000000)"): BUILT,
    often("text[:200000].split()"): BUILT,
    often("l[1:]"): BUILT,
    "{{ text | title }}": APART,
    "{{ text.split() }}": APART,
    "{{ text.splitlines() }}": APART,
    "{{ huge }}": TEXT,
    "{{ huge | upper }}": TEXT,
    "{{ '{:>1000000000}'.format(1) }}": "access to attribute 'format'",
    "{{ 'a'.ljust(10 ** 9) }}": "access to attribute 'ljust'",
    "{{ '%1000000000d' % 1 }}": "text cannot be formatted by %",
    "{{ '%1000000000d' is even }}": "only a number can be asked that",
    "{{ 1 is divisibleby '%1000000000d' }}": "only a number can be asked that",
    "{{ 'a'.translate({97: text}) }}": "access to attribute 'translate'",
    # data that stands in itself again and again
    doubling("[x]", "[a, a]"): DATA,
    doubling("(x,)", "(a, a)") + "{{ {a: 1} }}": DATA,
    doubling("{}", "{1: a, 2: a}"): TIME,
    doubling("[x]", "a + a"): DATA,
    doubling("[x]", "a * 9"): DATA,
    doubling("[1]", "[a, a]"): f"{EITHER}|{DATA}",
    "{{ [1] * 10 ** 8 }}": "the product is too large",
    "{{ [range(99999)] * 50 }}": DATA,
    "{{ {}.fromkeys(l, l) }}": "access to attribute 'fromkeys'",
    "{{ rows }}": DATA,
    "{{ rows | tojson(indent=9) }}": DATA,
    "{{ l | tojson(indent=10 ** 9) }}": "tojson indents by 0 to 16",
    # numbers
    doubling("3", "a * a"): "the product is too large",
    "{{ 2 ** (10 ** 8) }}": "the power is too large",
    "{{ 9 ** (9 ** 9) }}": "the power is too large",
    doubling("2 ** 6990 * 2 ** 6990", "a + a"): "the number is too large",
    "{{ 2e308 }}": "the number is too large",
    "{{ 0x" + "f" * 9000 + " // 3 }}": "Exceeds the limit (4300 digits)",
    "{{ 1" + "0" * 9000 + " }}": "Exceeds the limit (4300 digits)",
    "{{ (1).to_bytes(10 ** 9, 'big') }}": "access to attribute 'to_bytes'",
    # searches
    "{{ (aa ~ 'b') | regex_search('(a+)+$') }}": TIME,
    "{{ aa | regex_search('(a|a)*b') }}": TIME,
    "{{ aa | regex_search('(.*)*b') }}": TIME,
    "{{ aa | regex_search('((((a*)*)*)*)*b') }}": TIME,
    "{{ aa | regex_search('a*a*a*a*a*b') }}": TIME,
    "{{ aa | regex_search(aa) }}": "a pattern has at most 1,000 characters",
    "{{ text.rfind('ab' ~ aa) }}": "'rfind' looks for at most 100 characters",
    "{{ text.strip('b' ~ aa) }}": "'strip' looks for at most 100 characters",
    "{{ text | trim('b' ~ aa) }}": "'strip' looks for at most 100 characters",
    # templates that are too much in themselves
    "x" * 50_000_000: "longer than 1,048,576 characters",
    "{{ x }}" * 6000: PARTS,
    "{{ x }}" * 140_000: TIME,
    "{{ [" + "1," * 6000 + "] }}": PARTS,
    "{{ " + "1+" * 200_000 + "1 }}": TIME,
    "{{ " + "[" * 50_000 + "]" * 50_000 + " }}": DEEP,
    "{{ " + "not " * 3000 + "x }}": DEEP,
    "{{ x" + "|upper" * 5000 + " }}": DEEP,
    "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}": "templates here have no 'macro'",
    "{% for a in l recursive %}{{ loop(l) }}{% endfor %}": "a loop cannot be recursive",
}

NAMES = """{
    "x": "x" * 1000, "aa": "a" * 90_000, "text": "a " * 2_000_000, "huge": "y" * 50_000_000,
    "l": list(range(90_000)), "rows": [{"a": "b" * 90}] * 50_000,
}"""

CHILD = f"""
import json, resource, sys, time
from runner.errors import TemplateProblem
from runner.plan.templates import render
names = {NAMES}
bombs = json.load(sys.stdin)
resource.setrlimit(resource.RLIMIT_AS, (2**30, 2**30))
for source in bombs:
    began = time.monotonic()
    try:
        said = f"rendered {{len(render(source, names))}} characters"
    except TemplateProblem as problem:
        said = problem.message
    print(json.dumps([said, time.monotonic() - began]))
"""


@pytest.fixture(scope="module")
def ended() -> dict[str, tuple[str, float]]:
    """What was said of every bomb, and after how many seconds, by a process that has a gigabyte."""
    child = subprocess.run(
        [sys.executable, "-c", CHILD],
        input=json.dumps(list(BOMBS)),
        cwd=HOME,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert child.returncode == 0, child.stderr
    lines = [json.loads(line) for line in child.stdout.splitlines()]
    return {source: (said, seconds) for source, (said, seconds) in zip(BOMBS, lines, strict=True)}


@pytest.mark.parametrize("source", BOMBS, ids=lambda source: source[:60])
def test_what_would_have_no_end_ends_in_a_sentence(source: str, ended: dict[str, tuple[str, float]]) -> None:
    said, seconds = ended[source]
    named = any(part in said for part in BOMBS[source].split("|"))
    assert named or (TIME in said and seconds > 0.9), said  # on a busy machine the clock may run out first
    assert seconds < 2


# -- what is still possible -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "size"),
    [
        ("{{ x }}", MAX_RENDERED),
        ("{{ x | upper }}", MAX_RENDERED),
        ("{{ x | replace('a', 'b') }}", MAX_RENDERED),
        ("{{ x[:10] }}", 10),
        ("{{ x.find('b') }}", 2),
        ("{{ x | regex_search('a+') }}", 100_000),
        ("{% for a in range(40000) %}{{ a }}-{{ loop.index }} {% endfor %}", 457_784),
        ("{{ range(90000) | join }}", 438_890),
    ],
)
def test_what_is_large_but_sensible_is_rendered(source: str, size: int) -> None:
    assert len(render(source, {"x": "a" * MAX_RENDERED})) == size


@pytest.mark.parametrize("source", ["{{ x | truncate(10) }}", "{{ x[:10] }}", "{{ x | length }}", "{{ 'b' in x }}"])
def test_a_value_of_any_size_can_be_asked_for_a_part(source: str) -> None:
    assert len(render(source, {"x": "a" * (MAX_RENDERED + 1)})) <= 10


def test_a_template_up_to_the_limit_is_read() -> None:
    assert references("a" * MAX_SOURCE).names == frozenset()
    assert references("{{ x }}" * (MAX_PARTS // 3)).names == {"x"}


def test_ten_thousand_small_renderings_are_quick() -> None:
    before = time.process_time()
    for _ in range(10_000):
        render("Write about {{ topic }}.", {"topic": "rain"})
    assert time.process_time() - before < 1  # a tenth of a second on a quiet machine


# -- the deadline -----------------------------------------------------------------------------------------------------


def forever() -> None:
    while True:
        try:
            sum(range(1000))
        except Exception as error:
            raise AssertionError("it was taken for a failure of the work") from error


def test_work_that_takes_too_long_ends_in_the_error_given() -> None:
    before = time.monotonic()
    with pytest.raises(TimeoutError, match="late"):
        bounded(0.1, lambda: TimeoutError("late"), forever)
    assert time.monotonic() - before < 1


def test_work_within_work_has_the_time_that_is_left() -> None:
    def inner() -> Any:
        return bounded(60, lambda: TimeoutError("inner"), forever)

    with pytest.raises(TimeoutError, match="outer"):
        bounded(0.1, lambda: TimeoutError("outer"), inner)


def test_work_in_time_is_left_alone_and_so_is_what_follows() -> None:
    assert bounded(0.05, TimeoutError, lambda: "done") == "done"
    time.sleep(0.15)


def test_an_error_of_the_work_is_its_own() -> None:
    with pytest.raises(ZeroDivisionError):
        bounded(1, TimeoutError, lambda: 1 / 0)


def test_a_loop_is_told_apart_from_a_slow_machine() -> None:
    with pytest.raises(TemplateProblem) as found:
        render("{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}", {})
    assert found.value.message == "the template takes more than 1,000,000 steps: its loops are too long"
