#!/bin/bash
# The BPF programs of a shared NIC, run by the kernel on crafted packets: what is Portico's and what is the kernel's.
here=$(cd "$(dirname "$0")" && pwd)
build=${BUILD_DIR:-$here/../../build}

[ "$(id -u)" -eq 0 ] || { echo "xdp_steer: BPF programs need root: sudo $0" >&2; exit 1; }
exec "$build/xdp_steer_run" "$build/portico_steer.bpf.o"
