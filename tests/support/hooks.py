"""Deliveries to hooks, signed as their senders sign them: by hand, and by nothing of the server."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from uuid import uuid4


def github(
    secret: str, body: bytes, *, event: str = "push", delivery: str | None = None
) -> dict[str, str]:
    """Return the headers of GitHub's delivery of a body."""
    digest = hmac.new(secret.encode(), body, "sha256").hexdigest()
    return {
        "Content-Type": "application/json",
        "X-GitHub-Event": event,
        "X-GitHub-Delivery": delivery or str(uuid4()),
        "X-Hub-Signature-256": f"sha256={digest}",
    }


def gitlab(
    secret: str, _body: bytes, *, event: str = "Push Hook", delivery: str | None = None
) -> dict[str, str]:
    """Return the headers of GitLab's."""
    return {
        "Content-Type": "application/json",
        "X-Gitlab-Event": event,
        "X-Gitlab-Event-UUID": delivery or str(uuid4()),
        "X-Gitlab-Token": secret,
    }


def standard(
    secret: str, body: bytes, *, delivery: str | None = None, at: float | None = None
) -> dict[str, str]:
    """Return the headers of a sender of Standard Webhooks."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    name, moment = delivery or f"msg_{uuid4().hex}", str(int(time.time() if at is None else at))
    signed = b".".join([name.encode(), moment.encode(), body])
    digest = base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
    return {
        "Content-Type": "application/json",
        "webhook-id": name,
        "webhook-timestamp": moment,
        "webhook-signature": f"v1,{digest}",
    }


def as_body(document: Mapping[str, object]) -> bytes:
    """Return a document as a sender writes it: not as we would."""
    return json.dumps(document, indent=3, sort_keys=True).encode()
