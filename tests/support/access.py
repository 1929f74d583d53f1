"""Who acts in tests of what is below the handlers."""

from server.access import EVERYBODY, Actor

BY = Actor(EVERYBODY, "192.0.2.1")
