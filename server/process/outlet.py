"""stdout and stderr, written without waiting for whoever reads them, or does not."""

import os
import queue
import select
import threading
from contextlib import suppress

STDOUT, STDERR = 1, 2

MAX_TEXTS = 1000
"""Texts that wait to be written, at most; further ones are dropped, and counted."""

FLUSH_SECONDS = 1.0
"""The longest wait for the texts to be written, at the end of the process."""

GATHER_SECONDS = 0.05
"""Pause between two writes. A thread that is woken for each text also takes the interpreter's lock
each time: on a busy machine that was a tenth of the server's time for a run."""


class Outlet:
    """Writes texts to a descriptor, in a thread of its own, so that nobody waits for its reader.

    A full pipe, a full disk, a closed descriptor: whatever becomes of the texts, the service goes
    on. Texts are written as UTF-8; what is none is escaped.
    """

    def __init__(self, descriptor: int, *, max_texts: int = MAX_TEXTS) -> None:
        self._descriptor = descriptor
        self._texts: queue.Queue[str | threading.Event] = queue.Queue(max_texts)
        self._dropped = 0
        threading.Thread(target=self._run, name="outlet", daemon=True).start()

    def write(self, text: str) -> None:
        """Have a text written soon, or drop it."""
        try:
            self._texts.put_nowait(text)
        except queue.Full:
            self._dropped += 1

    def flush(self, seconds: float = FLUSH_SECONDS) -> None:
        """Wait until all texts given so far are written, for so many seconds at most."""
        written = threading.Event()
        with suppress(queue.Full):
            self._texts.put(written, timeout=seconds)
            written.wait(seconds)

    def _run(self) -> None:
        while True:
            texts = [self._texts.get()]
            with suppress(queue.Empty):
                while True:
                    texts.append(self._texts.get_nowait())
            self._put("".join(text for text in texts if isinstance(text, str)))
            if self._dropped:
                dropped, self._dropped = self._dropped, 0
                self._put(f"{dropped} messages were dropped: nobody took them in time\n")
            for written in texts:
                if isinstance(written, threading.Event):
                    written.set()
            # Not time.sleep: it fails where libfaketime sets the clock.
            select.select([], [], [], GATHER_SECONDS)

    def _put(self, text: str) -> None:
        rest = text.encode("utf-8", "backslashreplace")
        while rest:
            try:
                rest = rest[os.write(self._descriptor, rest) :]
            except BlockingIOError:  # another process with this descriptor set O_NONBLOCK
                select.select([], [self._descriptor], [])
            except OSError:  # it is closed, or its disk is full; there is no other place to say so
                return
