"""What a torture of many hosts checks, and what it found in Tailrun, broken on purpose."""

from tests.torture.mutant import Mutant

JUDGING = "tests/torture/hosts/oracle.py"
ORACLE = "tests/torture/hosts/test_oracle.py"
PRESENCE = "tests/torture/hosts/test_presence.py"
LINE = "tests/torture/hosts/test_line.py"

OF_HOSTS = (
    Mutant(
        "a script may be started twice",
        JUDGING,
        "if len(one.starts) > 1:",
        "if len(one.starts) > 2:",
        (ORACLE,),
    ),
    Mutant(
        "a command may have two runs that nobody asked for",
        JUDGING,
        "if len(attempts) > 1 and not retries:",
        "if len(attempts) > 2 and not retries:",
        (ORACLE,),
    ),
    Mutant(
        "two attempts may run at once",
        JUDGING,
        "seconds = max(0.0, min(span[1], another[1]) - max(span[0], another[0]))",
        "seconds = 0.0",
        (ORACLE,),
    ),
    Mutant(
        "a run may be given up whose host is well",
        JUDGING,
        "if calm > SETTLING_SECONDS:",
        "if calm > LOST_AFTER_SECONDS:",
        (ORACLE,),
    ),
    Mutant(
        "a run may be given up that was to wait",
        JUDGING,
        "if on_unreachable == WAIT:",
        "if on_unreachable == RETRY:",
        (ORACLE,),
    ),
    Mutant(
        "what was given up may end otherwise once its host is back",
        JUDGING,
        "if was != now:",
        "if was['state'] != now['state']:",
        (ORACLE,),
    ),
    Mutant(
        "of what was given up lines may be missing",
        JUDGING,
        "if kept.output_lines < kept.lines and not unheld:",
        "if kept.output_lines < kept.lines and unheld:",
        (ORACLE,),
    ),
    Mutant(
        "what was given up may go on once its host is back",
        JUDGING,
        "if calm > ENDED_SECONDS:",
        "if calm > LOST_AFTER_SECONDS:",
        (ORACLE,),
    ),
    Mutant(
        "a policy may never have been tried, and nobody says so",
        "tests/torture/hosts/outcomes.py",
        "if not self._counts[policy, outcome]:",
        "if self._counts[policy, outcome] < 0:",
        ("tests/torture/hosts/test_outcomes.py",),
    ),
    Mutant(
        "a host that is away may be told as active for ever",
        "tests/torture/hosts/presence.py",
        "elif state != AWAY and asked_at > told_by:",
        "elif state not in {AWAY, 'active'} and asked_at > told_by:",
        (PRESENCE,),
    ),
    Mutant(
        "a host that is back may be told as away for ever",
        "tests/torture/hosts/presence.py",
        'return set(states.values()) == {"active"}',
        "return bool(states)",
        (PRESENCE,),
    ),
    Mutant(
        "a silent line passes on",
        "tests/torture/hosts/line.py",
        "            self._open[way].clear()\n",
        "",
        (LINE,),
    ),
    Mutant(
        "a worker's run that has ended is shown with what was stored before",
        "server/services/hosts/remote_run.py",
        "output_bytes=seen.size, output_lines=lines)",
        "output_bytes=run.output_bytes, output_lines=run.output_lines)",
        ("tests/unit/services/hosts/test_remote_run.py",),
    ),
    Mutant(
        "an end that a worker has not stored yet is told",
        "server/services/hosts/remote_run.py",
        "if end is None or not seen.state.final:",
        "if end is None:",
        ("tests/unit/services/hosts/test_remote_run.py",),
    ),
    Mutant(
        "a socket of the database that has failed is watched",
        "server/repositories/database/connections.py",
        "            if self._conn.closed:\n                self._ignore_socket()\n",
        "",
        ("tests/integration/repositories/database/test_sockets.py",),
    ),
    Mutant(
        "a connection to the database that takes another socket watches the former",
        "server/repositories/database/connections.py",
        "        if self._made:\n",
        "        if True:\n",
        ("tests/integration/repositories/database/test_sockets.py",),
    ),
)
