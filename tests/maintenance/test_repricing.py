"""Costs computed again, and entries of the ledger folded into sums."""

from __future__ import annotations

import datetime
import json
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from io import StringIO
from itertools import product
from random import Random
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connection, connections, transaction
from django.utils import timezone

from chatkit_images.context import RequestContext
from chatkit_images.maintenance import apply_retention, sweep
from chatkit_images.models import (
    ALL,
    GeneratedImage,
    Run,
    Thread,
    UseEntry,
    UseSummary,
)
from chatkit_images.queries import sum_rows, sums, use

pytestmark = pytest.mark.django_db(transaction=True)
DAY = datetime.date(2030, 5, 17)
TOKENS = {"input_tokens": 1_000_000, "output_tokens": 0}
OWNERS = ("user:1", "user:2", "")


def price(settings: Any, each: str) -> None:
    models = {"draws": {"image": each}, "talks": {"input_text": "2", "output_text": 1}}
    prices = {"currency": "USD", "models": models}
    settings.CHATKIT_IMAGES = settings.CHATKIT_IMAGES | {"PRICES": prices}


def make_run(owner: str = "user:1", days: int = 0, **fields: Any) -> Run:
    """Return a run of two images and a failed one that has ended and is billed."""
    thread = Thread.objects.create(pk=f"thr_{uuid.uuid4().hex}", owner=owner)
    at = timezone.now() - datetime.timedelta(days=days)
    run = Run.objects.create(
        thread=thread,
        owner=owner,
        created_at=at,
        model="talks",
        usage=TOKENS,
        model_usage={"talks": TOKENS},
        **fields,
    )
    use.grant_run(run.pk, owner, "")
    for number in range(3):
        made = {"status": "completed", "file": "a.png", "bytes": 10}
        thread.images.create(
            run=run,
            call_id=f"ig_{number}",
            model="draws",
            created_at=at,
            **(made if number else {"status": "failed", "reason": "refused"}),
        )
    Run.objects.filter(pk=run.pk).update(status="completed")
    use.settle(run.pk, ended=True)
    run.refresh_from_db()
    return run


def command(*arguments: str) -> str:
    out = StringIO()
    call_command("chatkit_images_prices", *arguments, stdout=out)
    return out.getvalue()


def row(period: str = "day", owner: str = ALL, model: str = ALL) -> UseSummary:
    return UseSummary.objects.get(period=period, owner=owner, model=model)


def test_sums_have_runs_images_failures_bytes_tokens_and_money(settings: Any) -> None:
    price(settings, "0.25")
    make_run()
    make_run("user:2")
    assert sums.complete_until() is not None
    sums.fold()
    assert sums.complete_until() is None
    for period in ("day", "month", "year"):
        total, one = row(period), row(period, "user:1")
        assert (total.runs, one.runs) == (2, 1)
        assert (total.images, one.images, one.failed) == (4, 2, 1)
        assert one.failures == {"refused": 1} and total.failures == {"refused": 2}
        assert (one.bytes, one.tokens, one.input_tokens) == (20, 1_000_000, 1_000_000)
        assert total.cost == Decimal(5) and one.cost == Decimal("2.5")
        assert row(period, "user:1", "draws").cost == Decimal("0.5")
        assert row(period, ALL, "talks").cost == 4
        assert not total.unpriced
    count = UseSummary.objects.count()
    assert sums.fold() == 0 and UseSummary.objects.count() == count


def test_prices_that_change_change_rows_ledger_and_sums(settings: Any) -> None:
    price(settings, "0.25")
    old, run = make_run(days=10), make_run()
    alone = GeneratedImage.objects.create(
        thread=run.thread, status="completed", model="draws", call_id="alone"
    )
    told = GeneratedImage.objects.create(
        thread=run.thread, status="completed", model="draws", call_id="t", cost=7
    )
    price(settings, "1")
    since = str(timezone.now().date() - datetime.timedelta(days=5))
    planned = json.loads(command("--since", since, "--dry-run", "--json"))
    assert (planned["runs"], planned["changed_runs"]) == (1, 1)
    assert planned["changed_images"] == 1 and planned["dry_run"] is True
    run.refresh_from_db()
    assert run.cost == Decimal("2.5")
    done = json.loads(command("--since", since, "--json"))
    assert done == planned | {"dry_run": False}
    for each in (old, run, alone, told):
        each.refresh_from_db()
    assert (old.cost, run.cost, alone.cost, told.cost) == (Decimal("2.5"), 4, 1, 7)
    assert row("year", "user:1").cost == Decimal("6.5")
    # What has its cost is only read.
    again = json.loads(command("--since", since, "--json"))
    assert (again["runs"], again["changed_runs"]) == (1, 0)
    assert row("year").cost == Decimal("6.5")
    assert "Changed 1 of 1 runs" in command("--since", "2020-01-01", "--until", since)


