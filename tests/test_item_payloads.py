from __future__ import annotations

from chatkit import types

from chatkit_images.queries import item_payloads
from chatkit_images.testing.contracts import T0


def test_numbers_that_json_lacks_become_null() -> None:
    item = types.ClientToolCallItem(
        id="tc_1",
        thread_id="thr_1",
        created_at=T0,
        call_id="call_1",
        name="pick",
        arguments={"nan": float("nan"), "far": float("inf"), "n": 1.5},
    )
    payload = item_payloads.of_item(item, "user:1", lambda call_id, text: None)
    assert payload["arguments"] == {"nan": None, "far": None, "n": 1.5}
