#!/bin/bash
# Is rplrun able to fail, and does it for the right reason? Each file of runner/ says in its first line what is to become of it:
# `; VERDICT the end of the reason`.
#   runner_test.sh RPLRUN
set -u
rplrun=$1
failed=0
passed=0

for file in "$(dirname "$0")"/runner/*.rpl; do
	read -r _ verdict reason <"$file"
	got=$("$rplrun" "$file" | grep -E '^(PASS|PASS-LENIENT|FAIL|SKIP) ')
	case $got in
	"$verdict $file: "*"$reason"*) passed=$((passed + 1)) ;;
	*)
		echo "$file: wanted $verdict $reason, got $got"
		failed=$((failed + 1))
		;;
	esac
done
echo "rplrun: $passed verdicts as they should be, $failed not"
[ $failed -eq 0 ]
