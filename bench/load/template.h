/* Questions for generated names, written by copying a finished frame and putting in what differs: source, ID, label. Sums
 * are kept ready too, so that a question costs tens of cycles instead of hundreds.
 *
 * Memory: a value of its user, 8 KiB. Threads: one user.
 */
#ifndef LOAD_TEMPLATE_H
#define LOAD_TEMPLATE_H

#include <stdbool.h>
#include <stdint.h>

#include "bench/load/link.h"
#include "bench/load/names.h"
#include "bench/load/options.h"

#define TEMPLATE_BYTES_MAX 160

struct template_frame {
	_Alignas(32) uint8_t bytes[TEMPLATE_BYTES_MAX];
	uint32_t ip_sum;  /* of the IPv4 header without its source */
	uint32_t udp_sum; /* of all that is fixed, with the pseudo header */
	uint16_t length_bytes;
};

/* By what query_kind says of the salt. */
#define TEMPLATE_KINDS 3

struct template
{
	bool usable; /* else questions must be built */
	struct template_frame frames[OPTIONS_VERSIONS][TEMPLATE_KINDS];
	uint32_t client_v4; /* the first client's address */
	uint16_t label_offset[OPTIONS_VERSIONS];
	uint16_t type_offset[OPTIONS_VERSIONS];
};

/* What differs. */
struct template_fields {
	uint64_t word; /* names_word */
	uint32_t salt;
	uint32_t client_idx;
	uint16_t port;
	uint16_t id;
	uint16_t qtype;
	enum options_version version;
};

/* The targets' MACs are known. */
void template_init(struct template *t, const struct options *options, const struct link *link);
/* The very frame that query_put and frame_build_udp make; output holds TEMPLATE_BYTES_MAX. Returns its length. */
unsigned template_put(const struct template *t, const struct options *options, uint8_t *output,
		      const struct template_fields *fields);

#endif
