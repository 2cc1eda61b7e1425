"""A secret is taken out of every text, in every form that programs on the way give it."""

from __future__ import annotations

import html
import json
import re
import time
from base64 import b32encode, b64encode, urlsafe_b64encode
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.credentials import scrubber
from runner.credentials.readings import squeezed
from runner.credentials.scrub import LONGEST_NAME, MOST_NAMES, Scrubber, _roots

SECRET = 'p@ss/w"örd\\+&=?>'


def learned(*values: str) -> Scrubber:
    scrub = Scrubber()
    scrub.learn(values)
    return scrub


def test_what_nobody_told_of_stays() -> None:
    assert Scrubber()("a text") == "a text"


def test_a_value_is_taken_out_wherever_it_stands() -> None:
    assert learned("abc-123")("abc-123, xabc-123x") == "***, x***x"


@pytest.mark.parametrize(
    "form",
    [
        quote(SECRET),
        quote(SECRET, safe=""),
        quote_plus(SECRET),
        json.dumps(SECRET)[1:-1],
        json.dumps(SECRET, ensure_ascii=False)[1:-1],
        b64encode(SECRET.encode()).decode(),
        urlsafe_b64encode(SECRET.encode()).decode(),
    ],
)
def test_a_form_of_a_value_is_taken_out_too(form: str) -> None:
    assert learned(SECRET)(f"<{form}>") == "<***>"


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.text(max_size=5), st.text(min_size=8, max_size=30), st.text(max_size=5))
def test_in_the_midst_of_base64_it_is_taken_out_wherever_it_begins(before: str, value: str, after: str) -> None:
    whole = b64encode((before + value + after).encode()).decode()
    inner = len(b64encode(value.encode()).decode()) - 4  # what the groups at both ends share with others may stay
    assert len(learned(value)(whole).replace("***", "")) <= len(whole) - inner


def test_of_several_values_the_longest_goes_first() -> None:
    assert learned("token-a", "token-a-and-more")("token-a-and-more") == "***"


def test_each_line_of_a_value_is_taken_out() -> None:
    assert learned("-----BEGIN KEY-----\nMIIEvQIBADAN\n-----END-----\n")("read MIIEvQIBADAN there") == "read *** there"


def test_a_short_secret_goes_as_it_is_and_leaves_words_alone_that_look_like_a_form_of_it() -> None:
    scrub = learned("a b+")
    assert scrub("a b+") == "***"
    assert scrub("a+b%2B") == "a+b%2B"


def test_a_short_secret_is_taken_out_of_json() -> None:
    assert learned('a"b\\')(json.dumps(['a"b\\'])) == '["***"]'


def test_what_is_not_the_whole_value_stays() -> None:
    text = "a token-0, a\n  b; \\u0074oken %74oken &#116; " + b64encode(b"token-012345").decode() + "."
    assert learned("token-0123456789")(text) == text


# -- escaped ----------------------------------------------------------------------------------------------------------


def each(sign: str) -> Callable[[str], str]:
    return lambda value: "".join(sign.format(one) for one in value.encode())


ESCAPED = {
    "percent": each("%{:02x}"),
    "percent in capitals": each("%{:02X}"),
    "bytes": each(r"\x{:02x}"),
    "octal": lambda value: "".join(rf"\{ord(one):03o}" if ord(one) < 256 else one for one in value),
    "UTF-16": lambda value: "".join(rf"\u{ord(one):04x}" for one in value),
    "UTF-16 in capitals": lambda value: "".join(rf"\u{ord(one):04X}" for one in value),
    "code points": lambda value: "".join(rf"\u{{{ord(one):x}}}" for one in value),
    "JSON in JSON in JSON": lambda value: json.dumps(json.dumps(json.dumps(value)))[7:-7],
    "JSON with its slashes": lambda value: json.dumps(value)[1:-1].replace("/", r"\/"),
    "some of JSON only": lambda value: json.dumps(value)[1:-1].replace("p", r"\u0070"),
    "Python": lambda value: repr(value)[1:-1],
    "Python bytes": lambda value: repr(value.encode())[2:-1],
    "a shell": lambda value: value.replace("'", "'\\''"),
    "a shell, by Python": lambda value: value.replace("'", "'\"'\"'"),
    "a shell's double quotes": lambda value: re.sub(r'(["$`\\])', r"\\\1", value),
    "YAML": lambda value: value.replace("'", "''"),
    "HTML": html.escape,
    "HTML numbers": lambda value: "".join(f"&#{ord(one)};" for one in value),
    "HTML in hexadecimal": lambda value: "".join(f"&#x{ord(one):X};" for one in value),
    "HTML in JSON": lambda value: json.dumps(html.escape(value))[1:-1],
    "Markdown": lambda value: re.sub(r"([^\w\s])", r"\\\1", value),
    "hexadecimal": lambda value: value.encode().hex(),
    "hexadecimal in capitals": lambda value: value.encode().hex().upper(),
    "hexadecimal in pairs": lambda value: value.encode().hex(" "),
    "base32": lambda value: b32encode(value.encode()).decode(),
    "base64 without padding": lambda value: b64encode(value.encode()).decode().rstrip("="),
    "base64 for a URL without padding": lambda value: urlsafe_b64encode(value.encode()).decode().rstrip("="),
    "base64 in a URL": lambda value: quote(b64encode(value.encode()).decode(), safe=""),
    "base64 of JSON": lambda value: b64encode(json.dumps(value)[1:-1].encode()).decode(),
}
QUOTED = "it's a p@ss/w\"ord\\n+&=?>ü 0123456789"


