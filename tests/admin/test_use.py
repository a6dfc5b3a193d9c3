"""The page of use and cost: sums by day, person and model, limits, CSV, rights."""

from __future__ import annotations

import csv
import datetime
import re
from collections.abc import Callable
from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.db import OperationalError, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from chatkit_images.models import ALL, Run, Thread, UseEntry, UseSummary
from chatkit_images.queries import costs, sums
from tests import tenancy
from tests.test_prices import PRICES

from .paths import change, change_list, page

pytestmark = pytest.mark.django_db
PAGE = change_list(UseSummary)
DAY = datetime.date(2030, 5, 17)
MAY = {"period": "2030-05"}
EVIL = "=cmd|'<script>alert(1)</script>"


def bill(owner: str = "user:1", model: str = "gpt-image-1", **fields: Any) -> UseEntry:
    values = {"kind": "bill", "amount": 1, "day": DAY, "cost": Decimal("0.25")}
    values |= {"bytes": 1000, "tokens": 30, "input_tokens": 10, "output_tokens": 20}
    return UseEntry.objects.create(owner=owner, model=model, **values | fields)


def text_of(page: Any) -> str:
    words = re.sub(r"<[^>]*>", " ", page.content.decode())
    return " ".join(words.replace("&nbsp;", " ").replace("\xa0", " ").split())


def table(client: Client, name: str, **asked: str) -> list[dict[str, str]]:
    url = reverse("admin:chatkit_images_usesummary_csv", args=[name])
    answer = client.get(url, MAY | asked)
    assert answer["Content-Type"].startswith("text/csv")
    content = b"".join(answer.streaming_content).decode()  # type: ignore[attr-defined]
    return list(csv.DictReader(StringIO(content)))


@pytest.fixture
def priced(settings: Any) -> None:
    settings.CHATKIT_IMAGES |= {"PRICES": PRICES}


def test_an_empty_page_says_what_to_set(root: Client, settings: Any) -> None:
    words = text_of(root.get(PAGE))
    assert "Nothing was used in this period" in words
    assert 'Set CHATKIT_IMAGES["PRICES"]' in words
    settings.CHATKIT_IMAGES |= {"PRICES": PRICES}
    assert "There are no prices" not in text_of(root.get(PAGE))
    assert "Nothing was used that matches" in text_of(root.get(PAGE, {"owner": "x"}))


def test_sums_by_day_person_and_model(
    root: Client, priced: None, make_user: Callable[..., User]
) -> None:
    user = make_user(username="fox")
    UseEntry.objects.create(owner="team:1", kind="run", amount=1, day=DAY)
    for _ in range(3):
        bill(f"user:{user.pk}")
    bill("team:1", "gpt-4.1", day=DAY.replace(day=3), amount=0)
    bill("team:1", reason="refused", cost=0, bytes=0, unpriced=1)
    page = root.get(PAGE, MAY)
    context, words = page.context, text_of(page)
    assert (context["total"].cost, context["total"].images) == ("USD\xa01.00", "3")
    assert [line.name for line in context["days"]] == ["May 3", "May 17"]
    assert [line.name for line in context["persons"]] == ["fox", "team:1"]
    assert [line.name for line in context["models"]] == ["gpt-image-1", "gpt-4.1"]
    assert context["days"][1].failures == ["refused: 1"]
    assert "and 1 without a price" in words
    # One bar for each day, with a text for those who do not see it.
    assert page.content.count(b"<rect") == 31
    assert "The highest is USD 0.7500. The table below has all values." in words
    # A person's own.
    one = root.get(context["persons"][0].url.join([PAGE, ""]))
    assert one.context["total"].images == "3" and one.context["person"] == "fox"
    assert not one.context["persons"]
    assert "Images per day" in text_of(one) and "Limits of fox" in text_of(one)
    by_model = root.get(PAGE, MAY | {"model": "gpt-4.1"})
    assert by_model.context["total"].cost == "USD\xa00.2500"
    # A year has months, and the periods are offered.
    year = root.get(PAGE, {"period": "2030"})
    assert [line.name for line in year.context["days"]] == ["May 2030"]
    assert {"2030", "2030-05"} <= set(year.context["periods"])
    assert root.get(PAGE, {"period": "2030-99"}).context["report"].period.name != "2030"


