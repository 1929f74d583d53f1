"""The states of a run in the keeper, and the steps between them: forwards, and none twice.

STARTING ──▶ RUNNING ──▶ EXITED ──▶ CLEARING ──▶ ENDED
│           │           │                      ▲
└───────────┴───────────┴──────────────────────┘
cannot be started,  given up,  was not stopped
"""

from enum import Enum, auto


class State(Enum):
    """How far a run has come; a stop that was asked for is not a state but a StopRecord."""

    STARTING = auto()
    """Its main process is being started: a keeper that follows would not find it."""

    RUNNING = auto()
    """Its main process is recorded, and goes on or waits to be reaped."""

    EXITED = auto()
    """Its main process was reaped, and how it ended is known here alone."""

    CLEARING = auto()
    """How it ended is recorded; it was stopped, and the other processes are being ended."""

    ENDED = auto()
    """Its end is recorded, or it was given up. Processes left behind may still be ended."""


STEPS = {
    State.STARTING: {State.RUNNING, State.ENDED},
    State.RUNNING: {State.EXITED, State.ENDED},
    State.EXITED: {State.CLEARING, State.ENDED},
    State.CLEARING: {State.ENDED},
    State.ENDED: set[State](),
}
