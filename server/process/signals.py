"""Signals that the server handles from its first step on."""

import signal

ENDING_SIGNALS = (signal.SIGTERM, signal.SIGINT)

IGNORED_SIGNALS = (signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)
"""By default they end a process. People send them to reload settings or reopen a log; the server
does neither while it runs."""
