"""A model's Markdown in a summary: read as it was meant, in HTML that nothing in it can leave."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.invisible import shown
from runner.report.rendered import MOST_NESTED, rendered
from tests.hostile import TEXTS, huge
from tests.report.reader import on_github, page

many = settings(max_examples=200, deadline=None, derandomize=True)
PIECES = [
    *"\n \r \f \t \u2028 \u200b \u202e".split(" "),
    *("\n\n", " ", "    ", "\n# ", "\n- ", "\n1. ", "\n> ", "\n---\n", "|-|-|\n", "<img src=x>"),
    *"` ``` ~~~ ~~ * ** _ [ ] ]( ![ ( ) < > <!-- --> </details> &#10; &#64; &lt; & | \\ ! \" ' : é a mermaid".split(),
    *"@ user #1 GH-1 https://a.example/#1 ftp://a.example javascript:".split(),
]
nasty = st.lists(st.sampled_from(PIECES), max_size=30).map("".join)


def html(markdown: str, most: int = 40_000) -> str:
    """What it is rendered as. Fails where that is anything but one block of HTML, and what may be in it."""
    found = rendered(markdown, most, "the file")
    whole = on_github(f"<details><summary>who</summary>\n\n{found}\n\n</details>\n\nafter\n")
    assert whole.tags[:2] == [("details",), ("details", "summary")]
    assert whole.tags[-1] == ("p",)
    assert whole.tags.count(("details",)) == 1
    assert all(path[0] == "details" for path in whole.tags[:-1])
    assert found.startswith("```") or "\n" not in found
    assert len(found.encode()) <= most * 3 + 200
    return found


# -- nothing in it acts -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(TEXTS))
def test_a_hostile_answer_is_a_block_of_harmless_html(name: str) -> None:
    html(f"before\n\n{TEXTS[name]}\n\nafter")


@many
@given(nasty)
def test_no_markdown_leaves_its_block(text: str) -> None:
    html(text)


@many
@given(nasty, st.integers(1, 120))
def test_wherever_it_is_cut_it_is_whole_html(text: str, most: int) -> None:
    html(text, most)


@pytest.mark.parametrize(
    ("markdown", "told"),
    [
        ("![a *cat*](http://evil.example/x.png)", "<p>a *cat* (<code>http://evil.example/x.png</code>)</p>"),
        ("<b>x</b> <!-- y -->", "<p>&lt;b&gt;x&lt;/b&gt; &lt;!-- y --&gt;</p>"),
        ("a &#x202e; b", "<p>a ⟨U+202E⟩ b</p>"),
        ("`a\u200bb`", "<p><code>a⟨U+200B⟩b</code></p>"),
        ("@[user](ftp://x)", "<p>@\u200buser (<code>ftp://x</code>)</p>"),
        ("&#64;user `@user` #1", "<p>@\u200buser <code>@user</code> #\u200b1</p>"),
        ("`a`@user", "<p><code>a</code>@\u200buser</p>"),
        ("[a]: http://x 'y'", "<p>[a]: http://x 'y'</p>"),
        ("```mermaid\na\n```", "<pre><code>a</code></pre>"),
        ('```a"b\nc\n```', "<pre><code>c</code></pre>"),
        ("a&#10;&#10;b", "<p>a&#10;&#10;b</p>"),
    ],
)
def test_what_would_act_is_text(markdown: str, told: str) -> None:
    assert html(markdown) == told


@pytest.mark.parametrize(
    ("markdown", "told"),
    [
        ("[docs](https://a.example/b)", '<a href="https://a.example/b">docs</a> (a.example)'),
        ("<https://a.example/b>", '<a href="https://a.example/b">https://a.example/b</a>'),
        ("[a.example](https://a.example/b)", '<a href="https://a.example/b">a.example</a>'),
        ("[https://good.example](https://evil.example)", "https://good.example</a> (evil.example)"),
        ("<https://bücher.example>", "https://bücher.example</a> (xn--bcher-kva.example)"),
        ("<me@a.example>", '<a href="mailto:me@a.example">me@a.example</a>'),
        ("[me](mailto:me@a.example)", '<a href="mailto:me@a.example">me</a> (me@a.example)'),
        ("[a](https://good.example@evil.example)", "a (<code>https://good.example@evil.example</code>)"),
        ("[a](docs/b.md)", "a (<code>docs/b.md</code>)"),
        ("[a](#b)", "a (<code>#b</code>)"),
        ("[a](//evil.example)", "a (<code>//evil.example</code>)"),
        ("[a](javascript:b)", "[a](javascript:b)"),
    ],
)
def test_a_link_says_where_it_goes(markdown: str, told: str) -> None:
    assert told in html(markdown)


@pytest.mark.parametrize(
    ("target", "href"),
    [
        ("https://GitHub.com/o/r/pull/1#x", "https://redirect.github.com/o/r/pull/1#x"),
        ("http://www.github.com/o/r/issues/1", "https://redirect.github.com/o/r/issues/1"),
        ("https://github.com/o/r", "https://github.com/o/r"),
        ("https://a.example/?b=https://github.com/o/r/pull/1", "https://a.example/?b=https://github.com/o/r/pull/1"),
    ],
)
def test_an_issue_is_not_told_that_it_is_spoken_of(target: str, href: str) -> None:
    assert f'<a href="{href}">it</a>' in html(f"[it]({target})")


# -- it is read as it was meant ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("markdown", "told"),
    [
        ("# a\n\n### b\n\n###### c", "<h4>a</h4><h6>b</h6><h6>c</h6>"),
        ("a\nb\\\nc", "<p>a<br>b<br>c</p>"),
        ("*a* **b** ~~c~~", "<p><em>a</em> <strong>b</strong> <del>c</del></p>"),
        ("- [x] a\n- b", "<ul><li>[x] a</li><li>b</li></ul>"),
        ("3. a\n\n4. b", '<ol start="3"><li><p>a</p></li><li><p>b</p></li></ol>'),
        ("> a", "<blockquote><p>a</p></blockquote>"),
        ("```py x\na\n\n b<\n```", '<pre lang="py"><code>a&#10;&#10; b&lt;</code></pre>'),
        ("    a\n    b", "<pre><code>a&#10;b</code></pre>"),
        ("a\n\n---", "<p>a</p><hr>"),
        ("|a|\n|:-:|\n", '<table><thead><tr><th align="center">a</th></tr></thead></table>'),
        ("|a|\n|-|\n|1|", "<table><thead><tr><th>a</th></tr></thead><tbody><tr><td>1</td></tr></tbody></table>"),
    ],
)
def test_markdown_is_rendered(markdown: str, told: str) -> None:
    assert html(markdown) == told


@many
@given(st.text(alphabet=st.characters(categories=["L", "N", "Sc"], exclude_characters="$"), max_size=60).map(shown))
def test_words_are_shown_as_they_are(text: str) -> None:
    assert page(html(f"a{text}b")).shown == f"a{text}b"


DEEP = "*a " * MOST_NESTED + "a* " * (MOST_NESTED - 1) + "a*"
"""A browser that is given thousands of such shows nothing of the page."""


@pytest.mark.parametrize("text", ["", "   ", "\n\n", "> " * MOST_NESTED + "a", "- " * MOST_NESTED + "a", DEEP])
def test_what_says_nothing_or_is_nested_too_deeply_is_shown_as_it_was_written(text: str) -> None:
    assert rendered(text) == f"```text\n{text}\n```"


# -- size and time ----------------------------------------------------------------------------------------------------

MARKER = "<p><em>[cut here; the file has all of it]</em></p>"


def test_a_long_answer_ends_with_a_marker() -> None:
    assert html("word " * 100, 60).startswith("<p>word word")
    assert html("word " * 100, 60).endswith("</p>" + MARKER)
    assert html("a\n\n" * 100, 40) == "<p>a</p>" * 5 + MARKER
    assert html("a", 8) == "<p>a</p>"


@pytest.mark.parametrize(
    ("markdown", "end"),
    [
        ("- a\n" * 100, "</li></ul>"),
        ("> a\n\n" * 100, "</blockquote>"),
        ("|a|b|\n|-|-|\n" + "|1|2|\n" * 100, "</tr></tbody></table>"),
        ("```\n" + "<\n" * 300, "</code></pre>"),
        ("&" * 500, "&amp;</p>"),
        ("@a " * 300, "</p>"),
    ],
)
def test_what_is_open_where_it_is_cut_is_closed(markdown: str, end: str) -> None:
    found = html(markdown, 400)
    assert found.endswith(end + MARKER)
    assert len(found.encode()) <= 400 + len(MARKER)


SLOW = dict(
    [
        *(("brackets", "["), ("images", "!["), ("links", "[a]("), ("nested links", "[[a](b)]("), ("labels", "[a\n")),
        *(("titles", '[a](b "c\n'), ("definitions", "[a]: b\n"), ("angles", "<"), ("autolinks", "<http:")),
        *(("comments", "<!--"), ("entities", "&a;"), ("backticks", "`a"), ("emphasis", "*a **b "), ("struck", "~~a ")),
        *(("underscores", "_a __b "), ("quotations", "> "), ("lists", "- "), ("numbers", "1. "), ("items", "- a\n")),
        *(("lines", "a\n"), ("rules", "* * *\n"), ("tables", "|a|b|\n|-|-|\n"), ("headings", "#\n")),
        *(("fences", "```a\n\n"), ("tabs", "\t"), ("spaces", " ")),
    ]
)
"""What a parser of Markdown could need the square of its length for, by what it is made of."""

STARTED = {
    "lazy lines": "> " * 18 + "a\n" + "b\n" * 5_000,
    "lazy items": "- " * 9 + "a\n" + "b\n" * 5_000,
    "wide table": "|" + "a|" * 1000 + "\n|" + "-|" * 1000 + "\n" + "|a\n" * 2000,
    "square table": "|" + "x|" * 100 + "\n|" + "-|" * 100 + "\n" + "x\n" * 5_000,
    "runs of backticks": "".join("`" * length + "a" for length in range(140)),
    "nested brackets": "[" * 5_000 + "]" * 5_000,
}


@pytest.mark.parametrize("name", [*SLOW, *STARTED])
def test_no_answer_takes_long(name: str) -> None:
    """A quarter of the longest: some milliseconds of anything ordinary."""
    text = STARTED[name] if name in STARTED else SLOW[name] * (10_000 // len(SLOW[name]))
    begun = time.process_time()
    found = rendered(text)
    assert time.process_time() - begun < 0.6
    assert len(found.encode()) < 100_000


def test_an_answer_of_ten_megabytes_is_cut_before_it_is_read() -> None:
    assert len(html(huge())) < 200_000
