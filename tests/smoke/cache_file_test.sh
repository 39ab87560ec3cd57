#!/bin/bash
# The cache survives a restart: what was kept is answered at once without asking, with the TTL that is left, after a
# shutdown and after `porticoctl cache save` and a kill. A file that is not good is refused with a word that names it, the
# mistake and the remedy, and Portico answers with an empty cache.
# variants: workers=1,2
. "$(dirname "$0")/../lab/lab.sh"
here=$LAB_ROOT/tests/smoke
file_tool="/usr/bin/python3 $here/cache_file.py"

lab_prefer
lab_up
FILE=$LAB_DIR/cache
lab_upstream up 198.18.0.20 || exit 1
configure() {
	lab_config "$LAB_DIR/portico.yaml" <<-CONF
		mode: forward
		forward:
		  - {zone: ".", to: [198.18.0.20]}
		cache: {size_mb: ${1:-32}, file: $FILE}
	CONF
}

asked() {
	grep -ciE " $1\. " "$LAB_DIR/up.queries"
}
ttl_of() {
	lab_dig +noall +answer "$@" | awk 'NR == 1 { print $2 }'
}
read_back() {
	lab_wait_for 5 "$PORTICO_PID" "$PORTICO_LOG" 'cache: (restored|file refused|no file)'
}
restored() {
	sed -nE 's/.*cache: restored .*entries=([0-9]+) .*/\1/p' "$PORTICO_LOG"
}
kill_portico() {
	kill -KILL "$PORTICO_PID"
	wait "$PORTICO_PID" 2>/dev/null
}

# --- over a shutdown ---
configure
lab_portico "$LAB_DIR/portico.yaml" || exit 1
expect_match "without a file it begins with a word" 'no file to begin with' "$(cat "$PORTICO_LOG")"
for i in {1..50}; do
	echo "n$i.keep.test A"
done >"$LAB_DIR/names"
lab_in cli dnsperf -s $LAB_PORTICO_V4 -d "$LAB_DIR/names" -n 1 -Q 500 -t 5 >/dev/null 2>&1
lab_dig +noall ttl-1.keep.test A # stale by then
lab_dig +noall servfail.keep.test A
before=$(ttl_of n7.keep.test A)
start=$(date +%s)
expect "SIGTERM: exit status 0" lab_stop_portico
expect_equal "the file is readable by its owner alone" 600 "$(stat -c %a "$FILE")"
expect_equal "nothing is left beside it" "" "$(ls "$FILE".* 2>/dev/null)"
expect_equal "it holds what was kept, and what may be served stale, but no failures" 51 "$($file_tool count "$FILE")"
asked_before=$(wc -l <"$LAB_DIR/up.queries")
sleep 1
LAB_WORKERS=$((3 - LAB_WORKERS)) configure 8
lab_portico "$LAB_DIR/portico.yaml" || exit 1
expect "it is read back" read_back
after=$(ttl_of n7.keep.test A)
gone=$(($(date +%s) - start))
expect_between "the TTL has gone down with the wall clock" $((gone - 1)) $((gone + 1)) $((before - after))
again=$(lab_in cli dnsperf -s $LAB_PORTICO_V4 -d "$LAB_DIR/names" -n 1 -Q 500 -t 5 2>&1)
expect_match "all are answered" 'NOERROR 50 \(100.00%\)' "$again"
expect_equal "by other workers and of another size, without asking" "$asked_before" "$(wc -l <"$LAB_DIR/up.queries")"
expect_equal "the log says how many there were" 51 "$(restored)"

# --- by command ---
lab_dig +noall late.keep.test A
text=$(lab_ctl cache save)
expect_match "cache save" '^52 entries, [0-9]+ bytes, in [0-9]+ ms$' "$text"
lab_dig +noall unsaved.keep.test A
kill_portico
configure
lab_portico "$LAB_DIR/portico.yaml" || exit 1
read_back
lab_dig +noall late.keep.test A
lab_dig +noall unsaved.keep.test A
expect_equal "killed: what was saved is there, what was not is asked again" "1 2" \
	"$(asked late.keep.test) $(asked unsaved.keep.test)"
