#include "dpdk_app/nap_plan.h"

/* What a gathering nap must bring to be worth its wake-up. */
#define GATHERED_MIN 2
/* So many packets within NAP_PLAN_GATHER_NS begin it, and fewer than so many end it. */
#define DENSE_FROM 2
#define DENSE_UNTIL 1
/* Eighths of the time that are busy. */
#define LOADED_FROM 4
#define LOADED_UNTIL 3

void nap_plan_init(struct nap_plan *p, mono_ns now)
{
	*p = (struct nap_plan){
		.window_start = now,
		.put_off_ns = NAP_PLAN_PUT_OFF_MIN_NS,
		.gather_from = now,
	};
}

static void close_window(struct nap_plan *p, mono_ns now)
{
	uint64_t length_ns = now > p->window_start ? now - p->window_start : 0;

	if (length_ns < NAP_PLAN_WINDOW_NS)
		return;
	p->loaded = p->busy_ns * 8 >= length_ns * (p->loaded ? LOADED_UNTIL : LOADED_FROM);
	p->dense = p->packets * NAP_PLAN_GATHER_NS >=
		   length_ns * (p->dense ? DENSE_UNTIL : DENSE_FROM);
	p->window_start = now;
	p->busy_ns = 0;
	p->packets = 0;
}

static void judge_gathering(struct nap_plan *p, mono_ns now, unsigned packets)
{
	if (!p->gathered)
		return;
	p->gathered = false;
	if (packets >= GATHERED_MIN) {
		p->put_off_ns = NAP_PLAN_PUT_OFF_MIN_NS;
		return;
	}
	p->gather_from = now + p->put_off_ns;
	if (p->put_off_ns < NAP_PLAN_PUT_OFF_MAX_NS)
		p->put_off_ns *= 2;
}

void nap_plan_moved(struct nap_plan *p, mono_ns start, mono_ns end, unsigned packets)
{
	judge_gathering(p, end, packets);
	p->busy_ns += end > start ? end - start : 0;
	p->packets += packets;
	close_window(p, end);
}

enum nap_kind nap_plan_choose(struct nap_plan *p, mono_ns now)
{
	judge_gathering(p, now, 0);
	close_window(p, now);
	if (p->loaded)
		return NAP_SPIN;
	return p->dense && now >= p->gather_from ? NAP_GATHER : NAP_SLEEP;
}

void nap_plan_gathered(struct nap_plan *p)
{
	p->gathered = true;
}
