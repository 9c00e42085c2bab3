"""Compare the name that a rail reports with the investor's verified name (COM-12). Pure; docs/adr says why so.

Both names are brought to one form first: without accents, case, punctuation and titles, in any order. Then

- the same words are the **same** name: “VARGA, Inês” is “Ines Varga”, “Halden Tidal Limited” is “Halden Tidal Ltd”;
- it is **unclear**, for a person to decide, where one name says less than the other and nothing else (“I. Varga”,
  “Ines Maria Varga”, “Ines and Bela Varga”), or where one word of five letters or more differs by one letter;
- everything else is an **other** name, and its money goes back.

A rail that tells no name tells nothing: that is **not_told**, and the payment counts.
"""

from __future__ import annotations

import re
import unicodedata

SAME, UNCLEAR, OTHER, NOT_TOLD = "same", "unclear", "other", "not_told"

#: Letters that no accent makes, as banks write them.
_LETTERS = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ı": "i"})
#: The other way to write what German and Nordic names carry.
_SPELT_OUT = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "å": "aa", "ø": "oe"})
_TITLES = frozenset({"mr", "mrs", "ms", "miss", "mx", "dr", "prof", "sir", "herr", "frau", "mme", "m"})
_FORMS = {
    "limited": "ltd", "incorporated": "inc", "company": "co", "corporation": "corp", "and": "",
    "the": "",
}
MIN_TYPO_LETTERS = 5


def words_of(name: str) -> tuple[str, ...]:
    """Return a name's words in one form, sorted; empty for a name without letters or digits."""
    bare = unicodedata.normalize("NFKD", name.casefold().translate(_LETTERS))
    bare = "".join(each for each in bare if not unicodedata.combining(each))
    # An apostrophe joins (O'Neill), other punctuation parts (Hartwell-Smith).
    words = re.findall(r"[^\W_]+", re.sub(r"['’`´]", "", bare))
    full = [_FORMS.get(word, word) for word in words]
    kept = [word for word in full if word and word not in _TITLES]
    return tuple(sorted(kept or words))


def compare(reported: str | None, verified: str) -> str:
    """Say whether a reported name is the verified one: ``same``, ``unclear``, ``other`` or ``not_told``."""
    if reported is None or not reported.strip():
        return NOT_TOLD
    told, known = words_of(reported), words_of(verified)
    if not told:
        return OTHER
    if told == known or "".join(told) == "".join(known) or not _spellings(reported).isdisjoint(_spellings(verified)):
        return SAME
    shorter, longer = sorted((told, known), key=lambda words: (len(words), "".join(words)))
    if _says_less(shorter, longer) or _differs_by_a_letter(told, known):
        return UNCLEAR
    return OTHER


def _spellings(name: str) -> frozenset[tuple[str, ...]]:
    whole = unicodedata.normalize("NFC", name.casefold())
    return frozenset({words_of(whole), words_of(whole.translate(_SPELT_OUT))})


def _says_less(shorter: tuple[str, ...], longer: tuple[str, ...]) -> bool:
    """Whether each word of one name is in the other, whole or by its initial, and one is whole and no initial."""
    left, whole = list(longer), False
    for word in sorted(shorter, key=len, reverse=True):
        if word in left:
            left.remove(word)
            whole = whole or len(word) > 1
            continue
        fitting = [each for each in left if each[0] == word[0] and 1 in (len(each), len(word))]
        if not fitting:
            return False
        left.remove(fitting[0])
    return whole


def _differs_by_a_letter(told: tuple[str, ...], known: tuple[str, ...]) -> bool:
    """Whether one long word is misspelt by one letter, two swapped included, and all others are the same."""
    only_told, only_known = list(told), list(known)
    for word in told:
        if word in only_known:
            only_told.remove(word)
            only_known.remove(word)
    if len(only_told) != 1 or len(only_known) != 1 or len(told) < 2:
        return False
    first, second = only_told[0], only_known[0]
    return min(len(first), len(second)) >= MIN_TYPO_LETTERS and _is_one_slip(first, second)


def _is_one_slip(first: str, second: str) -> bool:
    if len(first) == len(second):
        differing = [index for index in range(len(first)) if first[index] != second[index]]
        if len(differing) == 1:
            return True
        return len(differing) == 2 and differing[1] == differing[0] + 1 and (
            first[differing[0]] == second[differing[1]] and first[differing[1]] == second[differing[0]]
        )
    shorter, longer = sorted((first, second), key=len)
    if len(longer) != len(shorter) + 1:
        return False
    return any(longer[:index] + longer[index + 1 :] == shorter for index in range(len(longer)))
