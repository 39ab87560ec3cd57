# The small internet for iteration: a root, top-level domains and zones below them, on servers of their own, as tests/lab/internet
# has them (`servers` there is the list). Sourced after lab.sh; bash, as root.
#
# internet_up              after lab_up: the servers' addresses in srv, and the servers. Returns 1 if one does not get ready.
#                          198.18.17.0/24 and 2001:2:0:17::/64 are behind the gateway, too, and silent
# internet_hints [FILE]    the root's servers as a file of root hints (to standard output)
# internet_config FILE     lab_config for `mode: iterate` from those hints, with a TAP, as it takes TCP to get long answers; standard
#                          input is appended
# internet_resolver PROGRAM NAME V4 V6
#                          unbound or named (BIND) in the namespace NAME of LAB_MORE, with these addresses and the same hints, without
#                          validation: who Portico is compared with. Sets LAB_PID. Returns 1 if it does not answer.

INTERNET=$LAB_HERE/internet

internet_rows() {
	grep -v '^#' "$INTERNET/servers"
}

# Those on the link are on eth0 already.
internet_addresses() {
	local address
	for address in $(internet_rows | awk '{ print $3 }' | tr , ' '); do
		case $address in
		198.18.0.* | 2001:2:0:1::*) ;;
		*:*) ip -n "$LAB_SRV" address add "$address/128" dev lo nodad || return 1 ;;
		*) ip -n "$LAB_SRV" address add "$address/32" dev lo || return 1 ;;
		esac
	done
}

internet_up() {
	local name program addresses zones
	LAB_ZONES=$INTERNET
	internet_addresses || return 1
	while read -r name program addresses zones; do
		# shellcheck disable=SC2086
		"lab_$program" "$name" --zones "${zones//,/ }" ${addresses//,/ } </dev/null || return 1
	done < <(internet_rows)
}

internet_hints() {
	awk '$1 == "$TTL" { ttl = $2 }
		/^[^ ;$]/ { owner = $1 }
		{ type = NF > 1 ? $(NF - 1) : "" }
		type == "NS" && owner == "." { print ".", ttl, "IN NS", $NF; is_server[$NF] = 1 }
		(type == "A" || type == "AAAA") && owner in is_server { print owner, ttl, "IN", type, $NF }' \
		"$INTERNET/root.zone" >"${1:-/dev/stdout}"
}

internet_config() {
	internet_hints "$LAB_DIR/root.hints"
	lab_sysctl "$LAB_DUT" net.ipv6.conf.default.disable_ipv6=0 net.ipv6.conf.default.accept_dad=0 || return 1
	{
		printf 'mode: iterate\nroot_hints: "%s"\n' "$LAB_DIR/root.hints"
		cat
	} | lab_config "$1.none"
	sed 's/kernel: none/kernel: tap/' "$1.none" >"$1"
}

internet_unbound() {
	cat >"$LAB_DIR/$1.conf" <<-CONF
		server:
		  directory: "$LAB_DIR"
		  chroot: ""
		  username: ""
		  pidfile: ""
		  use-syslog: no
		  logfile: "$LAB_DIR/$1.log"
		  interface: $2
		  interface: $3
		  access-control: 0.0.0.0/0 allow
		  access-control: ::/0 allow
		  module-config: "iterator"
		  root-hints: "$LAB_DIR/root.hints"
		  qname-minimisation: yes
		  minimal-responses: yes
		  local-zone: "18.198.in-addr.arpa." nodefault
		  local-zone: "2.0.0.0.1.0.0.2.ip6.arpa." nodefault
		remote-control:
		  control-enable: no
	CONF
	lab_start "$1" "$1" unbound -d -c "$LAB_DIR/$1.conf"
}

internet_named() {
	mkdir -p "$LAB_DIR/$1"
	cat >"$LAB_DIR/$1.conf" <<-CONF
		options {
			directory "$LAB_DIR/$1";
			pid-file none;
			listen-on { $2; };
			listen-on-v6 { $3; };
			allow-query { any; };
			recursion yes;
			allow-recursion { any; };
			dnssec-validation no;
			minimal-responses yes;
			qname-minimization relaxed;
		};
		controls { };
		zone "." { type hint; file "$LAB_DIR/root.hints"; };
	CONF
	lab_start "$1" "$1" named -g -n 1 -c "$LAB_DIR/$1.conf"
}

internet_resolver() {
	local program=$1 name=$2 v4=$3 v6=$4 namespace i
	namespace=$(lab_namespace "$name") || return 1
	ip -n "$namespace" address add "$v4/24" dev eth0 || return 1
	ip -n "$namespace" address add "$v6/64" dev eth0 nodad || return 1
	ip -n "$namespace" route add default via 198.18.0.1 || return 1
	ip -n "$namespace" -6 route add default via 2001:2:0:1::1 || return 1
	internet_hints "$LAB_DIR/root.hints"
	"internet_$program" "$name" "$v4" "$v6"
	for ((i = 0; i < 100; i++)); do
		lab_in cli dig -r +tries=1 +time=2 +noall +comments "@$v4" . SOA 2>/dev/null | grep -q NOERROR && return
		kill -0 "$LAB_PID" 2>/dev/null || break
		sleep 0.1
	done
	echo "lab: $program does not answer at $v4" >&2
	tail -n 20 "$LAB_DIR/$name.log" >&2
	return 1
}