@pytest.mark.parametrize("form", ESCAPED)
@pytest.mark.parametrize("value", [SECRET, QUOTED, "plain-0123456789abcdef"])
def test_an_escaped_value_is_taken_out(form: str, value: str) -> None:
    left = learned(value)(f"<{ESCAPED[form](value)}>")
    assert left in ("<***>", "<***=>", "<***==>")


@pytest.mark.parametrize("shift", range(5))
def test_in_the_midst_of_base32_it_is_taken_out_wherever_it_begins(shift: int) -> None:
    whole = b32encode(b"x" * shift + b"token-0123456789" + b"y").decode()
    inner = 8 * len("token-0123456789") // 5 - 1  # what the groups at both ends share with others may stay
    assert len(learned("token-0123456789")(whole).replace("***", "")) <= len(whole) - inner


# -- broken over lines ------------------------------------------------------------------------------------------------

BREAKS = ["\n", "\r\n", "\n\n", "\n    ", "  \n\t", "\n> ", "\n> > ", "\n+ ", "\n+", "\n- ", "\n| ", "\n# ", "\n  * ",
          "\n// ", "\\\n", r"\n", r"\n  ", r"\r\n", r"\\n", "%0A", "&#10;", "\u2028", " "]  # fmt: skip


@pytest.mark.parametrize("line_end", BREAKS)
@pytest.mark.parametrize("form", ["plain", "base64", "hexadecimal", "percent", "HTML numbers", "JSON in JSON in JSON"])
def test_a_value_that_is_broken_anywhere_is_taken_out(line_end: str, form: str) -> None:
    value = "sk-ab+c/d|0123456789" if line_end.count(">") > 1 else "sk-ab+c/d>0123456789"
    own = {"plain": str, "base64": lambda one: b64encode(one.encode()).decode()}
    written = {**ESCAPED, **own}[form](value)
    scrub, pieces = learned(value), [*re.findall(r"%..|&.*?;|\\u....|.", written)]
    for place in range(1, len(pieces)):
        text = "".join(pieces[:place]) + line_end + "".join(pieces[place:])
        assert scrub(f"a line\n({text}) more") == "a line\n(***) more"
    every = line_end.join(pieces)
    assert "***" in scrub(every)
    assert len(scrub(every)) < len(every) / 2


@pytest.mark.parametrize("width", [64, 76])
def test_base64_in_lines_is_taken_out(width: int) -> None:
    value = "".join(f"{number:04}" for number in range(80))
    whole = b64encode(value.encode()).decode()
    lines = "\n".join(whole[at : at + width] for at in range(0, len(whole), width))
    assert learned(value)(f"here:\n{lines}\nthere") == "here:\n***\nthere"


def test_a_sentence_is_found_where_an_editor_broke_it() -> None:
    assert learned("correct horse battery")("say correct\n  horse battery, then") == "say ***, then"


def test_nothing_but_the_value_is_taken_out_of_the_lines_around_it() -> None:
    text = "one\n> two\n> abc-\n> 0123456789\n> three &amp; four\n"
    assert learned("abc-0123456789")(text) == "one\n> two\n> ***\n> three &amp; four\n"


