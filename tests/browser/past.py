"""A past that takes weeks to come by."""

from tests.support.postgres import execute

RUNS = """
    INSERT INTO commands_info (
        commands_id, host, state, exitcode, created_at, start_time, end_time
    ) SELECT '{id}', 'here', CASE WHEN n % 7 = 0 THEN 'failed' WHEN n = 23 THEN 'timed_out'
            WHEN n = 31 THEN 'stopped' WHEN n = 37 THEN 'lost' ELSE 'succeeded' END,
        n % 7, began, began, began + (CASE n WHEN 3 THEN 4000 ELSE 40 END) * interval '1 second'
    FROM generate_series(1, {count}) n, LATERAL (SELECT now() - n * interval '1 hour' AS began) at
"""


def add_runs(database_url: str, command_id: str, count: int) -> None:
    """Store runs of a command, an hour apart, the last an hour ago.

    The third last took a hundred times as long as the others, and each seventh failed.
    """
    execute(database_url, RUNS.format(id=command_id, count=count))
