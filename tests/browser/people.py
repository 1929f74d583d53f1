"""People who are signed in without a provider: put into the database, with their sessions."""

import secrets
from collections.abc import Mapping

import psycopg2

from tests.support.client import Client

ADD_GRANT = """
    INSERT INTO grants (id, principal, role, group_name, created_at, created_by)
    VALUES (gen_random_uuid(), %s, %s, %s, now(), 'local:root')
"""
ADD_SESSION = """
    INSERT INTO sessions (id, hash, principal, created_at, used_at, expires_at)
    VALUES (gen_random_uuid(), sha256(%s::bytea), %s, now(), now(), now() + interval '1 day')
"""


def signed_in(database_url: str, name: str, roles: Mapping[str, str]) -> str:
    """Give somebody roles by group and a session; return what the session's cookie holds."""
    value = secrets.token_urlsafe(32)
    connection = psycopg2.connect(database_url)
    try:
        with connection, connection.cursor() as cursor:
            for group, role in roles.items():
                cursor.execute(ADD_GRANT, (name, role, group))
            cursor.execute(ADD_SESSION, (value, name))
    finally:
        connection.close()
    return value


async def end_session(client: Client, value: str) -> None:
    """Sign somebody out, as another tab of theirs does."""
    address = client.service.address
    port = address.rsplit(":", 1)[1]
    headers = {"Cookie": f"tailrun-{port}={value}", "Origin": address}
    await client.call("DELETE", "session", status=204, headers=headers)
