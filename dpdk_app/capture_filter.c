#include "dpdk_app/capture_filter.h"

#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>

#include "dpdk_app/capture_params.h"

/* Loads from here on are not of the frame: Linux answers them with what it knows beside it (direction, interface). */
#define LOADS_BESIDE_FRAME 0xfffff000u

struct capture_filter {
	struct bpf_program program;
};

static bool is_load(const struct bpf_insn *i)
{
	return BPF_CLASS(i->code) == BPF_LD && BPF_MODE(i->code) == BPF_ABS;
}

/* What a worker must not run, though libpcap compiles it. NULL: nothing. */
static const char *find_unfit(const struct bpf_program *program)
{
	if (bpf_validate(program->bf_insns, (int)program->bf_len) == 0)
		return "the filter is too complex";
	for (unsigned n = 0; n < program->bf_len; n++) {
		const struct bpf_insn *i = &program->bf_insns[n];

		if (is_load(i) && i->k >= LOADS_BESIDE_FRAME)
			return "the filter asks for what is not in the frame (inbound, outbound)";
		if (i->code == (BPF_JMP | BPF_JA) && (int32_t)i->k < 0)
			return "the filter has a loop (protochain)";
	}
	return NULL;
}

static bool compile(struct capture_filter *f, const char *expression, char why[CAPTURE_WHY_BYTES])
{
	pcap_t *handle = pcap_open_dead(DLT_EN10MB, CAPTURE_SNAPLEN_MAX);
	const char *unfit = "out of memory";

	if (handle != NULL) {
		unfit = NULL;
		if (pcap_compile(handle, &f->program, expression, 1, PCAP_NETMASK_UNKNOWN) != 0)
			unfit = pcap_geterr(handle);
		else
			unfit = find_unfit(&f->program);
	}
	if (unfit != NULL)
		snprintf(why, CAPTURE_WHY_BYTES, "%s", unfit);
	if (handle != NULL)
		pcap_close(handle);
	return unfit == NULL;
}

struct capture_filter *capture_filter_make(const char *expression, char why[CAPTURE_WHY_BYTES])
{
	struct capture_filter *f = calloc(1, sizeof(*f));

	if (f == NULL) {
		snprintf(why, CAPTURE_WHY_BYTES, "out of memory");
		return NULL;
	}
	if (compile(f, expression, why))
		return f;
	capture_filter_free(f);
	return NULL;
}

void capture_filter_free(struct capture_filter *f)
{
	if (f == NULL)
		return;
	pcap_freecode(&f->program);
	free(f);
}

bool capture_filter_matches(const struct capture_filter *f, const uint8_t *frame,
			    uint32_t frame_bytes, uint32_t present_bytes)
{
	return bpf_filter(f->program.bf_insns, frame, frame_bytes, present_bytes) != 0;
}
