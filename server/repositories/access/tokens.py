"""Tokens: stored as the SHA-256 of their secret alone, and looked up by it."""

# ruff: noqa: S608  what is put into the SQL are lists of columns and fragments of this layer

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from uuid import UUID, uuid4

from server.access import Act, Actor, Role, Token
from server.errors import ConflictError, TokenNotFoundError
from server.repositories.access.audit import audit_parameters, audit_sql
from server.repositories.database.database import Database
from server.repositories.database.types import Row
from server.repositories.page import Page, SortKey

MAX_TOKENS = 1000
"""That are valid at a time, of one owner: who may only look must not fill the database."""

COLUMNS = ", ".join(
    "t.group_name" if entry.name == "group" else f"t.{entry.name}" for entry in fields(Token)
)

# How long it is good by the database's clock: ours may have been set back.
SECONDS_LEFT = "extract(epoch FROM t.expires_at - clock_timestamp())::float8"

FIND = f"SELECT {COLUMNS}, {SECONDS_LEFT} FROM tokens t WHERE t.hash = %(hash)s"
GET = f"SELECT {COLUMNS}, {SECONDS_LEFT} FROM tokens t WHERE t.id = %(id)s"

LIST = f"""
    SELECT {COLUMNS} FROM tokens t
    WHERE (%(owner)s IS NULL OR t.owner = %(owner)s)
        AND (%(id)s IS NULL OR (t.created_at, t.id) < (%(created_at)s, %(id)s))
    ORDER BY t.created_at DESC, t.id DESC LIMIT %(rows)s
"""

# A token that makes another is locked meanwhile: it is revoked before, and none is made, or after,
# and what it made is revoked with it.
ADD = f"""
    WITH t AS (
        INSERT INTO tokens AS t (
            id, hash, name, owner, role, group_name, created_at, expires_at, made_by
        )
        SELECT %(id)s, %(hash)s, %(name)s, %(owner)s, %(role)s, %(group)s, %(now)s, %(expires_at)s,
            %(made_by)s::uuid
        WHERE (
            SELECT count(*) FROM tokens
            WHERE owner = %(owner)s AND revoked_at IS NULL AND expires_at > %(now)s
        ) < %(limit)s AND (%(made_by)s::uuid IS NULL OR EXISTS (
            SELECT FROM tokens
            WHERE id = %(made_by)s AND revoked_at IS NULL AND made_by IS NULL FOR SHARE
        ))
        RETURNING {COLUMNS}
    ), audited AS ({audit_sql("t")})
    SELECT {COLUMNS} FROM t
"""

# The second statement's snapshot is taken once the row is held, and has all that it made.
REVOKE = f"""
    SELECT FROM tokens WHERE id = %(id)s FOR UPDATE;
    WITH t AS (
        UPDATE tokens SET revoked_at = %(now)s
        WHERE (id = %(id)s OR made_by = %(id)s) AND revoked_at IS NULL RETURNING id
    ), audited AS ({audit_sql("(SELECT FROM t LIMIT 1) t")})
    SELECT id FROM t
"""

# Once a minute at most, whichever server it is used at, and whatever became of the clock.
NOTE_USES = """
    UPDATE tokens t SET last_used_at = used.at
    FROM unnest(%(ids)s::uuid[], %(times)s::timestamptz[]) used (id, at)
    WHERE t.id = used.id AND coalesce(
        t.last_used_at NOT BETWEEN used.at - interval '50 seconds' AND used.at, true
    )
    RETURNING t.id
"""


@dataclass(frozen=True, slots=True)
class FoundToken:
    """A token, and how many seconds it is good by the database's clock; none from 0 on down."""

    token: Token
    seconds_left: float


class TokenRepository:
    """The table `tokens`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, digest: bytes) -> FoundToken | None:
        """Return the token whose secret has this SHA-256, valid or not."""
        return _found(await self._database.fetch_one(FIND, {"hash": digest}))

    async def get(self, token_id: UUID) -> FoundToken | None:
        """Return the token of this id, valid or not."""
        return _found(await self._database.fetch_one(GET, {"id": token_id}))

    async def list(
        self, *, owner: str | None = None, limit: int, cursor: str | None = None
    ) -> Page[Token]:
        """Return tokens, of one owner or of all, newest first.

        Raises:
            InvalidCursorError: the cursor is none of ours.
        """
        parameters = {**SortKey.parameters(cursor), "owner": owner, "rows": limit + 1}
        rows = await self._database.fetch_all(LIST, parameters)
        return Page.cut(
            [_token_of(row) for row in rows], limit, lambda one: SortKey(one.created_at, one.id)
        )

    async def add(
        self,
        digest: bytes,
        *,
        name: str,
        role: Role,
        group: str,
        expires_at: datetime,
        by: Actor,
        made_by: UUID | None,
    ) -> Token:
        """Store a token of the one who acts; `made_by` is the token by which he does.

        Raises:
            ConflictError: he has MAX_TOKENS valid ones, or that token was revoked meanwhile.
        """
        identifier = uuid4()
        details = {"token": str(identifier), "name": name, "role": role, "group": group}
        parameters = {
            "id": identifier,
            "hash": digest,
            "name": name,
            "owner": by.principal.name,
            "role": role.value,
            "group": group,
            "now": datetime.now(UTC),
            "expires_at": expires_at,
            "made_by": made_by,
            "limit": MAX_TOKENS,
            **audit_parameters(Act.TOKEN_CREATE, by, details=details),
        }
        row = await self._database.fetch_one(ADD, parameters)
        if row is None:
            raise ConflictError(
                f"{by.principal.name} has {MAX_TOKENS} valid tokens, as many as there may be, or"
                " the token that asks was revoked. Revoke those that nobody uses."
            )
        return _token_of(row)

    async def revoke(self, token: Token, *, by: Actor) -> Sequence[UUID]:
        """Revoke a token, and those that it made; return the ids of those that were valid."""
        details = {"token": str(token.id), "name": token.name, "owner": token.owner}
        parameters = {
            "id": token.id,
            "now": datetime.now(UTC),
            **audit_parameters(Act.TOKEN_REVOKE, by, details=details),
        }
        rows = await self._database.fetch_all(REVOKE, parameters)
        return [identifier for (identifier,) in rows]

    async def note_uses(self, uses: Mapping[UUID, datetime]) -> None:
        """Note when tokens were used last."""
        parameters = {"ids": [*uses], "times": [*uses.values()]}
        await self._database.fetch_all(NOTE_USES, parameters)


def token_not_found(token_id: UUID) -> TokenNotFoundError:
    """Return the error for a token that is not there, or that is not to be seen."""
    return TokenNotFoundError(f"There is no token {token_id}.")


def _found(row: Row | None) -> FoundToken | None:
    return None if row is None else FoundToken(_token_of(row[:-1]), row[-1])


def _token_of(row: Row) -> Token:
    values = dict(zip((entry.name for entry in fields(Token)), row, strict=True))
    return Token(**values | {"role": Role(values["role"])})
