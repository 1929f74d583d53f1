#!/bin/sh
# Starts Tailrun in its image. Runs belong to the same user as process 1, whose environment they can
# read: the password to the database goes on through a pipe, which the server empties.
set -eu
if [ -n "${PGPASSWORD:-}" ]; then
    exec 3<<END
$PGPASSWORD
END
    unset PGPASSWORD
    export TAILRUN_DATABASE_PASSWORD_FILE=/dev/fd/3
fi
# tini reaps what runs leave behind, and hands SIGTERM on.
exec tini -- tailrun "$@"
