/* What is on our end of the link: a gateway, servers and very many clients, all with one MAC; and the tested program,
 * whose MAC is asked for.
 *
 * Memory: a value of its user. Threads: one user. RFCs: 826, 4861, through core/frame.h.
 */
#ifndef LOAD_LINK_H
#define LOAD_LINK_H

#include <stdbool.h>
#include <stdint.h>

#include "bench/load/options.h"
#include "core/frame.h"

#define LINK_MTU_BYTES 1500

enum link_owner { LINK_NOBODY, LINK_CLIENT, LINK_SERVER, LINK_GATEWAY };

struct link {
	const struct options *options;
	struct mac mac;
	struct mac target_macs[OPTIONS_VERSIONS];
	bool target_known[OPTIONS_VERSIONS];
	struct frame_interface interface; /* with the one address that the frame at hand is for */
};

void link_init(struct link *l, const struct options *options, const struct mac *mac);

/* Client idx's address. */
struct address link_client(const struct link *l, uint32_t idx, enum options_version version);
/* Whose address is it? *idx: the client's or server's. */
enum link_owner link_owner(const struct link *l, const struct address *a, uint32_t *idx);

/* UDP from a target's port 53 to a client, without VLAN, options or fragments. */
struct link_plain {
	uint32_t client_idx;
	enum options_version version;
	uint16_t dst_port;
	struct span payload;
};
/* A received frame (untrusted) in a few cycles: no checksum is looked at. False: anything else. */
MUST_USE bool link_parse_plain(const struct link *l, struct span frame, struct link_plain *out);
/* A received frame (untrusted), as core parses it for whichever of our addresses it is for. */
MUST_USE enum frame_result link_parse(struct link *l, struct span frame, struct frame_view *out);
/* The answer to an ARP request or solicitation that link_parse just took, over the frame itself. Returns its length,
 * 0: there is none. */
unsigned link_answer(struct link *l, struct buffer frame, const struct frame_view *view);
/* An ARP reply or advertisement that link_parse just took. */
void link_learn(struct link *l, const struct frame_view *view);
/* Ask for the target's MAC. Returns the frame's length, 0: there is nothing to ask. */
unsigned link_solicit(struct link *l, struct buffer frame, enum options_version version);
/* Are the MACs known of all targets that will be asked? */
bool link_is_ready(const struct link *l);

#endif