def test_a_run_that_has_lost_an_image_keeps_its_cost(settings: Any) -> None:
    price(settings, "0.25")
    run = make_run()
    run.images.filter(status="completed")[0].delete()
    price(settings, "1")
    assert "1 runs keep their cost" in command("--since", "2020-01-01")
    run.refresh_from_db()
    assert run.cost == Decimal("2.5") and row().cost == Decimal("2.5")


def test_bad_options_and_prices_are_told(settings: Any) -> None:
    since = "--since=2026-11-01"
    with pytest.raises(CommandError, match="must be a day after --since"):
        call_command("chatkit_images_prices", since, "--until=2026-11-01")
    for zone in ("Europe/Berlin", "America/New_York"):
        settings.TIME_ZONE = zone
        # The first and the last moment of all have no other zone.
        ends = ("--since=0001-01-01", "--until=9999-12-31")
        call_command("chatkit_images_prices", *ends, stdout=StringIO())
    with pytest.raises(CommandError, match="is no day"):
        call_command("chatkit_images_prices", "--since", "May")
    settings.CHATKIT_IMAGES = settings.CHATKIT_IMAGES | {"PRICES": {"a": 1}}
    with pytest.raises(CommandError, match="there is no key 'a'"):
        command("--since", "2020-01-01")
    settings.CHATKIT_IMAGES = settings.CHATKIT_IMAGES | {"PRICES": []}
    with pytest.raises(CommandError, match="must be a dict"):
        command("--since", "2020-01-01")


def entries(count: int) -> None:
    UseEntry.objects.bulk_create(
        UseEntry(
            owner=OWNERS[number % 3],
            day=DAY + datetime.timedelta(days=number % 2),
            kind="bill",
            amount=1,
            model=("a", "b")[number % 2],
            reason=("", "refused")[number % 5 == 0],
            run_id=uuid.uuid4(),
            cost=Decimal("0.5"),
        )
        for number in range(count)
    )


def check(count: int) -> None:
    total = row("year")
    failed = len(range(0, count, 5))
    assert (total.images, total.failed) == (count - failed, failed)
    assert total.cost == Decimal("0.5") * count
    for names in ("owner", "model"):
        rows = UseSummary.objects.filter(period="year", **{f"{names}": ALL})
        rows = rows.exclude(owner=ALL, model=ALL)
        assert sum(rows.values_list("cost", flat=True)) == total.cost
    days = UseSummary.objects.filter(period="day", owner=ALL, model=ALL)
    assert sum(days.values_list("images", flat=True)) == total.images


def test_what_is_called_like_the_sums_of_all_counts_once(settings: Any) -> None:
    """A gateway may call its model anything."""
    for owner, model in ((ALL, ALL), ("user:1", ALL), ("user:1", "draws")):
        UseEntry.objects.create(
            owner=owner, model=model, kind="bill", amount=1, day=DAY, cost=1
        )
    sums.fold()
    assert UseSummary.objects.get(period="day", owner=ALL, model=ALL).cost == 3
    assert UseSummary.objects.get(period="day", owner="user:1", model=ALL).cost == 2


def test_each_entry_is_folded_once_whoever_folds(monkeypatch: Any) -> None:
    monkeypatch.setattr(sums, "BATCH", 7)
    entries(100)

    def work(_number: int) -> int:
        try:
            return sums.fold()
        finally:
            connections.close_all()

    if connection.vendor == "sqlite":
        # Its tests are on one connection, which threads share in turn.
        done = [sums.fold(14), sums.fold()]
    else:
        with ThreadPoolExecutor(3) as pool:
            done = list(pool.map(work, range(3)))
    assert sum(done) == 100
    check(100)


