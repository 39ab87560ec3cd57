# Portico: one makefile, not recursive; everything it makes is under build/. `make help` lists targets.
#
#   build/TREE/       objects and libraries of a tree: release, debug, san, train (gcc), fuzz (clang)
#   build/portico     the release programs; those of other trees are build/TREE/portico ...

VERSION := 0.1.0

BUILD  ?= release
PREFIX ?= /usr/local
DEPS   ?= build,test,bench
FUZZ_S ?= 60
Q := $(if $(V),,@)

ifeq ($(filter $(BUILD),release debug san),)
$(error BUILD=$(BUILD): one of release, debug, san)
endif

.DELETE_ON_ERROR:
.SUFFIXES:
.SECONDARY:
MAKEFLAGS += --no-builtin-rules
SHELL := /bin/bash

# A command that is announced by one short line unless V=1: $(call say,CC)
say = $(if $(V),,@printf '  %-6s %s\n' '$(1)' '$@';)
# A variable that asks pkg-config once, when a recipe first needs it (after `deps` has run).
ask = $(eval $(1) := $(shell pkg-config $(2)))$($(1))

# --- flags -------------------------------------------------------------------------------------

WARNINGS := -Wall -Wextra -Wshadow -Wconversion -Wswitch-enum -Wvla -Wundef -Wcast-qual \
	-Wmissing-prototypes
# prefetchw: what workers pass each other, and words that they share, are fetched to be written to. Where a processor has none it does
# nothing.
ARCH := -march=x86-64-v2 -mprfchw

HARDEN := -fstack-protector-strong -fPIE
# core calls nothing but mem*, so that its checked variants (_FORTIFY_SOURCE) stay out of it.
FORTIFY_release := -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2
SANITIZE := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer

CC_release := gcc
CC_train   := gcc
CC_debug   := gcc
CC_san     := gcc
CC_fuzz    := clang
MODE_release := -O2 -g $(HARDEN) -Werror
MODE_train   := $(MODE_release)
MODE_debug   := -Og -g -DPORTICO_DEBUG $(HARDEN) -Werror
# Not -Werror: under sanitizers gcc knows less of a value's range and warns of conversions that lose nothing.
MODE_san     := -O1 -g -DPORTICO_DEBUG $(SANITIZE) -fPIE
MODE_fuzz    := -O1 -g -DPORTICO_DEBUG $(SANITIZE) -fsanitize=fuzzer-no-link
# What core is linked into to be fast (the program, the benches) is optimised over all its files (LTO_PROGRAM_*); all else
# links the same objects as they are (LTO_OTHER_*).
LTO_release := -flto=auto -ffat-lto-objects
LTO_PROGRAM_release := -O2 -flto=auto
LTO_OTHER_release := -fno-lto
LINK_release := -pie -Wl,-z,relro,-z,now
LINK_train   := -pie
LINK_debug   := $(LINK_release)
LINK_san     := -pie $(SANITIZE)
LINK_fuzz    := $(SANITIZE) -fsanitize=fuzzer

# core is compiled by how it behaves (PGO=0: by guesses): build/train, the same with counters, is run by what drives it without a
# network, for a known number of rounds. What never ran there is compiled as without. The counts are found by the names of their
# files, which static functions are known by as well.
PGO ?= 1
COUNTS = -dumpdir build/train/counts/ -dumpbase $*.c -dumpbase-ext .c
PROFILE_train   = -fprofile-generate $(COUNTS)
PROFILE_release = $(if $(filter 1,$(PGO)),-fprofile-use -fprofile-partial-training -Wmissing-profile $(COUNTS))
PROFILED_release := build/pgo $(if $(filter 1,$(PGO)),build/train/profile)

