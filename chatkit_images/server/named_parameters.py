"""Which parameters of a request a refusal is about.

A provider's message may repeat a person's words, so a name in it says nothing by
itself. It counts in the field for it, or where a sentence about parameters begins the
message and has it in its place.
"""

from __future__ import annotations

import re

from ..failures import Failure

# What stands before the sentence: exceptions, gateways and parsers that hand it on. It
# is read in one way only: words of a person's may look like any number of them.
BEFORE = r"""(?>
    [\w.]*(?:Error|Exception)\b\W{1,4}
    | provider\ returned\ error\W{1,4}
    | invalid\ json\ payload\ received\.\ *
    | failed\ to\ deserialize\ the\ json\ body\ into\ the\ target\ type:\ *
    | json:\ *
    | [\w.]+(?:\(\))?\ got\ an[ ]
)*+"""
KIND = (
    r"(?:(?:request|keyword|body)\ )?"
    r"(?:parameter|argument|field|property|properties|key|name|option)(?:s|\(s\))?"
)
NAMES = r"""[\[("'`]*(?P<names>\w+(?:["'`]?,\ ?["'`]?\w+)*)\b"""
WRONG = (
    r"(?:extra\ inputs?\ (?:is|are)\ not\ permitted|(?:is|are|was|were)?\ ?(?:un\w+"
    r"|not\ (?:supported|allowed|permitted|recogni[sz]ed|known|(?:a\ )?valid)))\b"
)
SENTENCES = [
    re.compile(f"^{BEFORE}{sentence}", re.IGNORECASE | re.VERBOSE)
    for sentence in (
        rf"(?:un\w+|invalid|extraneous|disallowed)\ {KIND}"
        rf"(?:\ supplied|\ in\ object)?:?\ ?{NAMES}",
        rf"{KIND}\ (?:is\ )?not\ supported(?:\ [\w\ ]{{1,40}})?:\ ?{NAMES}",
        rf"(?:[\w.-]+\ ){{0,4}}(?:does\ not|doesn't)\ support\ (?:the\ )?{KIND}:?\ "
        rf"{NAMES}",
        rf"(?:the\ )?(?:{KIND}:?\ )?{NAMES}['\"`]?:?\ {WRONG}",
        rf"extra\ inputs\ are\ not\ permitted,\ field:\ {NAMES}",
        rf"additional\ properties\ are\ not\ allowed\ {NAMES}",
    )
]


def of(failure: Failure) -> set[str]:
    """Return the names of the parameters that are wrong, as a failure says."""
    found = set(re.findall(r"\w+", failure.param))
    for sentence in SENTENCES:
        if match := sentence.match(failure.message):
            found.update(re.findall(r"\w+", match["names"]))
    return found