def test_sums_are_exactly_what_the_entries_say(monkeypatch: Any) -> None:
    monkeypatch.setattr(sums, "BATCH", 40)
    dice, made = Random(7), []
    for number in range(400):
        kind = dice.choice(["bill"] * 6 + ["run", "tokens", "image", "upload"])
        made.append(
            UseEntry(
                owner=dice.choice(OWNERS),
                day=DAY + datetime.timedelta(days=dice.randrange(400)),
                kind=kind,
                amount=dice.choice([1, 2, -1]),
                model=dice.choice(["a", "A", ""]),
                reason=dice.choice(["", "", "refused", "quota"]),
                # A number that is not decimal has no tenth.
                cost=Decimal(dice.randrange(1, 10**9)) / 10**6,
                bytes=dice.randrange(10**12),
                tokens=number,
            )
        )
    UseEntry.objects.bulk_create(made)
    assert sums.fold() == len(made)
    for owner, model in product((*OWNERS, ALL), ("a", "A", "", ALL)):
        own = [
            each
            for each in made
            if owner in (each.owner, ALL)
            and (model == ALL or (each.model == model and each.kind != "run"))
        ]
        bills = [each for each in own if each.kind in ("bill", "upload")]
        failed = Counter[str]()
        for each in bills:
            failed[each.reason] += each.amount if each.reason else 0
        for period in ("day", "month", "year"):
            rows = UseSummary.objects.filter(period=period, owner=owner, model=model)
            assert sum(r.cost for r in rows) == sum(each.cost for each in bills)
            assert sum(r.bytes for r in rows) == sum(each.bytes for each in bills)
            assert sum(r.failed for r in rows) == sum(failed.values())
            assert sum(r.images for r in rows) == sum(
                each.amount
                for each in own
                if each.kind == "image" or (each in bills and not each.reason)
            )
            assert sum(r.runs for r in rows) == sum(
                each.amount for each in own if each.kind == "run"
            )
            assert sum(r.tokens for r in rows) == sum(
                each.amount if each.kind == "tokens" else each.tokens
                for each in own
                if each.kind not in ("run", "image")
            )
            reasons = Counter[str]()
            for each in rows:
                reasons.update(each.failures)
            assert +reasons == +failed and -reasons == -failed


def test_entries_that_wait_are_found_without_reading_the_others() -> None:
    if connection.vendor != "sqlite":
        pytest.skip("only SQLite counts its steps")
    entries(300)
    sums.fold()
    taken = 0

    def step() -> None:
        nonlocal taken
        taken += 1

    connection.connection.set_progress_handler(step, 1)
    assert sums.complete_until() is None
    connection.connection.set_progress_handler(None, 1)
    assert taken < 100


def test_a_fold_that_is_killed_loses_and_doubles_nothing(monkeypatch: Any) -> None:
    monkeypatch.setattr(sums, "BATCH", 10)
    entries(60)
    add, calls = sum_rows.add, Counter[str]()

    def dying(changes: Any) -> None:
        add(changes)
        calls["batches"] += 1
        if calls["batches"] in (2, 3):
            raise KeyboardInterrupt

    monkeypatch.setattr(sum_rows, "add", dying)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            sums.fold()
    assert UseEntry.objects.filter(is_summed=False).count() == 50
    sums.fold()
    check(60)


def test_the_sweep_folds_what_waits_and_retention_does_first(settings: Any) -> None:
    entries(20)
    assert sweep(dry_run=True)["entries in no sum"] == 20
    assert sweep()["entries in no sum"] == 20
    check(20)
    entries(20)
    old = timezone.now() - datetime.timedelta(days=100)
    UseEntry.objects.update(created_at=old, day=DAY - datetime.timedelta(days=9999))
    keep = {"USE_ENTRIES": 7, "USE_SUMS": 7}
    settings.CHATKIT_IMAGES = settings.CHATKIT_IMAGES | {"RETENTION": keep}
    UseSummary.objects.filter(owner="user:1").update(updated_at=old)
    report = apply_retention()
    assert report.kinds["USE_ENTRIES"].rows == 40
    # The sums of persons go, those of all and of nobody stay.
    assert report.kinds["USE_SUMS"].rows > 0
    assert not UseSummary.objects.filter(owner="user:1", start__year=2030).exists()
    images = UseSummary.objects.filter(period="year", owner=ALL, model=ALL)
    assert sum(images.values_list("images", flat=True)) == 32


def test_the_sums_of_a_visitor_move_and_those_of_the_deleted_are_nobodys(
    ann: User,
) -> None:
    context = RequestContext.for_user(ann)
    make_run("visitor:1")
    sums.fold()
    make_run("visitor:1")
    with transaction.atomic():
        use.move("visitor:1", context.owner)
    sums.fold()
    assert row("day", context.owner).images == 4
    assert not UseSummary.objects.for_owner("visitor:1").exists()
    make_run(context.owner)
    Thread.objects.all().delete()
    ann.delete()
    sums.fold()
    assert row("day", "").images == 6 == row().images
    assert not UseSummary.objects.for_owner(context.owner).exists()