FYAML_CFLAGS = $(call ask,FYAML_CFLAGS,--cflags libfyaml)
FYAML_LIBS   = $(call ask,FYAML_LIBS,--libs libfyaml)
# DPDK's headers are system headers here (their warnings are not ours), and its -march gives way to ours.
DPDK_CFLAGS_RAW = $(call ask,DPDK_CFLAGS_RAW,--cflags libdpdk)
DPDK_CFLAGS = $(patsubst -I%,-isystem %,$(filter-out -march=%,$(DPDK_CFLAGS_RAW)))
DPDK_LIBS   = $(call ask,DPDK_LIBS,--libs libdpdk)
UV_LIBS     = $(call ask,UV_LIBS,--libs libuv)
APP_LIBS    = $(call ask,APP_LIBS,--libs libfyaml openssl libsystemd libpcap libbpf libmnl libmicrohttpd libuv)
# AddressSanitizer brings its own allocator.
JEMALLOC_LIBS = $(call ask,JEMALLOC_LIBS,--libs jemalloc)
ALLOCATOR_release = $(JEMALLOC_LIBS)
ALLOCATOR_debug   = $(JEMALLOC_LIBS)

CORE_FLAGS   := -std=c17 -Wpedantic $(WARNINGS) $(ARCH)
CONFIG_FLAGS  = -std=gnu17 $(WARNINGS) $(ARCH) -D_GNU_SOURCE -I. $(FYAML_CFLAGS)
TEST_FLAGS    = -std=gnu17 $(WARNINGS) $(ARCH) -D_GNU_SOURCE -I. -Itests/unit $(FYAML_CFLAGS)
CTL_FLAGS     = $(CONFIG_FLAGS) -DPORTICO_VERSION='"$(VERSION)"'
APP_FLAGS     = $(CTL_FLAGS) $(DPDK_CFLAGS) $(ARCH)
# The program for the kernel (XDP, tc), which becomes part of ours. clang knows asm/ only by the triplet.
BPF_OBJECT   := build/portico_steer.bpf.o
BPF_FLAGS     = -O2 -g -Wall -Wextra -Werror -target bpf -I/usr/include/$(shell gcc -print-multiarch)

# --- what there is -----------------------------------------------------------------------------

