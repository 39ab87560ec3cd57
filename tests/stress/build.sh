# To be sourced: how the stress is built and run, for run.sh and mutants.sh. `root` is the tree's top.
#   release  as the released core, so that the compiler reorders what it may
#   tsan     gcc's ThreadSanitizer: it watches the C11 orders, whatever x86 adds to them
stress_warnings='-Wall -Wextra -Wshadow -Wconversion -Wswitch-enum -Wvla -Wundef -Wcast-qual -Wmissing-prototypes'

# stress_build VARIANT TREE PROGRAM: with the core in TREE.
stress_build() {
	local variant=$1 tree=$2 program=$3 mode
	case $variant in
	release) mode='-O2 -g -fPIE -pie -Werror' ;;
	tsan) mode='-O1 -g -fPIE -pie -fsanitize=thread' ;;
	*) return 2 ;;
	esac
	# shellcheck disable=SC2086
	${CC:-gcc} -std=gnu17 $stress_warnings -march=x86-64-v2 -D_GNU_SOURCE $mode ${STRESS_FLAGS:-} \
		-I"$tree" -o "$program" \
		"$root"/tests/stress/*.c "$tree/core/inflight_words.c" "$tree/core/hash.c" -pthread
}

# stress_run VARIANT PROGRAM THREADS SECONDS SEED. ThreadSanitizer's shadow memory collides with some layouts of
# a randomized address space (vm.mmap_rnd_bits), so it runs without, where that is allowed.
stress_run() {
	local variant=$1 program=$2 threads=$3 seconds=$4 seed=$5 fixed=()
	if [ "$variant" = tsan ] && setarch -R true 2>/dev/null; then
		fixed=(setarch -R)
	fi
	TSAN_OPTIONS='halt_on_error=1 exitcode=66' timeout --kill-after=5 $((${seconds%.*} * 3 + 20)) \
		"${fixed[@]}" "$program" --threads "$threads" --seconds "$seconds" --seed "$seed"
}
