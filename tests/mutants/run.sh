#!/bin/sh
# Runs the test binary for one mutant: first the quick tests, then, for what they let through, the laws.
# Limits instead of patience: a mutant that loops is ended by its processor time, one that eats memory by its address space.
ulimit -v 4000000
(ulimit -t 10 && "$@" --skip laws::) || exit 1
ulimit -t 60
exec "$@" laws::
