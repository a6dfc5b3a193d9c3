"""What images and runs cost: by tokens, by image, as told, and not at all."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.core.checks import Error

from chatkit_images import checks, prices
from chatkit_images.models import GeneratedImage, Run, UseEntry
from chatkit_images.prices import Price, checked_prices
from chatkit_images.queries import costs, run_ends, use
from chatkit_images.testing import FailedImage, Image, Images, LoopbackAPI, Text, Usage
from tests.client import ChatClient, thread_id

WORDS = {"input_text": "1.00", "cached_input": "0.10", "output_text": "10"}
DRAWS = {"input_text": 5, "input_image": 8, "output_image": 30}
MODELS = {"gpt-4.1": WORDS, "gpt-image-1": DRAWS}
PRICES = {"currency": "USD", "models": MODELS, "image_model": "gpt-image-1"}
#: What one response's two images have used together, which two cannot share alike.
TWO = {
    "image_gen": {
        "input_tokens": 501,
        "input_tokens_details": {"image_tokens": 400, "text_tokens": 101},
        "output_tokens": 8321,
        "output_tokens_details": {"image_tokens": 8321, "text_tokens": 0},
        "total_tokens": 8822,
    }
}


@pytest.fixture(autouse=True)
def logged(monkeypatch: Any) -> None:
    monkeypatch.setattr("chatkit_images.prices.computing._logged", set())


def price(**kinds: Any) -> Price:
    return checked_prices({"currency": "USD", "models": {"m": kinds}}).models["m"]


def usage(read: Any, written: Any, **details: Any) -> dict[str, Any]:
    return {"input_tokens": read, "output_tokens": written, **details}


@pytest.mark.parametrize(
    "used, cost",
    [
        (usage(1000, 100), "0.002"),
        (usage(1000, 100, input_tokens_details={"cached_tokens": 400}), "0.00164"),
        (usage(0, 0), "0"),
        # What is no count, what one side lacks, more cached than there was.
        (usage("many", 1), None),
        (usage(True, 1), None),
        ({"output_tokens": 5}, None),
        ({}, None),
        (None, None),
        (usage(1, 1, input_tokens_details={"cached_tokens": 2}), None),
        (usage(1, 1, uncounted=1), None),
    ],
)
def test_tokens_of_words(used: Any, cost: str | None) -> None:
    found = prices.of_tokens(price(**WORDS), used)
    assert found == (None if cost is None else Decimal(cost))


@pytest.mark.parametrize(
    "used, cost",
    [
        (TWO["image_gen"], "0.253335"),
        # The output is not divided, and there is one price for it.
        (
            usage(
                10, 1000, input_tokens_details={"text_tokens": 10, "image_tokens": 0}
            ),
            "0.03005",
        ),
        # The input may be text or image, which cost differently.
        (usage(10, 1000), None),
        # There is no price for text that it writes.
        (usage(0, 7, output_tokens_details={"text_tokens": 7}), None),
    ],
)
def test_tokens_of_images(used: Any, cost: str | None) -> None:
    found = prices.of_image(price(**DRAWS), used)
    assert found == (None if cost is None else Decimal(cost))


@pytest.mark.parametrize(
    "cached, cost",
    [
        ({"cached_tokens": 50, "text_tokens": 100, "image_tokens": 0}, "0.00003"),
        ({"cached_tokens": 50, "text_tokens": 0, "image_tokens": 100}, "0.000045"),
        # Of which kind they were is not told.
        ({"cached_tokens": 50, "text_tokens": 50, "image_tokens": 50}, None),
        (
            {
                "cached_tokens": 50,
                "text_tokens": 50,
                "image_tokens": 50,
                "cached_tokens_details": {"text_tokens": 20, "image_tokens": 30},
            },
            "0.000037",
        ),
        (
            {
                "cached_tokens": 50,
                "text_tokens": 10,
                "image_tokens": 90,
                "cached_tokens_details": {"text_tokens": 50, "image_tokens": 0},
            },
            None,
        ),
    ],
)
def test_cached_tokens_cost_what_their_kind_costs(
    cached: dict[str, Any], cost: str | None
) -> None:
    # Cached text costs 0.1, text 0.5, a cached image 0.2, an image 0.7.
    kinds = {"input_text": "0.5", "input_image": "0.7", "output_image": 1}
    kinds |= {"cached_input": "0.1", "cached_image": "0.2"}
    found = prices.of_tokens(price(**kinds), usage(100, 0, input_tokens_details=cached))
    assert found == (None if cost is None else Decimal(cost))


@pytest.mark.parametrize(
    "each, cost",
    [
        ("0.04", "0.04"),
        ({"1024x1024": "0.05"}, "0.05"),
        ({"1024x1024": "0.05", "1024x1024 high": "0.2"}, "0.2"),
        ({"high": "0.3", "": "0.1"}, "0.3"),
        ({"512x512": "0.3"}, None),
    ],
)
def test_an_image_may_have_a_price_of_its_own(each: Any, cost: str | None) -> None:
    known = price(image=each)
    found = prices.of_image(known, {}, size="auto", quality="high", pixels=(1024, 1024))
    assert found == (None if cost is None else Decimal(cost))
    assert prices.of_image(known, {}, made=False) is None


def test_a_price_of_its_own_comes_on_top_of_tokens() -> None:
    known = price(image="0.04", input_text="1", output_text="1")
    assert prices.of_image(known, usage(500_000, 0)) == Decimal("0.54")
    assert prices.of_image(known, {}) is None
    assert prices.of_image(known, usage(500_000, 0), made=False) == Decimal("0.5")


@pytest.mark.parametrize(
    "name, there",
    [
        ("gpt-image-1", True),
        ("gpt-image-1-2025-04-23", True),
        ("gpt-image-1-20250423", True),
        ("gpt-image-1-mini", False),
        ("gpt-image-1.5", False),
        ("", False),
    ],
)
def test_a_dated_model_costs_what_the_model_costs(name: str, there: bool) -> None:
    found = prices.price_of(name, checked_prices(PRICES))
    assert (found is not None) == there


@pytest.mark.parametrize(
    "value, words",
    [
        ([], "prices are a dict"),
        ({"models": {}}, "currency must be a name"),
        ({"currency": "a long currency", "models": {}}, "currency must be a name"),
        ({"curency": "USD"}, "there is no key 'curency'"),
        ({"currency": "USD", "models": []}, "models must be a dict"),
        ({"currency": "USD", "image_model": 1}, "image_model must be a name"),
        ({"currency": "USD", "models": {"m": 1}}, "m: a model has a dict of prices"),
        ({"currency": "USD", "models": {1: WORDS}}, "named by a text"),
        ({"currency": "USD", "models": {"m": {"input": 1}}}, "no kind 'input'"),
        ({"currency": "USD", "models": {"m": {"input_text": "a"}}}, "be a number"),
        ({"currency": "USD", "models": {"m": {"input_text": True}}}, "be a number"),
        ({"currency": "USD", "models": {"m": {"input_text": -1}}}, "from 0 to"),
        ({"currency": "USD", "models": {"m": {"input_text": "NaN"}}}, "from 0 to"),
        ({"currency": "USD", "models": {"m": {"image": {1: 1}}}}, "a size and"),
    ],
)
def test_a_bad_price_is_an_error_of_check(
    settings: Any, value: Any, words: str
) -> None:
    settings.CHATKIT_IMAGES |= {"PRICES": value}
    (found,) = (m for m in checks.check_settings(None) if "PRICES" in m.msg)
    assert isinstance(found, Error) and found.id == "chatkit_images.E042"
    assert words in found.msg


def test_each_bad_model_is_told_and_good_prices_are_none(settings: Any) -> None:
    bad = {"a": {"x": 1}, "b": {"input_text": -1}, "c": WORDS}
    settings.CHATKIT_IMAGES |= {"PRICES": {"currency": "USD", "models": bad}}
    found = [m.id for m in checks.check_settings(None)]
    assert found.count("chatkit_images.E042") == 2
    settings.CHATKIT_IMAGES |= {"PRICES": {"currency": "", "models": MODELS}}
    found = [m.id for m in checks.check_settings(None)]
    assert found.count("chatkit_images.E042") == 1
    settings.CHATKIT_IMAGES |= {"PRICES": PRICES}
    assert "chatkit_images.E042" not in [m.id for m in checks.check_settings(None)]


@sync_to_async
def rows() -> tuple[Run, list[GeneratedImage]]:
    run = Run.objects.order_by("-created_at")[0]
    return run, list(run.images.order_by("created_at", "pk"))


@sync_to_async
def billed(name: str) -> Any:
    entries = UseEntry.objects.filter(kind="bill")
    return sum(entries.values_list(name, flat=True))


async def test_the_costs_of_a_run_add_up(
    chat: ChatClient, model: LoopbackAPI, settings: Any
) -> None:
    settings.CHATKIT_IMAGES |= {"PRICES": PRICES}
    drawn = Images(Image(), Image())
    model.respond_with(drawn, Text("Done."), Usage(1000, 100, tools=TWO))
    await chat.say("draw two")
    run, images = await rows()
    assert set(run.model_usage or {}) == {run.model}
    shares = [image.cost for image in images]
    # 250 or 251 tokens of input, 4,160 or 4,161 of output.
    assert all(share and share > Decimal("0.12") for share in shares)
    assert run.cost == sum(filter(None, shares)) + Decimal("0.002")
    said = (await sync_to_async(run_ends.note)(run)).payload["data"]
    assert said["cost"] == str(run.cost)
    assert [each["cost"] for each in said["images"]] == list(map(str, shares))
    assert await billed("cost") == run.cost
    assert await billed("tokens") == 8822 + 1100
    assert await billed("amount") == 2 and not await billed("unpriced")


async def test_what_has_no_price_has_no_cost(
    chat: ChatClient, model: LoopbackAPI, settings: Any
) -> None:
    only = PRICES | {"models": {"gpt-image-1": DRAWS}}
    settings.CHATKIT_IMAGES |= {"PRICES": only}
    model.respond_with(Image(), Usage(1000, 100, tools=TWO))
    await chat.say("draw")
    run, (image,) = await rows()
    assert image.cost == Decimal("0.253335") and image.priced_at
    assert run.cost is None
    # The ledger has what is known, and how much is not.
    assert await billed("cost") == image.cost and await billed("unpriced") == 1


@pytest.mark.parametrize(
    "value",
    [
        [],
        {"curency": "USD"},
        PRICES | {"models": MODELS | {"other": {"input_text": float("nan")}}},
    ],
)
async def test_wrong_prices_fail_no_run_and_are_logged_once(
    chat: ChatClient, model: LoopbackAPI, settings: Any, caplog: Any, value: Any
) -> None:
    settings.CHATKIT_IMAGES |= {"PRICES": value}
    for _ in range(2):
        model.respond_with(Image(), Usage(1000, 100, tools=TWO))
        await chat.say("draw")
        run, (image,) = await rows()
        assert (run.status, image.status) == ("completed", "completed")
        assert run.cost is None and image.cost is None
    assert await billed("amount") == 2 and await billed("unpriced") == 4
    assert await billed("cost") == 0
    said = [line for line in caplog.messages if "CHATKIT_IMAGES['PRICES']" in line]
    assert len(said) == 1 and said[0].startswith("There are no prices")


def test_a_cost_that_no_column_holds_is_unknown() -> None:
    most = price(input_text=10**6)
    assert prices.of_image(most, usage(10**8, 0)) is None
    assert prices.of_image(most, usage(99_999_999, 0)) == 99_999_999
    assert prices.total([Decimal(99_999_999), Decimal(1)]) is None


async def test_a_failed_image_costs_nothing_that_nobody_told(
    chat: ChatClient, model: LoopbackAPI, settings: Any
) -> None:
    settings.CHATKIT_IMAGES |= {"PRICES": PRICES}
    model.respond_with(FailedImage(), Usage(1000, 100))
    await chat.say("draw")
    run, (image,) = await rows()
    assert image.cost is None and run.cost == Decimal("0.002")
    reasons = UseEntry.objects.filter(kind="bill", amount=1)
    assert [row.reason async for row in reasons] == [image.reason]
    assert not await billed("unpriced")


@pytest.mark.django_db
def test_what_a_source_told_wins() -> None:
    told = GeneratedImage(
        status="completed", model="gpt-image-1", usage=TWO["image_gen"], cost=1
    )
    assert costs.cost_of(told, checked_prices(PRICES)) == 1


async def test_a_bill_may_be_written_again_and_survives_what_it_is_of(
    chat: ChatClient, model: LoopbackAPI, settings: Any
) -> None:
    settings.CHATKIT_IMAGES |= {"PRICES": PRICES}
    drawn = Images(Image(), Image())
    model.respond_with(drawn, Text("Done."), Usage(1000, 100, tools=TWO))
    key = thread_id(await chat.say("draw two"))
    run, images = await rows()
    before = await billed("cost")
    count = await UseEntry.objects.acount()
    again = sync_to_async(use.settle)
    await again(run.pk, ended=True)
    assert await UseEntry.objects.acount() == count
    # Prices have doubled.
    twice = {
        name: {kind: 2 * Decimal(each) for kind, each in kinds.items()}
        for name, kinds in MODELS.items()
    }
    settings.CHATKIT_IMAGES |= {"PRICES": PRICES | {"models": twice}}
    await again(run.pk, ended=True)
    assert await billed("cost") == 2 * before
    assert await billed("amount") == 2
    # An image that is deleted was paid all the same.
    await images[0].adelete()
    settings.CHATKIT_IMAGES |= {"PRICES": PRICES}
    await again(run.pk, ended=True)
    assert await billed("amount") == 2 and await billed("cost") == 2 * before
    await chat.call("threads.delete", thread_id=key)
    await again(run.pk, ended=True)
    assert await billed("amount") == 2 and await billed("cost") == 2 * before


async def test_what_processes_of_before_have_counted_is_not_counted_twice(
    chat: ChatClient, model: LoopbackAPI, settings: Any
) -> None:
    model.respond_with(Image(), Usage(600, 400))
    await chat.say("draw")
    run, _images = await rows()
    await UseEntry.objects.filter(kind="bill").adelete()
    await UseEntry.objects.filter(kind__in=["image", "tokens"]).aupdate(is_summed=True)
    await sync_to_async(use.settle)(run.pk, ended=True)
    assert await billed("amount") == 0 and await billed("tokens") == 0
    lines = UseEntry.objects.filter(kind="bill").order_by("model")
    by_model = [(row.model, row.amount, row.tokens) async for row in lines]
    # The image is of no model, and the tokens are of one now.
    assert by_model == [("", 0, -1000), ("gpt-4.1", 0, 1000)]