@pytest.mark.parametrize("sign", ["…", "...", " […]", "\n[cut here: 7 more bytes]", ""])
@pytest.mark.parametrize("form", ["plain", "base64 without padding", "percent", "JSON in JSON in JSON"])
def test_the_beginning_of_one_that_somebody_cut_is_taken_out(sign: str, form: str) -> None:
    written = {**ESCAPED, "plain": str}[form]("token-0123456789-abcdef")
    assert (
        learned("token-0123456789-abcdef")(f"is {written[: 36 if form == 'percent' else 12]}{sign}") == f"is ***{sign}"
    )
    assert learned("token-0123456789-abcdef")(f"is token-0{sign}") == f"is token-0{sign}"


# -- always -----------------------------------------------------------------------------------------------------------

SIGNS = st.text("ab*\\n%25&;#\n> '\"", min_size=4, max_size=12)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.lists(SIGNS, min_size=1, max_size=3), st.lists(SIGNS | st.sampled_from(["0", "1", "2"]), max_size=12))
def test_what_is_left_holds_no_secret_and_doing_it_again_changes_nothing(values: list[str], parts: list[str]) -> None:
    scrub = learned(*values)
    text = "".join(values[int(one)] if one in {*map(str, range(len(values)))} else one for one in parts)
    left = scrub(text)
    assert scrub(left) == left
    assert not [value for value in values if len(value.strip()) >= 4 and value.strip() in left]


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.text(max_size=40), st.text(max_size=40))
def test_what_has_no_secret_in_it_stays_as_it_is(before: str, after: str) -> None:
    scrub = learned("token-0123456789")
    assert scrub(before) == before
    assert scrub(f"{before}token-0123456789{after}") == f"{before}***{after}"


def test_what_stands_for_a_secret_cannot_become_one() -> None:
    assert learned("abc*")("abcabcabcabc*") == "abcabcabc•••"
    assert learned("*****")("*" * 14) == "••••••****"


@pytest.mark.parametrize("text", ["a" * 100_000, "\\" * 100_000, "%25" * 30_000, "\n> " * 30_000, "&amp;" * 20_000])
def test_a_long_text_takes_time_in_proportion(text: str) -> None:
    """As a square it would be minutes."""
    scrub = learned("a" * 40, "\\" * 20, "token-0123456789")
    started = time.perf_counter()
    scrub(text)
    assert time.perf_counter() - started < 5


# -- of the environment -----------------------------------------------------------------------------------------------


def test_a_value_of_the_environment_that_is_only_a_word_stays() -> None:
    assert scrubber({"GITHUB_TOKEN": "token", "OPENAI_API_KEY": "sk-01234567"})("token sk-01234567") == "token ***"


def test_the_password_of_a_proxy_and_the_headers_of_a_collector_are_secrets() -> None:
    scrub = scrubber({"https_proxy": "http://me:hunter2hunter2@p", "OTEL_EXPORTER_OTLP_HEADERS": "a=0123456789,b=c"})
    assert scrub("hunter2hunter2 0123456789 c") == "*** *** c"


def test_the_password_of_a_proxy_is_taken_out_as_it_is_written_and_as_it_is_meant() -> None:
    scrub = scrubber({"HTTPS_PROXY": "http://me:open%40sesame@proxy.test:8080"})
    assert scrub("open%40sesame open@sesame") == "*** ***"


def test_a_proxy_that_is_no_address_is_taken_out_whole() -> None:
    assert scrubber({"HTTP_PROXY": "http://me:sesame@[proxy"})("no proxy http://me:sesame@[proxy") == "no proxy ***"


@pytest.mark.parametrize(
    "name",
    ["MY_TOKEN", "INPUT_GITHUB-TOKEN", "INPUT_TOKEN", "npm_config_//registry.test/:_authToken", "DB_PASSWORD",
     "PGPASSWD", "SSH_KEY_PASSPHRASE", "SERVICE_APIKEY", "SERVICE_API_KEY_2", "S3_SECRET_ACCESS_KEY",
     "DEPLOY_PRIVATE_KEY", "GOOGLE_CREDENTIALS", "GH_PAT", "clientSecret_SECRET", "STORAGE_ACCOUNT_KEY"],
)  # fmt: skip
def test_a_variable_whose_name_ends_as_a_secrets_does_holds_one(name: str) -> None:
    assert scrubber({name: "vAlue-0123"})("is vAlue-0123") == "is ***"


