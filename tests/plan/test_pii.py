"""What looks like personal data is taken out, what only resembles it stays, and no text takes long."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.plan.pii import redact, redact_data

# -- what is found ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "ann@example.com",
        "ann.lee+ci@mail.example.co.uk",
        "jörg_99@bücher.example",
        "a@xn--bcher-kva.example",
        "x%y@sub-domain.example.org",
        "12345@example.com",
    ],
)
def test_an_email_address_is_found(text: str) -> None:
    assert redact(text) == "[EMAIL]"
    assert redact(f"<{text}>, or mailto:{text}.") == "<[EMAIL]>, or mailto:[EMAIL]."


@pytest.mark.parametrize(
    ("text", "left"),
    [("ann@example.com.", "[EMAIL]."), ("ann@example.com-4", "[EMAIL]-4"), ("ann@example.com.2024", "[EMAIL].2024")],
)
def test_an_address_ends_with_its_host(text: str, left: str) -> None:
    assert redact(text) == left


@pytest.mark.parametrize(
    "text",
    [
        "+49 30 1234567",
        "+49 (0)30 1234567",
        "+4915112345678",
        "0049 151 12345678",
        "+1 415-555-2671",
        "+1 (415) 555-2671",
        "+14155552671",
        "+44 20 7946 0958",
        "+33 6 12 34 56 78",
        "+33.612.345.678",
        "+61 412 345 678",
        "+91 98765 43210",
        "(415) 555-2671",
        "415-555-2671",
        "415.555.2671",
        "1-415-555-2671",
        "415-555-2671 ext. 12",
        "415-555-2671x12",
        "06 12 34 56 78",
        "06.12.34.56.78",
        "0612345678",
        "020 7946 0958",
        "0161 496 0000",
        "07911 123456",
        "07911123456",
        "030 1234567",
        "030/1234567",
        "(030) 1234567",
        "0171 1234567",
        "01711234567",
    ],
)
def test_a_phone_number_is_found(text: str) -> None:
    assert redact(f"Call {text}, or tel:{text}!") == "Call [PHONE], or tel:[PHONE]!"


@pytest.mark.parametrize(
    "text",
    [
        "4111111111111111",
        "4111 1111 1111 1111",
        "4111-1111-1111-1111",
        "5555555555554444",
        "2223003122003222",
        "378282246310005",
        "3782 822463 10005",
        "3056 930902 5904",
        "6011111111111117",
        "3530111333300000",
    ],
)
def test_a_card_is_found_by_its_checksum(text: str) -> None:
    assert redact(f"card={text};") == "card=[CARD];"


@pytest.mark.parametrize("text", ["4111111111111112", "4111 1111 1111 1112", "1234567812345670", "0000000000000000"])
def test_a_number_without_the_checksum_or_prefix_of_a_card_stays(text: str) -> None:
    assert redact(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "DE89370400440532013000",
        "DE89 3704 0044 0532 0130 00",
        "de89 3704 0044 0532 0130 00",
        "GB29 NWBK 6016 1331 9268 19",
        "FR1420041010050500013M02606",
        "NO9386011117947",
        "CH93-0076-2011-6238-5295-7",
    ],
)
def test_an_account_is_found_by_its_checksum(text: str) -> None:
    assert redact(f"to {text} and more") == "to [IBAN] and more"


def test_a_number_beside_another_is_found_as_well() -> None:
    assert redact("AB12 DE89 3704 0044 0532 0130 00 GB29 NWBK 6016 1331 9268 19") == "AB12 [IBAN] [IBAN]"
    assert redact("1234 4111 1111 1111 1111") == "1234 [CARD]"
    assert redact("a@b.com@c.d.com") == "[EMAIL]@c.d.com"


def test_a_text_like_an_account_without_its_checksum_stays() -> None:
    assert redact("DE88370400440532013000 XX89370400440532013000") == "DE88370400440532013000 XX89370400440532013000"


def test_a_social_security_number_is_found() -> None:
    assert redact("SSN 219-09-9999.") == "SSN [SSN]."


@pytest.mark.parametrize("text", ["000-12-3456", "666-12-3456", "912-12-3456", "219-00-9999", "219-09-0000"])
def test_a_number_that_was_never_given_to_anybody_stays(text: str) -> None:
    assert redact(text) == text


# -- what only resembles it -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "1.2.3, 10.20.30 and 2024.11.23.1",
        "v4.15.0-rc.1+build.20241123",
        "2024-01-02T03:04:05.123456+02:00",
        "01/02/2024 10:30, 01-02-2024, 02.01.2024 and 2024-01-02 03:04",
        "+2024-01-02 in a diff, and +20240102030405",
        "@@ -120,14 +120,15 @@",
        "da39a3ee5e6b4b0d3255bfef95601890afd80709",
        "1234567890123456789012345678901234567890",
        "f81d4fae-7dec-11d0-a765-00a0c91e6bf6 and 12345678-0612-3456-7890-061234567890",
        "#4155552671 and owner/repo#1234567890",
        "192.168.100.200:8080, +192.168.100.200 and 2001:db8::1",
        "https://github.com/o/r/actions/runs/11984512345",
        "actions/checkout@v4.1.2 and lodash@4.17.21",
        "git@github.com:owner/repo.git",
        "logo@2x.png",
        "@decorator def f(a, b): return a @ b",
        "0.4111111111111111 and 3.0612345678",
        "1700000000 1700000000000 -rw-r--r-- 0755 644",
        "01 02 03 04 05",
        "+1 2 3 4 5 6 7 8 9 10",
        "1,234,567,890 bytes",
        "sha256:0612345678abcdef",
    ],
)
def test_what_a_repository_is_full_of_stays(text: str) -> None:
    assert redact(text) == text


# -- what holds for every text ----------------------------------------------------------------------------------------

PIECES = st.sampled_from(
    "a@b.com b.de 4111111111111111 4111-1111-1111-1111 +49301234567 0612345678 415-555-2671 219-09-9999 "
    "DE89370400440532013000 @ . - _ , : / # + ( ) x 0 00 1 [EMAIL] [CARD] com é ü.de 2024-01-02".split()
)
TEXTS = st.lists(PIECES | st.text(" \n\u20130123456789+-. ()@ab", max_size=6), max_size=12).map("".join) | st.text()


@given(TEXTS)
def test_what_was_redacted_once_stays_as_it_is(text: str) -> None:
    once = redact(text)
    assert redact(once) == once


@given(st.text("abc \n.,;é"), st.text("abc \n,;é"))
def test_nothing_around_it_is_touched(before: str, after: str) -> None:
    assert redact(f"{before} <ann@example.com> {after}") == f"{before} <[EMAIL]> {after}"


@given(st.recursive(st.none() | st.booleans() | st.integers() | TEXTS, lambda inner: st.lists(inner, max_size=3)
                    | st.dictionaries(TEXTS, inner, max_size=3)))  # fmt: skip
def test_data_stays_data_of_the_same_shape(value: Any) -> None:
    before = json.dumps(value)
    found = redact_data(value)
    assert redact_data(json.loads(json.dumps(found))) == found
    assert json.dumps(value) == before
    assert type(found) is type(value) or isinstance(value, int)


def test_names_of_properties_are_redacted_and_stay_apart() -> None:
    assert redact_data({"a@b.com": 1, "c@d.com": {"card": 4111111111111111}, "n": 7, "yes": True}) == {
        "[EMAIL]": 1,
        "[EMAIL] (2)": {"card": "[CARD]"},
        "n": 7,
        "yes": True,
    }


@pytest.mark.parametrize(
    "piece",
    ["a", "a@", "a.", "a@a.", "@", "-", "1", "1 ", "1-", "+1", "00", "(", "0 ", "06 ", "415-", "4111 ", "DE89 ", "a-",
     "A1", "DE8912345678", "+49 ", "é.", "a@b.1", "(0)", "+1(0)", "1.1."],
)  # fmt: skip
def test_two_hundred_thousand_characters_take_a_fraction_of_a_second(piece: str) -> None:
    """So a megabyte takes a second: a pattern that goes back and back would take minutes for this, too."""
    text = piece * (200_000 // len(piece))
    began = time.process_time()
    redact(text)
    redact(text[:-1] + "@")
    assert time.process_time() - began < 2  # two of them


@pytest.mark.parametrize("piece", ["0170 ", "(555) 555-5555", "a@b.com-", "0170 +49 170 1234567 ", "git@x.de.-"])
def test_what_hides_one_another_in_a_row_is_all_found_and_soon(piece: str) -> None:
    text = piece * (60_000 // len(piece))
    began = time.process_time()
    found = redact(text)
    assert time.process_time() - began < 3
    assert redact(found) == found
