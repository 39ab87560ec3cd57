# Questions for upstream.py that name a bad packet each (SECURITY.md section 3.2), and what clients must get. Sourced after lab.sh.
#
# rows ZONE [TC]           a question of every behaviour, below ZONE, one a line; TC: what comes of TC=1 (tc: without a way to ask over TCP)
# ask SERVER ARGS          those in LAB_DIR/questions, by ask_many.py
# all_right FILE           what it wrote: is every answer as it must be?

hostile_here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

# What does not match or does not parse is as if it had never come: the wait for the truth goes on.
ignored="good wrong-port wrong-address wrong-qname wrong-qtype wrong-qclass no-question qr0 opcode-update
	header-formerr header-servfail header-refused header-notimp junk empty short loop cut trailing no-opt
	duplicate-3 formerr-edns delay-300 drop flip-case"
# A guess or a matching refusal ends that query: it is asked again.
repeated="wrong-id wrong-id-10 wrong-id-300 formerr servfail refused notimp"

# ask SERVER ARGS: questions on standard input
ask() {
	local server=$1
	shift
	lab_in cli /usr/bin/python3 "$hostile_here/ask_many.py" "$server" "$@" <"$LAB_DIR/questions"
}

all_right() {
	cat "$1"
	grep -q '^asked [0-9]* right [0-9]* wrong 0 ' "$1"
}

rows() {
	local word type tc=${2:-tc} only=SERVFAIL
	# A guess is asked again over TCP, where there is a way.
	[ "$tc" != good ] || only=good
	for type in A AAAA TXT; do
		for word in $ignored; do
			echo "$word.$type.$1 $type good"
		done
		for word in $repeated; do
			echo "$word.once.$type.$1 $type good"
		done
		# One guess with the right ID, port and address that lost the letter case; three in a row would be a proof.
		[ "$type" != TXT ] || echo "lower-case.once.$type.$1 $type good"
		# Without TCP upstream it tells the client to try it, and holds nothing of the answer.
		echo "tc.$type.$1 $type $tc"
		echo "tc-evil.$type.$1 $type $tc"
		echo "nxdomain.$type.$1 $type NXDOMAIN"
		echo "nodata.$type.$1 $type nodata"
		# A server that refuses every time.
		echo "refused.$type.$1 $type good|REFUSED|SERVFAIL"
		# Only what is forged ever comes: no answer is better than a wrong one.
		echo "wrong-id.only.$type.$1 $type $only"
		echo "wrong-port.only.$type.$1 $type SERVFAIL"
		echo "wrong-qname.only.$type.$1 $type SERVFAIL"
		echo "flip-case.only.$type.$1 $type SERVFAIL"
	done
}
