#!/usr/bin/env python3
"""Checks webhooks that receiver.py logged with the `standardwebhooks` library, as a customer would.

    verify_webhook.py REQUESTS_JSONL SECRET

Prints one line a webhook; its status is 0 only when there is at least one and all are genuine.
"""

import base64
import json
import sys

from standardwebhooks.webhooks import Webhook


def main():
    log, secret = sys.argv[1:]
    webhooks = 0
    with open(log, encoding="utf-8") as lines:
        for entry in map(json.loads, lines):
            if entry["method"] != "POST" or "webhook-id" not in entry["headers"]:
                continue
            event = Webhook(secret).verify(base64.b64decode(entry["body_base64"]), entry["headers"])
            print(f"genuine: {event['type']} {entry['headers']['webhook-id']}")
            webhooks += 1
    if webhooks == 0:
        sys.exit("no webhook in the log")


if __name__ == "__main__":
    main()