def test_the_page_folds_some_and_says_what_it_lacks(
    root: Client, monkeypatch: Any
) -> None:
    monkeypatch.setattr(sums, "BATCH", 5)
    monkeypatch.setattr(sums, "OF_A_PAGE", 10)
    for _ in range(12):
        bill()
    page = root.get(PAGE, MAY)
    assert page.context["total"].images == "10"
    assert "Complete up to" in text_of(page)
    page = root.get(PAGE, MAY)
    assert page.context["total"].images == "12"
    assert "Complete up to" not in text_of(page)


def test_csv_has_all_lines_and_no_formulas(
    root: Client, priced: None, monkeypatch: Any
) -> None:
    monkeypatch.setattr("chatkit_images.reports.use.CHUNK", 2)
    for number in range(5):
        bill(f"team:{number}")
    bill(EVIL, EVIL, reason=EVIL, amount=2)
    bill("visitor:0123456789abcdef", cost=7)
    rows = table(root, "persons")
    assert len(rows) == 7
    owners = {row["owner"] for row in rows}
    assert f"'{EVIL}" in owners and EVIL not in owners
    # The key of a visitor is a secret.
    assert "visitor:0123456…" in owners
    assert {row["currency"] for row in rows} == {"USD"}
    (evil,) = (row for row in rows if row["owner"] == f"'{EVIL}")
    assert evil["failures"] == f"'{EVIL}: 2" and evil["failed"] == "2"
    (day,) = table(root, "days")
    assert (day["start"], day["images"], day["tokens"]) == ("2030-05-17", "6", "210")
    assert Decimal(day["cost"]) == Decimal("8.5")
    assert {row["model"] for row in table(root, "models")} == {
        "gpt-image-1",
        f"'{EVIL}",
    }
    assert len(table(root, "persons", owner="team:1")) == 1
    url = reverse("admin:chatkit_images_usesummary_csv", args=["nothing"])
    assert root.get(url).status_code == 404


async def test_csv_comes_in_pieces_under_asgi(
    transactional_db: None, admin_user: User, async_client: Any
) -> None:
    from asgiref.sync import sync_to_async

    await sync_to_async(bill)()
    await sync_to_async(sums.fold)()
    await async_client.aforce_login(admin_user)
    url = reverse("admin:chatkit_images_usesummary_csv", args=["days"])
    answer = await async_client.get(url, MAY)
    content = b"".join([piece async for piece in answer.streaming_content])
    assert content.count(b"\r\n") == 2


def test_texts_of_people_are_escaped(root: Client) -> None:
    bill(EVIL, EVIL, reason=EVIL)
    page = root.get(PAGE, MAY | {"owner": EVIL, "model": EVIL})
    assert page.status_code == 200 and page.context["total"]
    assert b"<script>alert" not in page.content
    page = root.get(PAGE, MAY)
    assert b"<script>alert" not in page.content


def test_a_visitor_is_in_no_address_and_whom_nobody_knows_has_no_page(
    root: Client,
) -> None:
    bill("visitor:0123456789abcdef")
    bill("")
    page = root.get(PAGE, MAY)
    assert b"0123456789abcdef" not in page.content
    visitor, gone = sorted(page.context["persons"], key=lambda line: not line.url)
    assert gone.name == "(deleted)"
    one = root.get(f"{PAGE}{visitor.url}")
    assert one.context["total"].images == "1"
    assert b"0123456789abcdef" not in one.content
    assert root.get(PAGE, {"person": "999999"}).status_code == 404
    assert root.get(PAGE, {"person": "x"}).status_code == 404


def test_limits_that_fail_are_told(root: Client, monkeypatch: Any) -> None:
    def fail(*_arguments: Any) -> Any:
        raise LookupError("no such plan")

    monkeypatch.setattr("chatkit_images.admin.use_page.left_of_owner", fail)
    bill()
    page = root.get(PAGE, MAY | {"owner": "user:1"})
    assert "The limits are unknown" in text_of(page)


def test_only_its_permission_opens_it(login: Callable[..., Client]) -> None:
    url = reverse("admin:chatkit_images_usesummary_csv", args=["days"])
    for names, status in ((["view_useentry"], 403), (["view_usesummary"], 200)):
        client = login(*names)
        assert client.get(PAGE).status_code == status
        assert client.get(url).status_code == status
    index = login("view_usesummary").get("/admin/chatkit_images/")
    assert f'href="{PAGE}"'.encode() in index.content


