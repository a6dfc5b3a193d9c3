"""An examination: class after class is looked for, counted and, if wanted, mended."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from django.db import Error

from .classes import CLASSES, named
from .drift import Drift, Finding, Look, Trouble, logger, silent

# How many findings of a class a report shows.
EXAMPLES = 5
# Version of what ``Report.to_json`` returns.
VERSION = 1


@dataclass
class Count:
    """What was found of a class.

    Attributes:
        found: How many.
        bytes: How many bytes they are about, as far as that is known.
        fixed: How many of them were mended.
        examples: The first ones.
    """

    found: int = 0
    bytes: int = 0
    fixed: int = 0
    examples: list[Finding] = field(default_factory=list)

    @property
    def left(self) -> int:
        """How many are as they were."""
        return self.found - self.fixed


@dataclass
class Report:
    """What an examination has found.

    Attributes:
        deep: Whether the bytes of files were read.
        counts: What was found, by class, in the order of the classes.
        troubles: What could not be looked at, or not be mended.
    """

    deep: bool
    counts: dict[str, Count] = field(default_factory=dict)
    troubles: list[Trouble] = field(default_factory=list)

    @property
    def left(self) -> int:
        """How much drift there is still."""
        return sum(count.left for count in self.counts.values())

    @property
    def exit_code(self) -> int:
        """Return 0 if all is well, 1 if there is drift, 2 if not all was looked at."""
        return 2 if self.troubles else 1 if self.left else 0

    def to_json(self) -> dict[str, Any]:
        """Return it as data for ``json.dumps``."""
        return {
            "version": VERSION,
            "deep": self.deep,
            "exit_code": self.exit_code,
            "classes": {
                name: {
                    "found": count.found,
                    "bytes": count.bytes,
                    "fixed": count.fixed,
                    "left": count.left,
                    "examples": [
                        {"what": each.what, "why": each.why, "bytes": each.bytes}
                        for each in count.examples
                    ],
                }
                for name, count in self.counts.items()
            },
            "errors": [
                {
                    "class": each.drift,
                    "what": each.what,
                    "error": f"{type(each.error).__name__}: {each.error}",
                }
                for each in self.troubles
            ],
        }


def examine(
    checks: Collection[str] | None = None,
    *,
    fixes: Collection[str] = (),
    deep: bool = False,
    force: bool = False,
    start: str = "",
    found: Callable[[Finding, bool], None] | None = None,
    progress: Callable[[str, int], None] | None = None,
    stopped: Callable[[str], None] | None = None,
) -> Report:
    """Look for drift, and mend it where that is wanted.

    Each finding is looked at once more, under lock, before it is mended: what a live
    site finishes in that moment is no drift. Whatever stops an examination, the next
    one finds what is left.

    Args:
        checks: Names of classes. Default: all.
        fixes: Names of classes to mend, which are looked for, too. ``"all"`` stands for
            all that is looked for, except what is mended only by its name.
        deep: Read the bytes of all files.
        force: Mend also if most files of a storage are lost or unknown.
        start: Where to begin: what ``stopped`` was told.
        found: Is told each finding, and whether it is mended.
        progress: Is told the class, and how many rows and files were looked at.
        stopped: Is told where to begin if something stops the examination.

    Returns:
        What was found, and what could not be looked at.

    Raises:
        ValueError: If there is no class of a name.
        Error: The database's own.
    """
    wanted, mended = _chosen(checks, fixes)
    report = Report(deep, {each.name: Count() for each in wanted})
    first, _, after = start.partition(":")
    if first:
        names = [each.name for each in wanted]
        if first not in names:
            raise ValueError(f"Nothing begins at {start!r}.")
        wanted = wanted[names.index(first) :]
    with Look(deep=deep, force=force, after=after, troubles=report.troubles) as look:
        try:
            for find in dict.fromkeys(each.find for each in wanted):
                group = [each.name for each in wanted if each.find is find]
                look.drift, look.done = group[0], 0
                if progress is not None:
                    look.progress = _telling(progress, group[0])
                _examine(find, group, mended, look, report, found)
                if look.after == after != "" and not report.troubles:
                    raise ValueError(f"Nothing begins at {start!r}.")
                after = ""
                look.after, look.progress = "", silent
        except ValueError:
            raise
        except BaseException:
            if stopped is not None:
                stopped(f"{look.drift}:{look.after}".rstrip(":"))
            raise
    return report


def fix(
    checks: Iterable[str],
    *,
    deep: bool = False,
    force: bool = False,
) -> Report:
    """Look for classes of drift and mend them; the rest is as for ``examine``."""
    names = list(checks)
    return examine(names, fixes=names, deep=deep, force=force)


def _examine(
    find: Callable[[Look], Iterable[Finding]],
    group: list[str],
    mended: set[str],
    look: Look,
    report: Report,
    found: Callable[[Finding, bool], None] | None,
) -> None:
    try:
        for finding in find(look):
            if finding.drift not in group:
                continue
            count = report.counts[finding.drift]
            count.found += 1
            count.bytes += finding.bytes
            if len(count.examples) < EXAMPLES:
                count.examples.append(replace(finding, mend=None))
            done = finding.drift in mended and _mend(finding, look)
            count.fixed += done
            if found is not None:
                found(finding, done)
    except Error:
        raise
    except Exception as error:
        logger.warning("The rest of %s is not looked at", look.drift, exc_info=True)
        report.troubles.append(Trouble(look.drift, "the rest of it", error))


def _mend(finding: Finding, look: Look) -> bool:
    if finding.mend is None:
        return False
    try:
        if not all(map(look.is_ours, sorted(finding.storages))):
            return False
        done = finding.mend()
    except Error:
        raise
    except Exception as error:
        look.fails(finding.what, error)
        return False
    if done:
        logger.info("The doctor has mended %s: %s", finding.drift, finding.what)
    return done


def _chosen(
    checks: Collection[str] | None, fixes: Collection[str]
) -> tuple[list[Drift], set[str]]:
    """Return which classes to look for, in their order, and which of them to mend."""
    mended = {each.name for each in named(set(fixes) - {"all"})}
    if checks is None and (not mended or "all" in fixes):
        wanted = {each.name for each in CLASSES}
    else:
        wanted = {each.name for each in named(checks or ())}
    wanted |= mended
    if "all" in fixes:
        mended |= {
            each.name for each in CLASSES if each.name in wanted and not each.is_chosen
        }
    return [each for each in CLASSES if each.name in wanted], mended


def _telling(progress: Callable[[str, int], None], name: str) -> Callable[[int], None]:
    return lambda done: progress(name, done)