CORE   := $(wildcard core/*.c)
CONFIGURATION := $(wildcard config/*.c)
# porticoctl has no DPDK in it; of these, one is portico's too.
CTL_ALONE  := $(wildcard dpdk_app/porticoctl*.c dpdk_app/port_firewall.c dpdk_app/port_picture.c)
CTL_SHARED := $(wildcard dpdk_app/ports_audit_verdict.c)
CTL    := $(CTL_ALONE) $(CTL_SHARED)
APP    := $(filter-out $(CTL_ALONE) %.bpf.c,$(wildcard dpdk_app/*.c))
# Parts that a build for black-box tests of time has otherwise (TEST_HOOKS=1; dpdk_app/test_hooks.h).
HOOKED := $(shell grep -lE '(test_hooks|cache_clock)\.h"' $(APP))
UNIT   := $(wildcard tests/unit/*.c)
# Parts of the programs that call nothing of DPDK are unit-tested too.
UNIT_APP := $(patsubst %,dpdk_app/%.c,entropy_meter port_firewall port_picture ports_audit_verdict kernel_ports port_floor log cache_file \
	cache_flushed cache_flusher cache_lane nap_plan \
	kernel_path stream_counter stream_servers stream_server_link stream_server_peer stream_report stream_limits stream_message)
# What iterates can be played by a unit test (engine_sub_play.c).
UNIT_PLAYED = $(patsubst %,-Wl$(comma)--wrap=engine_iterate_%,begin join left on_sub cut)
FUZZ   := $(wildcard tests/fuzz/fuzz_*.c)
FUZZ_SHARED := $(filter-out $(FUZZ),$(wildcard tests/fuzz/*.c))
BENCH  := $(wildcard bench/bench_*.c)
LOAD   := $(wildcard bench/load/*.c)
STRESS_inflight := tests/stress/stress_inflight.c tests/stress/stress_quiet.c core/inflight_words.c core/hash.c
STRESS_cache    := tests/stress/stress_cache.c core/cache.c core/cache_index.c core/cache_flush.c core/cache_log.c
# Seeds of the simulator in `make test`; `make sim RUNS=` tries more.
SIM_RUNS ?= 300
SIM_SAN_RUNS ?= 40
# Engines on a simulated wire: the simulator's, the scenario runner's and the unit tests'.
WORLD  := $(wildcard tests/sim/world*.c)
# The player of scenarios (.rpl).
RPL    := $(wildcard tests/scenario/*.c)
SCENARIOS := $(wildcard tests/scenario/*.rpl)
AUTHORITY := tests/sim/authority.c tests/sim/tree.c
SIM    := $(filter-out $(WORLD),$(wildcard tests/sim/*.c))
MAN    := $(wildcard dpdk_app/man/*.[158])
EXAMPLES := $(wildcard config/*.yaml config/examples/*.yaml)
FORMATTED = $(shell find core config dpdk_app bench tests -name '*.[ch]')

bin_release := build
bin_debug   := build/debug
bin_san     := build/san
# $(call objects,TREE,SOURCES)
objects = $(patsubst %.c,build/$(1)/%.o,$(2))
# $(call hooked_objects,TREE): of the program with the hooks; $(call app_objects,TREE): with or without, as asked for.
hooked_objects = $(call objects,$(1),$(filter-out $(HOOKED),$(APP))) $(patsubst %.c,build/$(1)/hooks/%.o,$(HOOKED))
app_objects = $(if $(filter 1,$(TEST_HOOKS)),$(call hooked_objects,$(1)),$(call objects,$(1),$(APP)))
# Of the two the program has been made with one: it is made anew with the other.
HOOKS_STAMP := build/test_hooks.$(if $(filter 1,$(TEST_HOOKS)),on,off)
programs = $(if $(wildcard dpdk_app/main.c),$(bin_$(1))/portico) $(if $(CTL),$(bin_$(1))/porticoctl)
harnesses := $(patsubst tests/fuzz/%.c,build/fuzz/%,$(FUZZ))
benches := $(patsubst bench/%.c,build/bench/%,$(BENCH))
load := $(if $(LOAD),build/bench/load)
stress := $(foreach s,inflight cache,build/stress/stress_$(s) build/stress/stress_$(s)_tsan)
STRESS_ENV := STRESS_RELEASE=build/stress/stress_inflight STRESS_TSAN=build/stress/stress_inflight_tsan \
	STRESS_CACHE_RELEASE=build/stress/stress_cache STRESS_CACHE_TSAN=build/stress/stress_cache_tsan

# The sets of packages that the targets asked for need; only what is missing is installed.
comma := ,
NEEDS := build$(if $(filter test unit unit-bin stress smoke fuzz fuzz-bin lint fmt sim mutants scenario,$(MAKECMDGOALS)),$(comma)test)$(if \
	$(filter run,$(MAKECMDGOALS)),$(comma)run)$(if $(filter bench,$(MAKECMDGOALS)),$(comma)bench)

# --- targets -----------------------------------------------------------------------------------

.PHONY: FORCE all test unit unit-bin stress smoke sim mutants print-sim-objects scenario fuzz fuzz-bin lint bench run install fmt deps deps-needed clean help

all: $(call programs,$(BUILD)) build/$(BUILD)/libcore.a build/$(BUILD)/libconfig.a ## everything that is installed (default)

test: all $(load) $(stress) build/xdp_steer_run build/hooks/portico build/unit build/san/unit $(call programs,san) build/rplrun build/san/sim build/sim ## every test, as root: unit tests (release and san), scenarios, simulation, smoke tests, stress
	$(Q)$(STRESS_ENV) SCENARIO_RUN='make --no-print-directory scenario' \
		SIM_RUN='build/sim --runs $(SIM_RUNS)' SIM_SAN_RUN='build/san/sim --runs $(SIM_SAN_RUNS)' \
		tests/lab/suite.sh release=build/unit san=build/san/unit smoke scenario sim sim_san stress

unit: $(bin_$(BUILD))/unit ## only the unit tests, of BUILD
	$(Q)tests/lab/suite.sh $(BUILD)=$<

smoke: all $(load) build/xdp_steer_run build/hooks/portico ## only the smoke tests; SMOKE=name runs one, SMOKE="name workers=4 device=af_xdp" one variant
	$(Q)tests/lab/suite.sh smoke

stress: $(stress) ## in-flight words and cache: threads, ThreadSanitizer, mutants (SEED= STRESS_S=)
	$(Q)$(STRESS_ENV) tests/lab/suite.sh stress

unit-bin: build/unit build/san/unit
fuzz-bin: $(harnesses)

sim: $(bin_$(BUILD))/sim ## the deterministic simulation: RUNS= seeds from SEED= on (100 from 1), or one seed, told in full (SEED=)
	$(Q)$< $(if $(SEED),--seed $(SEED)) $(if $(RUNS),--runs $(RUNS),$(if $(SEED),--verbose,--runs 100))

mutants: build/sim ## does the simulator find mutations of core? (RUNS= seeds each)
	$(Q)tests/sim/mutants.py build/sim build/release/libcore.a $(if $(RUNS),--seeds $(RUNS))

print-sim-objects:
	@echo $(call objects,release,$(SIM) $(WORLD))

scenario: $(bin_$(BUILD))/rplrun ## the scenarios of tests/scenario, in simulated time, with four workers and with one (RPL_ARGS=)
	$(Q)tests/scenario/runner_test.sh $<
	$(Q)$< --strict --workers 4 --seed 2 $(RPL_ARGS) $(SCENARIOS)
	$(Q)$< --strict $(RPL_ARGS) $(SCENARIOS)

fuzz: $(harnesses) ## every fuzzer for FUZZ_S seconds; findings in build/fuzz/findings
	$(Q)tests/lab/fuzz.sh $(FUZZ_S) $(harnesses)

lint: all ## format, layers, lone headers, words, sizes, symbols, mutations that stand where they should
	$(Q)LINT_CORE_FLAGS='$(CORE_FLAGS)' LINT_CONFIG_FLAGS='$(CONFIG_FLAGS)' LINT_APP_FLAGS='$(subst ','\'',$(APP_FLAGS))' \
		tests/lint/run.sh

bench: all $(benches) $(load) ## every measurement that this machine can make, as root; report in build/bench/report (BENCH_ARGS=--quick)
	$(Q)PORTICO=$(bin_$(BUILD))/portico PORTICOCTL=$(bin_$(BUILD))/porticoctl LOAD=$(load) BENCHES='$(benches)' bench/run.sh $(BENCH_ARGS)

run: all ## Portico in a small internet of network namespaces, as root; CONFIG=FILE runs on yours; RUN_SECONDS=
	$(Q)PORTICO=$(bin_$(BUILD))/portico PORTICOCTL=$(bin_$(BUILD))/porticoctl \
		CONFIG='$(CONFIG)' RUN_SECONDS='$(RUN_SECONDS)' tests/lab/run.sh

install: all ## to $(DESTDIR)$(PREFIX)
	$(Q)install -d $(DESTDIR)$(PREFIX)/bin
	$(Q)$(foreach f,$(call programs,$(BUILD)),install -m 755 $f $(DESTDIR)$(PREFIX)/bin/ &&) true
	$(Q)$(foreach f,$(MAN),install -D -m 644 $f \
		$(DESTDIR)$(PREFIX)/share/man/man$(patsubst .%,%,$(suffix $f))/$(notdir $f) &&) true
	$(Q)$(foreach f,$(EXAMPLES),install -D -m 644 $f \
		$(DESTDIR)$(PREFIX)/share/doc/portico/examples/$(notdir $f) &&) true
	$(Q)$(foreach f,$(wildcard dpdk_app/portico.service),install -d $(DESTDIR)$(PREFIX)/lib/systemd/system && \
		sed 's,@PREFIX@,$(PREFIX),g' $f >$(DESTDIR)$(PREFIX)/lib/systemd/system/$(notdir $f) &&) true

fmt: deps-needed ## clang-format all C files in place
	$(Q)$(if $(FORMATTED),clang-format -i $(FORMATTED))

deps: ## install missing Debian packages: DEPS=build,test,bench
	$(Q)tests/lab/deps.sh $(DEPS)

deps-needed:
	$(Q)tests/lab/deps.sh $(NEEDS)

clean: ## remove build/
	$(Q)rm -rf build

help: ## this
	@sed -nE 's/^([a-z]+):[^#]*## (.*)/  make \1\t\2/p' Makefile | expand -t 18
	@echo 'Variables: BUILD=release|debug|san PGO=0 V=1 SEED= FUZZ_S= STRESS_S= SMOKE= TEST_HOOKS=1 DEPS= BENCH_ARGS= CONFIG= RUN_SECONDS= PREFIX= DESTDIR='

# --- rules, once for each tree -----------------------------------------------------------------

# $(call tree,TREE): objects and libraries.
define tree
build/$(1)/core/%.o: core/%.c $(PROFILED_$(1)) Makefile | deps-needed
	$$(call say,CC)mkdir -p $$(@D)
	$$(Q)$$(CC_$(1)) $$(CORE_FLAGS) $$(MODE_$(1)) $$(LTO_$(1)) $$(PROFILE_$(1)) -MMD -MP -MF $$(@:.o=.d) -c -o $$@ $$<

build/$(1)/config/%.o: config/%.c Makefile | deps-needed
	$$(call say,CC)mkdir -p $$(@D)
	$$(Q)$$(CC_$(1)) $$(CONFIG_FLAGS) $$(MODE_$(1)) $$(FORTIFY_$(1)) -MMD -MP -c -o $$@ $$<

$$(call objects,$(1),$$(CTL)): build/$(1)/%.o: %.c Makefile | deps-needed
	$$(call say,CC)mkdir -p $$(@D)
	$$(Q)$$(CC_$(1)) $$(CTL_FLAGS) $$(MODE_$(1)) $$(FORTIFY_$(1)) -MMD -MP -c -o $$@ $$<

build/$(1)/dpdk_app/%.o: dpdk_app/%.c Makefile | deps-needed
	$$(call say,CC)mkdir -p $$(@D)
	$$(Q)$$(CC_$(1)) $$(APP_FLAGS) $$(MODE_$(1)) $$(FORTIFY_$(1)) -MMD -MP -c -o $$@ $$<

build/$(1)/hooks/dpdk_app/%.o: dpdk_app/%.c Makefile | deps-needed
	$$(call say,CC)mkdir -p $$(@D)
	$$(Q)$$(CC_$(1)) $$(APP_FLAGS) -DPORTICO_TEST_HOOKS $$(MODE_$(1)) $$(FORTIFY_$(1)) -MMD -MP -c -o $$@ $$<

build/$(1)/dpdk_app/xdp_object.o: $(BPF_OBJECT)
build/$(1)/dpdk_app/xdp_object.o: APP_FLAGS += -DXDP_OBJECT='"\"$(BPF_OBJECT)\""'

build/$(1)/bench/load/%.o: bench/load/%.c Makefile | deps-needed
	$$(call say,CC)mkdir -p $$(@D)
	$$(Q)$$(CC_$(1)) $$(APP_FLAGS) $$(MODE_$(1)) $$(FORTIFY_$(1)) -MMD -MP -c -o $$@ $$<

build/$(1)/tests/%.o: tests/%.c Makefile | deps-needed
	$$(call say,CC)mkdir -p $$(@D)
	$$(Q)$$(CC_$(1)) $$(TEST_FLAGS) $$(MODE_$(1)) -MMD -MP -c -o $$@ $$<

# The directory is named too, so that a file that went away leaves the archive.
build/$(1)/libcore.a: $$(call objects,$(1),$$(CORE)) core
	$$(call say,AR)mkdir -p $$(@D) && rm -f $$@
	$$(Q)ar rcs $$@ $$(filter %.o,$$^)

build/$(1)/libconfig.a: $$(call objects,$(1),$$(CONFIGURATION)) config
	$$(call say,AR)mkdir -p $$(@D) && rm -f $$@
	$$(Q)ar rcs $$@ $$(filter %.o,$$^)

-include $$(patsubst %.o,%.d,$$(call objects,$(1),$$(CORE) $$(CONFIGURATION) $$(CTL) $$(APP) $$(addprefix hooks/,$$(HOOKED)) $$(UNIT) $$(WORLD) $$(SIM) $$(RPL) $$(FUZZ) $$(FUZZ_SHARED) $$(LOAD)))
endef

# $(call programs_of,TREE): programs and unit tests.
define programs_of
$$(bin_$(1))/portico: $$(call app_objects,$(1)) build/$(1)/libconfig.a build/$(1)/libcore.a $$(HOOKS_STAMP)
	$$(call say,LD)mkdir -p $$(@D)
	$$(Q)$$(CC_$(1)) $$(LINK_$(1)) $$(LTO_PROGRAM_$(1)) -o $$@ $$(filter-out $$(HOOKS_STAMP),$$^) $$(ALLOCATOR_$(1)) -Wl,--as-needed $$(DPDK_LIBS) $$(APP_LIBS) -lldns -lm -pthread

$$(bin_$(1))/porticoctl: $$(call objects,$(1),$$(CTL)) build/$(1)/libconfig.a build/$(1)/libcore.a
	$$(call say,LD)mkdir -p $$(@D)
	$$(Q)$$(CC_$(1)) $$(LINK_$(1)) $$(LTO_OTHER_$(1)) -o $$@ $$^ -Wl,--as-needed -lldns $$(FYAML_LIBS) -lm

$$(bin_$(1))/unit: $$(call objects,$(1),$$(UNIT) $$(UNIT_APP) $$(WORLD) $$(AUTHORITY)) build/$(1)/libconfig.a build/$(1)/libcore.a
	$$(call say,LD)mkdir -p $$(@D)
	$$(Q)$$(CC_$(1)) $$(LINK_$(1)) $$(LTO_OTHER_$(1)) $(UNIT_PLAYED) -o $$@ $$^ -Wl,--as-needed -lcunit -lldns -lcrypto $$(UV_LIBS) $$(FYAML_LIBS) -lm -pthread

$$(bin_$(1))/sim: $$(call objects,$(1),$$(SIM) $$(WORLD)) build/$(1)/libcore.a
	$$(call say,LD)mkdir -p $$(@D)
	$$(Q)$$(CC_$(1)) $$(LINK_$(1)) $$(LTO_OTHER_$(1)) -o $$@ $$^ -Wl,--as-needed -lldns

$$(bin_$(1))/rplrun: $$(call objects,$(1),$$(RPL) $$(WORLD)) build/$(1)/libcore.a
	$$(call say,LD)mkdir -p $$(@D)
	$$(Q)$$(CC_$(1)) $$(LINK_$(1)) $$(LTO_OTHER_$(1)) -o $$@ $$^ -Wl,--as-needed -lldns
endef

$(foreach t,release debug san fuzz train,$(eval $(call tree,$t)))
$(foreach t,release debug san,$(eval $(call programs_of,$t)))

# Hits, misses and iteration by the benches, and by the simulator a little of everything that goes wrong. All of core is in it, so
# that each file has its counts.
TRAINERS := $(patsubst %,build/train/%,bench_iterate bench_engine bench_engine_hit sim)
build/train/sim: $(call objects,train,$(SIM) $(WORLD)) build/train/libcore.a
	$(call say,LD)
	$(Q)$(CC_train) $(LINK_train) -o $@ $(filter-out %.a,$^) -Wl,--whole-archive build/train/libcore.a -Wl,--no-whole-archive -Wl,--as-needed -lldns -lgcov

build/train/bench_%: bench/bench_%.c build/train/libcore.a Makefile
	$(call say,CC)
	$(Q)$(CC_train) $(TEST_FLAGS) $(MODE_train) $(LINK_train) -MMD -MP -o $@ $< build/train/libcore.a -Wl,--as-needed -lcrypto -lm -pthread -lgcov

-include $(patsubst %,%.d,$(filter-out %/sim,$(TRAINERS)))

# What the simulator finds is for the tests to say.
build/train/profile: $(TRAINERS)
	$(call say,TRAIN)rm -rf build/train/counts && mkdir -p build/train/counts
	$(Q)(build/train/bench_engine_hit 10 --entries 100000 && build/train/bench_engine 10 --workers 1 --no-bounce && \
		build/train/bench_iterate 3 --only known && build/train/bench_iterate 3 --only cold && \
		(build/train/sim --runs 10 --no-shrink || true)) >build/train/log || \
		(cat build/train/log && echo 'training failed; PGO=0 does without' && false)
	$(Q)touch $@

# What core has been compiled with; written when that changes.
build/pgo: FORCE
	$(Q)mkdir -p $(@D) && { cmp -s $@ - || echo $(PGO) >$@; } <<<$(PGO)

# For the smoke test of the hooks.
build/hooks/portico: $(call hooked_objects,release) build/release/libconfig.a build/release/libcore.a
	$(call say,LD)mkdir -p $(@D)
	$(Q)$(CC_release) $(LINK_release) $(LTO_PROGRAM_release) -o $@ $^ $(ALLOCATOR_release) -Wl,--as-needed $(DPDK_LIBS) $(APP_LIBS) -lldns -lm -pthread

build/test_hooks.on build/test_hooks.off:
	$(Q)mkdir -p $(@D) && rm -f build/test_hooks.* && touch $@

$(BPF_OBJECT): dpdk_app/portico_steer.bpf.c Makefile | deps-needed
	$(call say,BPF)mkdir -p $(@D)
	$(Q)clang $(BPF_FLAGS) -MMD -MP -c -o $@ $<

-include $(BPF_OBJECT:.o=.d)

# The kernel runs that program on crafted packets, for the smoke test of it.
build/xdp_steer_run: tests/smoke/xdp_steer_run.c $(BPF_OBJECT) Makefile | deps-needed
	$(call say,CC)mkdir -p $(@D)
	$(Q)$(CC_release) $(CONFIG_FLAGS) $(MODE_release) $(LINK_release) -MMD -MP -MF $@.d -o $@ $< -lbpf

-include build/xdp_steer_run.d

build/fuzz/fuzz_%: build/fuzz/tests/fuzz/fuzz_%.o $(call objects,fuzz,$(FUZZ_SHARED)) build/fuzz/libconfig.a build/fuzz/libcore.a
	$(call say,LD)mkdir -p $(@D)
	$(Q)$(CC_fuzz) $(LINK_fuzz) -o $@ -Wl,--start-group $^ -Wl,--end-group -Wl,--as-needed -lldns -lcrypto $(FYAML_LIBS) -lm -pthread

# These are about parts of the program, and of what it is tested with.
build/fuzz/fuzz_cache_file: build/fuzz/dpdk_app/cache_file.o
build/fuzz/fuzz_iterate: $(call objects,fuzz,$(WORLD))

MODE_tsan := -O1 -g -fPIE -pie -fsanitize=thread

# $(call stress_of,SUBJECT)
define stress_of
build/stress/stress_$(1): $$(STRESS_$(1)) Makefile | deps-needed
	$$(call say,CC)mkdir -p $$(@D)
	$$(Q)$$(CC_release) $$(TEST_FLAGS) $$(MODE_release) $$(LINK_release) -MMD -MP -MF $$@.d -o $$@ $$(STRESS_$(1)) -pthread

build/stress/stress_$(1)_tsan: $$(STRESS_$(1)) Makefile | deps-needed
	$$(call say,CC)mkdir -p $$(@D)
	$$(Q)$$(CC_release) $$(TEST_FLAGS) $$(MODE_tsan) -MMD -MP -MF $$@.d -o $$@ $$(STRESS_$(1)) -pthread
endef

$(foreach s,inflight cache,$(eval $(call stress_of,$s)))

-include $(wildcard build/stress/*.d)

build/bench/%: bench/%.c build/release/libcore.a Makefile
	$(call say,CC)mkdir -p $(@D)
	$(Q)$(CC_release) $(TEST_FLAGS) $(MODE_release) $(LINK_release) $(LTO_PROGRAM_release) -MMD -MP -o $@ $< build/release/libcore.a -Wl,--as-needed -lcrypto -lm -pthread

build/bench/load: $(call objects,release,$(LOAD)) build/release/libcore.a
	$(call say,LD)mkdir -p $(@D)
	$(Q)$(CC_release) $(LINK_release) $(LTO_OTHER_release) -o $@ $^ -Wl,--as-needed $(DPDK_LIBS) -lm -pthread

-include $(patsubst %,%.d,$(benches))