def test_whoever_narrows_gets_the_sums_of_the_rows_that_are_left(
    root: Client, priced: None, monkeypatch: Any
) -> None:
    bill("team:1")
    bill("team:2", reason="refused")
    user = User.objects.create(username="mia")
    bill("team:3", cost=9)
    bill(f"user:{user.pk}")
    sums.fold()
    person = MAY | {"owner": f"user:{user.pk}"}
    assert root.get(PAGE, person).context["person"] == "mia"
    kept = UseSummary.objects.filter(owner__in=["team:1", "team:2"])
    page = admin.site._registry[UseSummary]
    monkeypatch.setattr(page, "get_queryset", lambda _request: kept.all())
    seen = root.get(PAGE, MAY)
    assert seen.context["total"].cost == "USD\xa00.5000"
    assert seen.context["total"].failed == "1"
    assert [line.cost for line in seen.context["days"]] == ["USD\xa00.5000"]
    assert [line.cost for line in seen.context["models"]] == ["USD\xa00.5000"]
    assert len(seen.context["persons"]) == 2
    assert b"team:3" not in seen.content and "you may see" in text_of(seen)
    assert not root.get(PAGE, MAY | {"owner": "team:3"}).context["total"]
    assert root.get(PAGE, MAY | {"owner": ALL}).context["total"] is None
    assert len(table(root, "persons")) == 2
    # Nor is anything told of a person whose sums are left out.
    context = root.get(PAGE, person).context
    assert "mia" not in context["person"] and not context["limits"]


def test_statements_do_not_grow(root: Client) -> None:
    counts = []
    for size in (2, 80):
        for number in range(size):
            bill(f"user:{number}", f"model-{number % 9}")
        sums.fold()
        with CaptureQueriesContext(
            connection,
        ) as queries:
            page = root.get(PAGE, MAY)
        counts.append(len(queries))
    assert counts[0] == counts[1] < 25
    assert page.context["has_more_persons"] and len(page.context["persons"]) == 50


def test_the_page_of_a_thread_has_the_cost_of_its_runs(
    root: Client, priced: None, make_thread: Callable[..., Thread]
) -> None:
    thread = make_thread()
    assert costs.of_thread(thread.pk) is None
    for cost in ("0.25", None, "1"):
        Run.objects.create(
            thread=thread, owner=thread.owner, status="completed", cost=cost
        )
    assert "USD 1.25" in text_of(root.get(change(thread)))


def test_a_sum_has_a_page_and_nobody_changes_it(root: Client) -> None:
    bill()
    sums.fold()
    row = UseSummary.objects.filter(owner="user:1", model=ALL).earliest("pk")
    assert root.get(change(row)).status_code == 200
    assert root.post(change(row), {"images": 5}).status_code == 403
    assert root.get(page(row, "delete")).status_code == 403
    assert root.get(page(UseSummary, "add")).status_code == 403


def test_no_address_that_somebody_made_up_is_an_error(root: Client) -> None:
    bill()
    odd = [
        ("person", "9" * 5000),
        ("person", "9" * 30),
        ("owner", "\0"),
        ("model", "\0"),
    ]
    for name, said in odd:
        assert root.get(PAGE, {name: said}).status_code == 404, (name, said[:9])
    for said in ("0001", "0001-02", "9999-12"):
        assert root.get(PAGE, {"period": said}).context["asked"]["period"] == said


def test_what_cannot_be_folded_is_missing_and_the_page_is_there(
    root: Client, monkeypatch: Any
) -> None:
    bill()

    def refuse(most: int) -> None:
        raise OperationalError("database is locked")

    monkeypatch.setattr(sums, "fold", refuse)
    assert "Nothing was used in this period" in text_of(root.get(PAGE, MAY))
    assert table(root, "days") == []


def test_csv_is_read_for_the_tenant_of_its_request(root: Client, settings: Any) -> None:
    settings.CHATKIT_IMAGES |= {"CONTEXT": "tests.tenancy.TenantContext"}
    bill()
    url = reverse("admin:chatkit_images_usesummary_csv", args=["persons"])
    answer: Any = root.get(url, MAY, headers={"X-Tenant": "acme"})
    seen = set()

    def note(execute: Any, *rest: Any) -> Any:
        seen.add(tenancy.selected.name)
        return execute(*rest)

    with connection.execute_wrapper(note):
        assert b"user:1" in b"".join(answer.streaming_content)
    assert seen == {"acme"}
