#include "dpdk_app/telemetry_rows.h"

#include <assert.h>
#include <stdio.h>

#include "core/engine.h"

#define KEY_BYTES 16

static_assert(ENGINE_REPORT_END == TELEMETRY_CURSOR_END, "reports of engines end like all others");

struct rte_tel_data *telemetry_row_start(void)
{
	struct rte_tel_data *row = rte_tel_data_alloc();

	if (row != NULL)
		rte_tel_data_start_dict(row);
	return row;
}

void telemetry_row_add(struct rte_tel_data *data, unsigned idx, struct rte_tel_data *row)
{
	char key[KEY_BYTES];

	snprintf(key, sizeof(key), "%u", idx);
	rte_tel_data_add_dict_container(data, key, row, 0);
}

void telemetry_cursor_add(struct rte_tel_data *data, uint32_t next)
{
	rte_tel_data_add_dict_u64(data, "next", next);
	rte_tel_data_add_dict_u64(data, "more", next != TELEMETRY_CURSOR_END);
}
