"""The message with which every measured conversation begins."""

from __future__ import annotations

import json

BODY = json.dumps(
    {
        "type": "threads.create",
        "params": {
            "input": {
                "content": [{"type": "input_text", "text": "A house by a lake."}],
                "attachments": [],
                "quoted_text": None,
                "inference_options": {},
            }
        },
    }
).encode()
