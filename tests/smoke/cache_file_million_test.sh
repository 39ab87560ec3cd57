#!/bin/bash
# A cache file of a million entries is read back within a second of the start, which does not wait for it.
# alone: it is timed
. "$(dirname "$0")/../lab/lab.sh"
ATTEMPTS=3

lab_prefer
lab_up
lab_upstream up 198.18.0.20 || exit 1
/usr/bin/python3 "$LAB_ROOT/tests/smoke/cache_file.py" make "$LAB_DIR/cache" 1000000
lab_config "$LAB_DIR/portico.yaml" <<-CONF
	mode: forward
	forward:
	  - {zone: ".", to: [198.18.0.20]}
	cache: {size_mb: 256, file: $LAB_DIR/cache}
CONF

# of_restored KEY: that value of the line that says what was restored; nothing before there is one
of_restored() {
	sed -nE "s/.*cache: restored .* $1=([0-9]+) .*/\\1/p" "$PORTICO_LOG"
}

# A file that is read back leaves the same to be saved at the shutdown. Who shares the machine may have the cores for a
# while, but not each time.
for ((attempt = 1; attempt <= ATTEMPTS; attempt++)); do
	lab_portico "$LAB_DIR/portico.yaml" || exit 1
	expect_equal "ready does not wait for the file" "" "$(of_restored ms)"
	expect "a million entries are read back" \
		lab_wait_for 10 "$PORTICO_PID" "$PORTICO_LOG" 'cache: restored .* entries=1000000 '
	ms=$(of_restored ms)
	echo "     | attempt $attempt: $ms ms, $(of_restored verified_ms) of them to verify the file"
	expect_equal "the last of them" 198.18.4.1 "$(lab_dig +short n0999999.file.test A)"
	expect "SIGTERM: exit status 0" lab_stop_portico
	[ "${ms:-9999}" -gt 1000 ] || break
done
expect_between "the quickest of $ATTEMPTS took less than a second, in ms" 1 1000 "$ms"
