# To be sourced: how the stress programs are built and run, for run.sh and mutants.sh. `root` is the tree's top.
#   SUBJECT  inflight: the shared in-flight words; cache: the shared cache
#   VARIANT  release: as the released core, so that the compiler reorders what it may
#            tsan: gcc's ThreadSanitizer: it watches the C11 orders, whatever x86 adds to them
stress_warnings='-Wall -Wextra -Wshadow -Wconversion -Wswitch-enum -Wvla -Wundef -Wcast-qual -Wmissing-prototypes'
stress_inflight_tests='stress_inflight stress_quiet'
stress_inflight_core='inflight_words hash'
stress_cache_tests='stress_cache'
stress_cache_core='cache cache_index cache_flush cache_log'

# stress_build SUBJECT VARIANT TREE PROGRAM: with the core in TREE.
stress_build() {
	local tests=stress_$1_tests core=stress_$1_core variant=$2 tree=$3 program=$4 mode
	case $variant in
	release) mode='-O2 -g -fPIE -pie -Werror' ;;
	tsan) mode='-O1 -g -fPIE -pie -fsanitize=thread' ;;
	*) return 2 ;;
	esac
	# shellcheck disable=SC2086
	${CC:-gcc} -std=gnu17 $stress_warnings -march=x86-64-v2 -D_GNU_SOURCE $mode ${STRESS_FLAGS:-} \
		-I"$tree" -o "$program" $(printf "$root/tests/stress/%s.c " ${!tests}) \
		$(printf "$tree/core/%s.c " ${!core}) -pthread
}

# stress_run SUBJECT VARIANT PROGRAM CREW SECONDS SEED. CREW: of inflight, how many threads; of cache, how many writers and
# readers, as in 1+2. ThreadSanitizer's shadow memory collides with some layouts of a randomized address space
# (vm.mmap_rnd_bits), so it runs without, where that is allowed.
stress_run() {
	local subject=$1 variant=$2 program=$3 crew=$4 seconds=$5 seed=$6 fixed=() threads
	if [ "$variant" = tsan ] && setarch -R true 2>/dev/null; then
		fixed=(setarch -R)
	fi
	case $subject in
	inflight) threads=(--threads "$crew") ;;
	cache) threads=(--writers "${crew%+*}" --readers "${crew#*+}") ;;
	*) return 2 ;;
	esac
	TSAN_OPTIONS='halt_on_error=1 exitcode=66' timeout --kill-after=5 $((${seconds%.*} * 3 + 20)) \
		"${fixed[@]}" "$program" "${threads[@]}" --seconds "$seconds" --seed "$seed"
}
