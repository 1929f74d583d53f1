"""What a server believes of what the host of a run answers."""

from uuid import uuid4

import pytest

from server.errors import WireError
from server.services.hosts.remote import checked
from server.wire.messages import Lines, Marked, Marks, Place, SeenAt, Sought

LINES = Lines(run_id=uuid4(), sought=Sought.LINE_OFFSET, number=3)
MARKS = Marks(run_id=uuid4(), start=0, end=9, limit=5)


@pytest.mark.parametrize(
    ("asked", "answer"),
    [(LINES, Place(number=0)), (MARKS, Marked(marks=(SeenAt(0, 1.0),)))],
)
def test_what_hosts_answer_is_believed(asked: object, answer: object) -> None:
    assert checked(asked, answer) == answer


@pytest.mark.parametrize(
    ("asked", "answer"), [(LINES, Place(number=-1)), (MARKS, Marked(marks=()))]
)
def test_what_no_host_answers_is_refused(asked: object, answer: object) -> None:
    with pytest.raises(WireError):
        checked(asked, answer)