@pytest.mark.parametrize(
    "name",
    ["MAX_TOKENS", "MY_TOKEN_FILE", "AWS_ACCESS_KEY_ID", "ACTIONS_ID_TOKEN_REQUEST_URL", "TOKENIZER", "PATH", "COMPAT",
     "INPUT_MAX-TOKENS-BUDGET", "CACHE_KEY", "PASSWORD_RULES", "SECRETARY", "GITHUB_TOKEN_PERMISSIONS", "MONKEY"],
)  # fmt: skip
def test_a_variable_that_only_speaks_of_secrets_holds_none(name: str) -> None:
    assert scrubber({name: "vAlue-0123"})("is vAlue-0123") == "is vAlue-0123"


@pytest.mark.parametrize(
    "value",
    ["/run/secrets/token", "./conf/token.txt", "~/.config/token", "gha-creds-1.json", "C:\\keys\\one", "123456789012",
     "2026-01-02", "password", "Passphrase", "short"],
)  # fmt: skip
def test_what_is_plainly_something_else_is_no_secret_whatever_its_variable_is_called(value: str) -> None:
    assert scrubber({"SOME_TOKEN": value})(f"is {value}") == f"is {value}"


def test_what_the_providers_and_the_host_call_a_secret_is_one_whatever_it_looks_like() -> None:
    scrub = scrubber({"AWS_SECRET_ACCESS_KEY": "/abc/defghi", "GITHUB_TOKEN": "123456789012"})
    assert scrub("/abc/defghi 123456789012") == "*** ***"


def test_a_password_in_any_address_is_a_secret_but_not_one_that_everybody_has() -> None:
    scrub = scrubber(
        {
            "DATABASE_URL": "postgres://app:s3cr3t%40home@db:5432/app?x=1",
            "TEST_URL": "postgres://postgres:postgres@localhost/a mysql://root:password@localhost/b",
            "REPORT": "see amqp://queue:another-one@mq and https://host:8080/a@b",
        }
    )
    assert (
        scrub("s3cr3t%40home s3cr3t@home another-one postgres password 8080/a")
        == "*** *** *** postgres password 8080/a"
    )


def test_the_secrets_inside_a_key_that_is_json_are_known_by_their_names() -> None:
    key = {"type": "service_account", "private_key": "-----BEGIN-----\nMIIEvQIBADAN\n", "token_uri": "https://a.test/t"}
    scrub = scrubber({"GCP_CREDENTIALS": json.dumps(key)})
    assert scrub("MIIEvQIBADAN service_account https://a.test/t") == "*** service_account https://a.test/t"
    assert scrub(json.dumps(key, indent=2)) == "***"


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.text(st.sampled_from("ab \t\n\x1c\x1f\x85\xa0\u2003\u3000é…\ud800")))
def test_squeezed_is_without_all_that_is_white(text: str) -> None:
    assert squeezed(text) == "".join(text.split())


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.sets(st.text("ab", min_size=1, max_size=6)), st.text("ab", max_size=12))
def test_where_no_root_is_there_is_no_form(forms: set[str], text: str) -> None:
    roots = [*_roots(forms)]
    assert any(root in text for root in roots) == any(form in text for form in forms)
    assert not any(one in other for one in roots for other in roots if one != other)


def test_what_is_remembered_is_forgotten_when_there_is_more_to_take_out() -> None:
    scrub = learned("abc-123-xyz")
    assert scrub("abc-123-xyz and a-name-of-it") == "*** and a-name-of-it"
    scrub.learn(["a-name-of-it"])
    assert scrub("abc-123-xyz and a-name-of-it") == "*** and ***"


def test_a_name_is_looked_through_once_and_few_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = list[str]()
    scrub = learned("abc-123-xyz")
    original = scrub._found
    monkeypatch.setattr(scrub, "_found", lambda text: seen.append(text) or original(text))
    assert [scrub(text) for text in ("name", "name", "x" * (LONGEST_NAME + 1))] == ["name", "name", "x" * 81]
    assert seen == ["name", "x" * 81]
    assert [scrub(f"steps[{number}]") for number in range(3 * MOST_NAMES)][-1] == f"steps[{3 * MOST_NAMES - 1}]"
    assert len(scrub._names) <= MOST_NAMES
