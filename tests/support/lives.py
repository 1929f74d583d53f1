"""A life of a host that is written nowhere."""

from dataclasses import dataclass

from server.wire.messages import Life


@dataclass
class OneLife:
    """Which process of a host something is."""

    id: str = "life"
    before: tuple[str, ...] = ()
    are_over: bool = True
    age: int = 0
    is_heard: bool = False

    @property
    def said(self) -> Life:
        return Life(id=self.id, before=self.before, are_over=self.are_over, age=self.age)

    def note_heard(self) -> None:
        self.is_heard = True

    def note_refused(self) -> None:
        self.is_heard = False
