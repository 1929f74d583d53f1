"""Notifications: whom they go to, what they tell of, and what became of them. Pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID


class TargetType(StrEnum):
    """How a target is told."""

    WEBHOOK = "webhook"
    APPRISE = "apprise"


class NotificationState(StrEnum):
    """What became of a notification."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    GIVEN_UP = "given_up"


@dataclass(frozen=True, slots=True, kw_only=True)
class Telling:
    """Targets that are to be told of an occasion: of a run of a command, or of none."""

    command_id: UUID
    run_id: UUID | None
    occasion: str
    targets: Sequence[str]
    details: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where notifications are sent to; commands name it by its name.

    `url` and `secret`, which signs a webhook's messages, are shown to nobody: whoever has them may
    send there.
    """

    id: UUID
    name: str
    type: TargetType
    url: str
    secret: str | None
    created_at: datetime
    created_by: str
    updated_at: datetime

    @property
    def address(self) -> str:
        """The scheme and, of a webhook, the host of its URL: what of it may be shown."""
        scheme, _, rest = self.url.partition("://")
        if self.type is not TargetType.WEBHOOK:
            return f"{scheme}://…"
        host = re.split("[/?#]", rest, maxsplit=1)[0].rpartition("@")[2]
        return f"{scheme}://{host}/…"


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetChange:
    """What to change of a target: what is None stays."""

    name: str | None = None
    url: str | None = None
    secret: str | None = None

    @property
    def named_fields(self) -> list[str]:
        """The names of the fields that are to be changed."""
        given = {"name": self.name, "url": self.url, "secret": self.secret}
        return [name for name, value in given.items() if value is not None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """A target that is told of an occasion, such as `failed`, of a command and mostly of a run.

    `details` is what else there is to say. `attempts` were made, and the next comes at
    `next_try_at`, None where none comes. `last_error` is why the last one failed.
    """

    id: UUID
    created_at: datetime
    command_id: UUID
    run_id: UUID | None
    target: str
    occasion: str
    details: Mapping[str, object] = field(default_factory=dict)
    attempts: int = 0
    next_try_at: datetime | None = None
    last_error: str | None = None
    delivered_at: datetime | None = None
    given_up_at: datetime | None = None

    @property
    def state(self) -> NotificationState:
        """What became of it."""
        if self.delivered_at is not None:
            return NotificationState.DELIVERED
        return NotificationState.WAITING if self.given_up_at is None else NotificationState.GIVEN_UP


@dataclass(frozen=True, slots=True, kw_only=True)
class NotificationFilter:
    """Which notifications are asked for; None: whatever it is."""

    command_id: UUID | None = None
    run_id: UUID | None = None
    target: str | None = None
    state: NotificationState | None = None


@dataclass(frozen=True, slots=True)
class FailingTarget:
    """A target that could not be told: so many notifications wait for it, the first since then."""

    name: str
    waiting: int
    since: datetime
