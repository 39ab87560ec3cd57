/* A second frame_parse, slower and simpler, to compare the first with. */
#ifndef PORTICO_FRAME_REFERENCE_H
#define PORTICO_FRAME_REFERENCE_H

#include "core/frame.h"

MUST_USE enum frame_result frame_reference_parse(const struct frame_interface *interface,
						 struct span frame, uint16_t stripped_vlan,
						 struct frame_view *out);

#endif
