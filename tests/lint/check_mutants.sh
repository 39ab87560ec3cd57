#!/bin/bash
# Each mutation of tests/sim/mutants.txt stands in the code that it changes: code moves on, and `make mutants` takes too long for
# every commit.
exec "$(dirname "$0")/../sim/mutants.py" --check
