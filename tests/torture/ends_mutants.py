"""Promises of what follows a run's end, broken on purpose."""

from tests.torture.mutant import Mutant

ENDS = "tests/acceptance/test_notifications.py"
KILLED = f"{ENDS}::test_a_run_is_tried_again_once_and_told_of_whenever_the_server_is_killed"
TWO_SERVERS = f"{ENDS}::test_of_two_servers_one_makes_what_follows_an_end_that_neither_made"
HANDLERS = "tests/integration/handlers/test_notifications.py"

OF_ENDS = (
    Mutant(
        "an end is noted by nobody",
        "migrations/0010.ends.sql",
        "OLD.end_time IS NULL AND NEW.end_time IS NOT NULL AND (",
        "OLD.end_time IS NULL AND NEW.end_time IS NULL AND (",
        (KILLED,),
    ),
    Mutant(
        "an end is taken in a transaction of its own before its retry is made",
        "server/services/ends/ends.py",
        '        failpoint("end.follow")\n',
        "        database, named = self._ends._database, {'id': run.id}\n"
        "        taken = 'DELETE FROM commands_info_ends WHERE run_id = %(id)s RETURNING 1'\n"
        "        await database.fetch_all(taken, named)\n"
        '        failpoint("end.follow")\n'
        "        note = \"INSERT INTO commands_info_ends SELECT %(id)s, '', now() RETURNING 1\"\n"
        "        await database.fetch_all(note, named)\n",
        (KILLED,),
    ),
    Mutant(
        "an end is followed by whoever finds it, taken or not",
        "server/repositories/ends.py",
        "DELETE FROM commands_info_ends WHERE run_id = %(ended_id)s RETURNING run_id\n",
        "SELECT run_id FROM (SELECT %(ended_id)s::uuid AS run_id) e\n"
        "    ), gone AS (\n"
        "        DELETE FROM commands_info_ends WHERE run_id = %(ended_id)s\n",
        (TWO_SERVERS,),
    ),
    Mutant(
        "a notification is noted as delivered before it is sent",
        "server/services/notifications/notifier.py",
        "            error = await self._attempt(notification)\n",
        "            await self._notifications.delivered(notification.id)\n"
        "            error = await self._attempt(notification)\n",
        (f"{HANDLERS}::test_what_failed_is_sent_again_with_the_same_id",),
    ),
    Mutant(
        "targets that fail take the places of the others",
        "server/repositories/notifications.py",
        "WHERE NOT is_doubtful OR place",
        "WHERE 0 = 0 OR place",
        ("tests/integration/repositories/test_notifications.py",),
    ),
    Mutant(
        "an end of which nothing can be made holds up all",
        "server/services/ends/ends.py",
        "if away and not isinstance(error, DatabaseRefusedError):",
        "if away:",
        (f"{ENDS}::test_an_end_of_which_nothing_can_be_made_holds_up_no_other",),
    ),
    Mutant(
        "the secrets of a chain outlive it",
        "server/repositories/ends.py",
        "WHERE o.id = taken.run_id AND o.secrets IS NOT NULL",
        "WHERE o.id = taken.run_id AND o.secrets IS NULL",
        (f"{ENDS}::test_the_secrets_of_a_chain_are_gone_when_it_has_ended",),
    ),
)
