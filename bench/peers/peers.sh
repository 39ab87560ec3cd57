# The other resolvers, each forwarding everything to $UPSTREAM, one worker, answering at $ADDRESS in a namespace. Sourced by
# bench/rig_d.sh.
#
# peer_program NAME        its program, or nothing where it is not installed
# peer_version NAME
# peer_configure NAME DIR  writes its configuration to DIR
# peer_command NAME DIR    the command that runs it in the foreground, a word a line
# Caches are large enough for a million names; validation, logs and health checks of names that are not there are off.

DNSMASQ_ENTRIES=1000000
PEERS="unbound bind knot-resolver pdns-recursor dnsdist dnsmasq"

peer_program() {
	case $1 in
	unbound) command -v unbound ;;
	bind) command -v named ;;
	knot-resolver) command -v kresd ;;
	pdns-recursor) command -v pdns_recursor ;;
	dnsdist) command -v dnsdist ;;
	dnsmasq) command -v dnsmasq ;;
	esac
}

peer_version() {
	case $1 in
	unbound) unbound -V | sed -n '1s/Version //p' ;;
	bind) named -v | sed -n 's/BIND \([^ ]*\).*/\1/p' ;;
	knot-resolver) kresd --version | sed -n 's/.*version //p' ;;
	pdns-recursor) pdns_recursor --version 2>&1 | sed -nE 's/.*Recursor ([0-9.]+).*/\1/p' ;;
	dnsdist) dnsdist --version | sed -nE '1s/dnsdist ([0-9.]+).*/\1/p' ;;
	dnsmasq) dnsmasq --version | sed -nE '1s/.*version ([^ ]+).*/\1/p' ;;
	esac
}

peer_configure() {
	case $1 in
	unbound)
		cat >"$2/unbound.conf" <<-CONF
			server:
			  num-threads: 1
			  interface: $ADDRESS
			  access-control: 198.18.0.0/15 allow
			  do-ip6: no
			  do-daemonize: no
			  username: ""
			  chroot: ""
			  directory: "$2"
			  pidfile: ""
			  use-syslog: no
			  verbosity: 0
			  module-config: "iterator"
			  msg-cache-size: 512m
			  rrset-cache-size: 1g
			  num-queries-per-thread: 4096
			  outgoing-range: 8192
			  so-rcvbuf: 8m
			remote-control:
			  control-enable: no
			forward-zone:
			  name: "."
			  forward-addr: $UPSTREAM
		CONF
		;;
	bind)
		cat >"$2/named.conf" <<-CONF
			options {
			  directory "$2";
			  pid-file none;
			  session-keyfile none;
			  listen-on { $ADDRESS; };
			  listen-on-v6 { none; };
			  allow-query { any; };
			  recursion yes;
			  allow-recursion { any; };
			  recursive-clients 10000;
			  forward only;
			  forwarders { $UPSTREAM; };
			  dnssec-validation no;
			  max-cache-size 1g;
			  empty-zones-enable no;
			};
			controls { };
		CONF
		;;
	knot-resolver)
		cat >"$2/kresd.conf" <<-CONF
			net.ipv6 = false
			net.listen('$ADDRESS', 53, { kind = 'dns' })
			log_level('crit')
			trust_anchors.remove('.')
			cache.size = 1024 * MB
			policy.add(policy.all(policy.STUB({'$UPSTREAM'})))
		CONF
		;;
	dnsdist)
		cat >"$2/dnsdist.conf" <<-CONF
			setLocal('$ADDRESS:53')
			setACL({'198.18.0.0/15'})
			newServer({address = '$UPSTREAM:53', sockets = 16})
			getServer(0):setUp()
			getPool(''):setCache(newPacketCache(2000000, {maxTTL = 86400}))
			setSecurityPollSuffix('')
		CONF
		;;
	esac
}

peer_command() {
	case $1 in
	unbound) printf '%s\n' unbound -d -c "$2/unbound.conf" ;;
	bind) printf '%s\n' named -f -n 1 -c "$2/named.conf" ;;
	knot-resolver) printf '%s\n' kresd -n -q -c "$2/kresd.conf" "$2" ;;
	pdns-recursor)
		printf '%s\n' pdns_recursor --config-dir="$2" --daemon=no --threads=1 --pdns-distributes-queries=no \
			--socket-dir="$2" --local-address="$ADDRESS" --allow-from=198.18.0.0/15 --forward-zones-recurse=.="$UPSTREAM" \
			--dnssec=off --quiet=yes --loglevel=2 --disable-syslog=yes --security-poll-suffix= \
			--max-cache-entries=2000000 --max-packetcache-entries=2000000 --packetcache-ttl=86400 --setuid= --setgid= \
			--max-mthreads=8192 --write-pid=no --dont-query=
		;;
	dnsdist) printf '%s\n' dnsdist --supervised --disable-syslog -C "$2/dnsdist.conf" ;;
	dnsmasq)
		printf '%s\n' dnsmasq -k --conf-file=/dev/null --no-resolv --no-hosts --server="$UPSTREAM" \
			--listen-address="$ADDRESS" --bind-interfaces --cache-size=$DNSMASQ_ENTRIES --dns-forward-max=10000 --user=root \
			--pid-file= --log-facility=/dev/null
		;;
	esac
}
