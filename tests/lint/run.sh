#!/bin/bash
# All checks, and the proof that they can fail. A line each: ok or FAIL, and above it what is wrong where.
set -u
here=$(cd "$(dirname "$0")" && pwd)
failed=0
for check in "$here"/check_*.sh "$here"/selftest.sh; do
	name=$(basename "$check" .sh)
	if "$check"; then
		echo "ok   lint $name"
	else
		echo "FAIL lint $name"
		failed=1
	fi
done
exit $failed
