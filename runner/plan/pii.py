"""Personal data taken out of a text by what it looks like: addresses, numbers of phones, cards, accounts, persons.

Patterns and checksums, not proof: a name is not found, nor what is spelled in a way that nobody foresaw. Pure, and in
linear time: every quantifier is bounded or possessive, and no run of characters is read from more than one start.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any, Final

_BEFORE: Final = r"(?<![^\W_])"
_AFTER: Final = r"(?![^\W_])"

# The name, and everything that may be the host: how much of it is one is decided below.
_EMAIL: Final = re.compile(r"(?<![\w.%+-])([\w.%+-]++)@((?:[^\W_]|-)++(?:\.(?:[^\W_]|-)++)++)")
_TOP_LEVEL: Final = re.compile(r"xn--[A-Za-z0-9-]+|[^\W\d_]{2,}(?=-|$)")
_SCALED_IMAGE: Final = re.compile(r"[1-9]x\.(?:png|jpe?g|gif|webp|svg|avif)", re.IGNORECASE)

_IBAN: Final = re.compile(_BEFORE + r"([A-Za-z]{2})[0-9]{2}(?:[ -]?[A-Za-z0-9]){11,29}")
_IBAN_LENGTHS: Final[Mapping[str, int]] = {
    country: length
    for length, countries in {
        15: "NO", 16: "BE BI", 18: "DK FI FK FO GL NL SD", 19: "MK SI", 20: "AT BA EE KZ LT LU MN XK",
        21: "CH HR LI LV", 22: "BG BH CR DE GB GE IE ME RS VG VA", 23: "AE GI IL IQ OM SO TL",
        24: "AD CZ ES MD PK RO SA SE SK TN", 25: "LY PT ST", 26: "IS TR", 27: "BI DJ FR GR IT MC MR SM",
        28: "AL AZ BY CY DO GT HU LB NI PL SV", 29: "BR EG PS QA UA", 30: "JO KW MU YE", 31: "MT SC",
        32: "LC", 33: "RU",
    }.items()
    for country in countries.split()
}  # fmt: skip

_CARD: Final = re.compile(
    _BEFORE + r"(?<![0-9][.,])"
    r"(?:[0-9]{4}([ -]?)[0-9]{4}\1[0-9]{4}\1[0-9]{2,4}(?:\1[0-9]{1,3})?|3[0-9]{3}([ -])[0-9]{6}\2[0-9]{4,5})"
    r"(?![.,]?[0-9])" + _AFTER
)
_CARD_PREFIX: Final = re.compile(r"4|5[1-5]|2(?:22[1-9]|2[3-9]|[3-6]|7[01]|720)|3[4-7]|30|38|6011|65|64[4-9]")

_SSN: Final = re.compile(r"(?<![^\W_])(?<![^\W_]-)(?!000|666|9)[0-9]{3}-(?!00)[0-9]{2}-(?!0000)[0-9]{4}(?!-?[^\W_])")

# Not inside a longer number, a version, an identifier with hyphens, nor behind the sign of an issue.
_PHONE_BEFORE: Final = r"(?<![^\W_])(?<![^\W_][-/])(?<![0-9][.:,])(?<!#)"
_PHONE_AFTER: Final = r"(?![-.:/]?[^\W_])(?!,[0-9])"
_INTERNATIONAL: Final = re.compile(
    r"(?:(?<![^\W_])\+|" + _PHONE_BEFORE + r"00)[ ]?([1-9](?:(?:\(0\)|[ ./()-]){0,2}[0-9]){7,16})" + _PHONE_AFTER
)
_NATIONAL: Final = re.compile(
    _PHONE_BEFORE + r"(?:"
    # North America, with its area in parentheses or not, and perhaps an extension.
    r"(?:1[ .-])?(?:\([2-9][0-9]{2}\)[ -]?|[2-9][0-9]{2}([ .-]))[2-9][0-9]{2}(?(1)\1|[ .-])[0-9]{4}"
    r"(?:[ ]?(?:x|ext\.?)[ ]?[0-9]{1,5})?"
    # Pairs behind a zero.
    r"|0[1-9]([ .-])[0-9]{2}(?:\2[0-9]{2}){3}"
    # An area, and the number in one to three groups.
    r"|\((?:0[1-9][0-9]{1,3})\)[ -]?[0-9]{3,8}(?:[ -][0-9]{2,8}){0,2}"
    r"|0[1-9][0-9]{1,3}(?:[ -]|[ ]?/[ ]?)[0-9]{3,8}(?:[ -][0-9]{2,8}){0,2}"
    # Mobile numbers without a gap.
    r"|0(?:[67][0-9]{8}|7[0-9]{9}|1[567][0-9]{8,9})"
    r")" + _PHONE_AFTER
)
_CALLING_CODE: Final = re.compile(
    r"[17]|2(?:0|7|[1-689][0-9])|3(?:[0-469]|[578][0-9])|4(?:[013-9]|2[0-9])|5(?:[1-8]|[09][0-9])|6(?:[0-6]|[7-9][0-9])"
    r"|8(?:[1246]|[058][0-9])|9(?:[0-58]|[679][0-9])"
)
_DATE: Final = re.compile(r"(?:19|20)[0-9]{2}([-./ ]?)(?:0[1-9]|1[0-2])\1(?:0[1-9]|[12][0-9]|3[01])")


_WITHOUT_GAPS: Final = str.maketrans("", "", " -")
_AS_DIGITS: Final = {ord(letter): str(int(letter, 36)) for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"}
_DOUBLED: Final = str.maketrans("0123456789", "0246813579")


_MARK: Final = re.compile(r"\[(?:EMAIL|IBAN|CARD|SSN|PHONE)\]")
_PASSES: Final = 3
_REACH: Final = 160
"""Characters; no number that is looked for is as long, with all the gaps in it."""


def redact(text: str) -> str:
    """The text with `[EMAIL]`, `[IBAN]`, `[CARD]`, `[SSN]` and `[PHONE]` where such things were."""
    for _ in range(_PASSES):  # what was taken out may have hidden where its neighbour begins
        if (found := _once(text)) == text:
            return text
        text = found
    return _around_marks(text)


def _around_marks(text: str) -> str:
    """The text when nothing more is found. What hides one another in a row would take a pass each, so it is looked
    around what was taken out, from the end on, and nowhere else."""
    places = [mark.start() for mark in _MARK.finditer(text)]
    while places:
        at = places.pop()
        if (found := _near(text, at)) is None:
            continue
        start, end, name = found
        text = f"{text[:start]}{name}{text[end:]}"
        if start < at:
            at += len(name) - (end - start)
        while places and places[-1] > start:  # what is around these is around one of the next two
            places.pop()
        places += sorted((start, at))
    return text


def _near(text: str, place: int) -> tuple[int, int, str] | None:
    """The first thing that ends before a mark or begins behind it: its start, its end, what it is."""
    last = text.index("]", place) + 3
    for name, pattern, length in _RULES:
        at = max(0, place - _REACH)
        while (near := pattern.search(text, at, last + _REACH)) and near.start() <= last:
            whole = pattern.match(text, near.start())
            if whole and (taken := length(whole)):
                return whole.start(), whole.start() + taken, name
            at = near.start() + 1
    return None


def _once(text: str) -> str:
    for name, pattern, length in _RULES:
        parts, behind, at = [], 0, 0
        while match := pattern.search(text, at):
            if taken := length(match):
                at = match.start() + taken
                parts += [text[behind : match.start()], name]
                behind = at
            else:
                at = match.start() + 1
        if parts:
            text = "".join([*parts, text[behind:]])
    return text


def redact_data(value: Any) -> Any:
    """JSON data with every text in it redacted, names of properties too; a number that is one of a card is a text
    then. Returns new data, and leaves what it was given as it is."""
    match value:
        case str():
            return redact(value)
        case dict():
            return _distinct((redact(str(name)), redact_data(inner)) for name, inner in value.items())
        case list() | tuple():
            return [redact_data(inner) for inner in value]
        case int() | float() if not isinstance(value, bool):
            found = redact(str(value))
            return value if found == str(value) else found
    return value


def _distinct(pairs: Any) -> dict[str, Any]:
    """Properties that were told apart by what was taken out of their names stay apart."""
    found: dict[str, Any] = {}
    for name, value in pairs:
        number, unique = 2, name
        while unique in found:
            number, unique = number + 1, f"{name} ({number})"
        found[unique] = value
    return found


# Each of these tells how many characters of a match are what was looked for; 0 where none are.


def _email(match: re.Match[str]) -> int:
    labels = match[2].split(".")
    if match[1] == "git" or _SCALED_IMAGE.fullmatch(match[2]):
        return 0  # where a repository is cloned from; a picture of twice the size
    for last in range(len(labels) - 1, 0, -1):
        if top := _TOP_LEVEL.match(labels[last]):
            return len(f"{match[1]}@{'.'.join(labels[:last])}.{top[0]}")
    return 0


def _iban(match: re.Match[str]) -> int:
    length = _IBAN_LENGTHS.get(match[1].upper(), 0)
    account = match[0].translate(_WITHOUT_GAPS)
    if not 0 < length <= len(account) or int((account[4:length] + account[:4]).upper().translate(_AS_DIGITS)) % 97 != 1:
        return 0
    ends = [end for end, one in enumerate(match[0], 1) if one not in " -"]
    end = ends[length - 1]
    following = match.string[match.start() + end : match.start() + end + 1]
    return 0 if following.isalnum() else end


def _card(match: re.Match[str]) -> int:
    digits = match[0].translate(_WITHOUT_GAPS)
    return len(match[0]) if _CARD_PREFIX.match(digits) and _luhn(digits) else 0


def _luhn(digits: str) -> bool:
    return sum(map(int, digits[::-2] + digits[-2::-2].translate(_DOUBLED))) % 10 == 0


def _ssn(match: re.Match[str]) -> int:
    return len(match[0])


def _international(match: re.Match[str]) -> int:
    told = match[1].replace("(0)", "")
    groups = re.findall("[0-9]+", told)
    number = "".join(groups)
    least, most = (11, 11) if number[0] in "17" else (9, 15)
    plausible = (
        least <= len(number) <= most
        and _CALLING_CODE.match(number)
        and all(len(group) > 1 for group in groups[2:])
        and not _DATE.match(told)
        and not _is_address(told)
    )
    return len(match[0]) if plausible else 0


def _is_address(told: str) -> bool:
    numbers = re.fullmatch(r"([0-9]{1,3})\.([0-9]{1,3})\.([0-9]{1,3})\.([0-9]{1,3})", told)
    return numbers is not None and all(int(one) < 256 for one in numbers.groups())


def _national(match: re.Match[str]) -> int:
    groups = re.findall("[0-9]+", re.split("[xe]", match[0])[0])
    counting = len(groups) == 5 and all(int(later) == int(earlier) + 1 for earlier, later in pairwise(groups))
    return len(match[0]) if 9 <= len("".join(groups)) <= 12 and not counting else 0


_RULES: Final[tuple[tuple[str, re.Pattern[str], Callable[[re.Match[str]], int]], ...]] = (
    ("[EMAIL]", _EMAIL, _email),
    ("[IBAN]", _IBAN, _iban),
    ("[CARD]", _CARD, _card),
    ("[SSN]", _SSN, _ssn),
    ("[PHONE]", _INTERNATIONAL, _international),
    ("[PHONE]", _NATIONAL, _national),
)
