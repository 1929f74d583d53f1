#!/bin/sh
# Starts Tailrun in its image. Runs belong to the same user as process 1, whose environment they can
# read: secrets go on through pipes, which the server empties.
set -eu
if [ -n "${PGPASSWORD:-}" ]; then
    exec 3<<END
$PGPASSWORD
END
    unset PGPASSWORD
    export TAILRUN_DATABASE_PASSWORD_FILE=/dev/fd/3
fi
if [ -n "${TAILRUN_OIDC_CLIENT_SECRET:-}" ]; then
    exec 4<<END
$TAILRUN_OIDC_CLIENT_SECRET
END
    unset TAILRUN_OIDC_CLIENT_SECRET
    export TAILRUN_OIDC_CLIENT_SECRET_FILE=/dev/fd/4
fi
if [ -n "${TAILRUN_METRICS_TOKEN:-}" ]; then
    exec 5<<END
$TAILRUN_METRICS_TOKEN
END
    unset TAILRUN_METRICS_TOKEN
    export TAILRUN_METRICS_TOKEN_FILE=/dev/fd/5
fi
# tini reaps what runs leave behind, and hands SIGTERM on.
exec tini -- tailrun "$@"
