#!/bin/bash
# Waits for the end of a shell that made a lab, and removes what it left behind: the case of SIGKILL, where no
# trap runs. lab_up starts it in a session of its own, lab_down ends it.
#   lab_guard.sh PID DIRECTORY PREFIX NAMESPACE...
directory=$2
prefix=$3
while kill -0 "$1" 2>/dev/null; do
	sleep 1
done
shift 3
for namespace; do
	for pid in $(ip netns pids "$namespace" 2>/dev/null); do
		kill -KILL "$pid" 2>/dev/null
	done
	ip netns delete "$namespace" 2>/dev/null
done
rm -rf "$directory" "/var/run/dpdk/$prefix"
