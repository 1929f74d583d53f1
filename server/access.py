"""Who asks, and what they may: roles, rights, and principals with their grants. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum, StrEnum
from uuid import UUID

DEFAULT_GROUP = "default"
"""The group of a command that names none."""

EVERY_GROUP = "*"
"""In a grant: all groups, those to come as well."""

GROUP_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
"""What a group may be called."""


class Role(StrEnum):
    """What a grant gives; each role may do what those before it may."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    EDITOR = "editor"
    ADMIN = "admin"

    @property
    def rank(self) -> int:
        """How far up it is, from 0."""
        return _ROLES.index(self)


_ROLES = [*Role]


class Right(StrEnum):
    """What a route asks for; `LEAST` has the least role that gives it.

    A right of a thing (a command, a run) is asked in the thing's group. GOVERN is asked in every
    group at once.
    """

    PUBLIC = "public"  # nobody need sign in
    SIGNED_IN = "signed in"  # whoever it is, with or without a grant
    SEE = "see"
    OPERATE = "operate"
    EDIT = "edit"
    ADMINISTER = "administer"
    GOVERN = "govern"


LEAST: Mapping[Right, Role] = {
    Right.SEE: Role.VIEWER,
    Right.OPERATE: Role.OPERATOR,
    Right.EDIT: Role.EDITOR,
    Right.ADMINISTER: Role.ADMIN,
    Right.GOVERN: Role.ADMIN,
}
"""PUBLIC and SIGNED_IN need no role."""

OF_THINGS = (Right.SEE, Right.OPERATE, Right.EDIT, Right.ADMINISTER)
"""The rights that somebody may have of a command or a run."""


class KnownBy(StrEnum):
    """How a request's principal is known."""

    LOCAL = "local"  # by the uid of the peer's socket
    TOKEN = "token"  # noqa: S105  it is none
    SESSION = "session"
    OIDC = "oidc"  # just now, by a provider of OpenID Connect
    TICKET = "ticket"
    SCHEDULE = "schedule"  # nobody asks: one of ours is due
    HOOK = "hook"  # by the signature of what another service sent
    RETRY = "retry"  # nobody asks: a run that failed is tried again
    EVERYBODY = "everybody"  # authentication is off
    NOBODY = "nobody"  # no credential was given


WITHOUT_ASKING = frozenset({KnownBy.SCHEDULE, KnownBy.HOOK, KnownBy.RETRY})
"""Whoever acts so makes no request: its principal has no grants."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Whoever asks: a person, a pipeline, or nobody known.

    `grants` are roles by group, EVERY_GROUP among them. `credential` is the id of the token or the
    session, `label` its name. A principal known by a ticket may only see one run, `run`; the
    credential is that of whoever made the ticket, who was known by `ticket_of`. One who is
    `stale` is known from memory, as the database is away: who was let in before may go on reading.
    """

    name: str
    known_by: KnownBy
    grants: Mapping[str, Role] = field(default_factory=dict)
    credential: UUID | None = None
    label: str | None = None
    run: UUID | None = None
    ticket_of: KnownBy | None = None
    stale: bool = False

    def role_in(self, group: str) -> Role | None:
        """Return the highest role in a group, None without any."""
        found = [self.grants[name] for name in (group, EVERY_GROUP) if name in self.grants]
        return max(found, key=lambda role: role.rank, default=None)

    def may(self, right: Right, group: str) -> bool:
        """Return whether a right is given in a group."""
        if right is Right.PUBLIC:
            return True
        if right is Right.SIGNED_IN:
            return self.known_by is not KnownBy.NOBODY
        if self.stale and right is not Right.SEE:
            return False
        role = self.role_in(EVERY_GROUP if right is Right.GOVERN else group)
        return role is not None and role.rank >= LEAST[right].rank

    def rights_in(self, group: str) -> list[Right]:
        """Return what may be done with the commands and runs of a group."""
        if self.run is not None:
            return [Right.SEE]
        return [right for right in OF_THINGS if self.may(right, group)]

    @property
    def is_alike_everywhere(self) -> bool:
        """Whether all groups are the same to it."""
        return self.run is not None or self.grants.keys() <= {EVERY_GROUP}

    def groups(self, right: Right) -> frozenset[str] | None:
        """Return the groups in which a right is given; None: in every one."""
        if self.may(right, EVERY_GROUP):
            return None
        return frozenset(group for group in self.grants if self.may(right, group))