lab_ctl cache flush LATE.keep.test >/dev/null
kill_portico
lab_portico "$LAB_DIR/portico.yaml" || exit 1
read_back
lab_ctl cache lookup late.keep.test A >/dev/null 2>&1
expect_equal "killed after a flush: what was saved and flushed does not come back" 1 $?
expect_match "the rest does" 'restored file=.* entries=51 .* flushed=1 ' "$(cat "$PORTICO_LOG")"
expect_match "a save takes the list of what was flushed away" '^51 entries' "$(lab_ctl cache save)"
expect_equal "it is gone" no "$([ -e "$FILE.flushed" ] && echo yes || echo no)"
lab_dig +noall late.keep.test A
lab_ctl cache flush late.keep.test >/dev/null
expect "SIGTERM: exit status 0" lab_stop_portico
lab_portico "$LAB_DIR/portico.yaml" || exit 1
read_back
lab_ctl cache lookup late.keep.test A >/dev/null 2>&1
expect_equal "what was flushed does not come back" 1 $?
expect "SIGTERM: exit status 0" lab_stop_portico

# --- files that are not good ---
cp "$FILE" "$LAB_DIR/good"
# refused TEXT PROBLEM: Portico starts, says what is wrong, and answers
refused() {
	lab_portico "$LAB_DIR/portico.yaml" || {
		fail "$1: it starts"
		return
	}
	read_back
	expect_match "$1: refused with a word" \
		"warning cache: file refused, the cache begins empty file=$FILE problem=\".*$2.*\" remedy=\".+\"" \
		"$(cat "$PORTICO_LOG")"
	expect_equal "$1: it answers" "198.18.99.1 " "$(lab_dig +short n7.keep.test A) $(restored)"
	kill_portico
}
for kind in cut:'not whole' version:'another version' body:checksum checksum:checksum end:'not whole|checksum' \
	empty:'it is empty' entry:'not an entry' count:'not an entry' start:'not a cache file'; do
	cp "$LAB_DIR/good" "$FILE"
	$file_tool spoil "$FILE" "${kind%%:*}"
	refused "${kind%%:*}" "${kind#*:}"
done
chown nobody "$FILE"
cp "$LAB_DIR/good" "$FILE"
refused "another's file" 'others own it'
rm -f "$FILE"
mkdir "$FILE"
refused "a directory" 'not a regular file'
rmdir "$FILE"
echo "workers: 1" >"$FILE"
lab_portico "$LAB_DIR/portico.yaml" || exit 1
lab_dig +noall n7.keep.test A
text=$(lab_ctl cache save 2>&1)
expect_equal "cache save over a stranger's file: exit status 1" 1 $?
expect_match "and why" 'not a cache file of Portico' "$text"
expect "SIGTERM: exit status 0" lab_stop_portico
expect_equal "it was left as it is" "workers: 1" "$(cat "$FILE")"

# --- expired, stale, and from a clock that went back ---
rm -f "$FILE"
$file_tool make "$FILE" 10 --age 100 --ttl 120 --saved 30
configure
lab_portico "$LAB_DIR/portico.yaml" || exit 1
read_back
expect_match "expired while nothing ran: kept as stale" ', stale, age 13[0-9] s, TTL 0 s' \
	"$(lab_ctl cache lookup n0000003.file.test A)"
kill_portico
$file_tool make "$FILE" 10 --age 100 --ttl 120 --saved -3600
lab_portico "$LAB_DIR/portico.yaml" || exit 1
read_back
expect_between "the clock went back: no TTL grows" 10 20 "$(ttl_of n0000003.file.test A)"
expect "SIGTERM: exit status 0" lab_stop_portico
