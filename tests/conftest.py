"""What all tests share."""

from hypothesis import settings

pytest_plugins = ["tests.support.postgres", "tests.support.outage"]

# Each example may take as long as it takes: this machine may be busy with something else.
settings.register_profile("tailrun", deadline=None)
settings.load_profile("tailrun")
