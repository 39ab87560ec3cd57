#include "dpdk_app/telemetry_rows.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "core/engine.h"
#include "dpdk_app/log.h"

#define KEY_BYTES 16

static_assert(ENGINE_REPORT_END == TELEMETRY_CURSOR_END, "reports of engines end like all others");

bool telemetry_offer(const char *name, telemetry_cb on_command, const char *help)
{
	int error = rte_telemetry_register_cmd(name, on_command, help);

	if (error != 0)
		log_write(CONFIG_LOG_ERROR, "telemetry", "cannot offer command=%s error=\"%s\"",
			  name, strerror(-error));
	return error == 0;
}

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