def merged(*given: Mapping[str, Role]) -> dict[str, Role]:
    """Return the highest role in each group, of all that are given."""
    found: dict[str, Role] = {}
    for group, role in (item for grants in given for item in grants.items()):
        if group not in found or found[group].rank < role.rank:
            found[group] = role
    return found


def narrowed(grants: Mapping[str, Role], role: Role, group: str) -> dict[str, Role]:
    """Return what of somebody's grants a token for a role in a group gives: never more than both.

    In a token for EVERY_GROUP these are the groups that its owner has.
    """
    owner = Principal(name="", known_by=KnownBy.TOKEN, grants=grants)
    wanted = grants if group == EVERY_GROUP else (group,)
    roles = {name: owner.role_in(name) for name in wanted}
    return {
        name: min(role, held, key=lambda one: one.rank)
        for name, held in roles.items()
        if held is not None
    }


ANONYMOUS = Principal(name="anonymous", known_by=KnownBy.NOBODY)
EVERYBODY = Principal(
    name="everybody", known_by=KnownBy.EVERYBODY, grants={EVERY_GROUP: Role.ADMIN}
)


class Whole(Enum):
    """What is watched as a whole, and is no single run."""

    AUDIT = "audit"
    EVENTS = "events"  # of all runs and commands that may be seen


Watched = UUID | Whole
"""What somebody is being sent: a run's output, by its id, or what is no single run."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts, for the audit: the principal and where the request came from.

    `address` is the client's, as a trusted proxy forwards it.
    """

    principal: Principal
    address: str


class Act(StrEnum):
    """What the audit tells of."""

    COMMAND_CREATE = "command.create"  # with its first run, if one was started
    COMMAND_CHANGE = "command.change"
    COMMAND_DELETE = "command.delete"
    COMMAND_START = "command.start"
    RUN_STOP = "run.stop"
    RUN_SIGNAL = "run.signal"
    RUN_DELETE = "run.delete"
    SESSION_CREATE = "session.create"
    SESSION_END = "session.end"
    TOKEN_CREATE = "token.create"  # noqa: S105  it is none
    TOKEN_REVOKE = "token.revoke"  # noqa: S105  it is none
    GRANT_CREATE = "grant.create"
    GRANT_DELETE = "grant.delete"
    TARGET_CREATE = "target.create"
    TARGET_CHANGE = "target.change"
    TARGET_DELETE = "target.delete"
    TARGET_TEST = "target.test"
    DENIED = "denied"
    SCHEDULE_CREATE = "schedule.create"
    SCHEDULE_CHANGE = "schedule.change"
    SCHEDULE_DELETE = "schedule.delete"
    COMMAND_PAUSE = "command.pause"
    COMMAND_RESUME = "command.resume"
    HOOK_CREATE = "hook.create"
    HOOK_CHANGE = "hook.change"
    HOOK_DELETE = "hook.delete"
    RUN_ABANDON = "run.abandon"
    WORKER_TOKEN = "worker.token"  # noqa: S105  it is none
    WORKER_ENROL = "worker.enrol"
    WORKER_CHANGE = "worker.change"
    WORKER_REMOVE = "worker.remove"


class Outcome(StrEnum):
    """What became of an act."""

    DONE = "done"
    REFUSED = "refused"  # it was not permitted, or the state of the thing forbade it
    FAILED = "failed"  # it could not be done at the time


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """A role that a principal has in a group, or in EVERY_GROUP; `created_by` is one, too."""

    id: UUID
    principal: str
    role: Role
    group: str
    created_at: datetime
    created_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A token, without its secret: it acts as its owner, with at most this role in this group.

    `made_by` is the token by which it was made: with that one it is revoked.
    """

    id: UUID
    name: str
    owner: str
    role: Role
    group: str
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None
    made_by: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """A row of the audit: who did what, and what became of it.

    `known_by`, `act` and `outcome` are texts, as a newer version may know further ones.
    `script_sha256` is hexadecimal. `id` is given when it is entered, `key` before that.
    """

    at: datetime
    principal: str
    known_by: str
    address: str
    act: str
    outcome: str
    command_id: UUID | None = None
    run_id: UUID | None = None
    script_sha256: str | None = None
    details: Mapping[str, object] = field(default_factory=dict)
    id: int | None = None
    key: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditAsked:
    """Which rows of the audit; None: whatever it is. From `since` on, and before `until`."""

    principal: str | None = None
    act: Act | None = None
    command_id: UUID | None = None
    run_id: UUID | None = None
    since: datetime | None = None
    until: datetime | None = None
