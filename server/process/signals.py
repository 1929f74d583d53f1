"""The signals that the server minds, from its first step on."""

import signal

ENDING_SIGNALS = (signal.SIGTERM, signal.SIGINT)

IGNORED_SIGNALS = (signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)
"""They end a process by default, and are sent to have settings read or a log opened anew: neither
is done while the server runs."""
