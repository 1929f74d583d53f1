"""Mutants of workers: what keeps them from runs that are not theirs to take."""

from tests.torture.mutant import Mutant

ATTENDANCE = "tests/unit/services/worker/test_attendance.py"
HEARING = "tests/integration/services/worker/test_hearing.py"
ANSWERS = "tests/integration/services/worker/test_answers.py"

OF_WORKERS = (
    Mutant(
        "a worker claims although its lease is over",
        "server/services/worker/attendance.py",
        "return self._is_back and boottime() < self._until",
        "return self._is_back",
        (ATTENDANCE,),
    ),
    Mutant(
        "a worker without a place takes the bells of others",
        "server/services/worker/hearing.py",
        "            await bells.ignore()\n            self.listens = False\n",
        "            self.listens = False\n",
        (HEARING,),
    ),
    Mutant(
        "who waits for output does not hear of a change",
        "server/services/worker/answers.py",
        "while request.change in {None, live.changes}:",
        "while True:",
        (ANSWERS,),
    ),
)
