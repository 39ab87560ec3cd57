#include <langinfo.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dpdk_app/port_picture.h"
#include "dpdk_app/porticoctl_pages.h"
#include "dpdk_app/porticoctl_ports.h"
#include "dpdk_app/porticoctl_ports_space.h"

static bool is_set(const char *variable)
{
	const char *value = getenv(variable);

	return value != NULL && value[0] != '\0';
}

static struct port_picture_style choose_style(const struct porticoctl_options *o)
{
	const char *terminal = getenv("TERM");
	bool utf8 = setlocale(LC_CTYPE, "") != NULL && strcmp(nl_langinfo(CODESET), "UTF-8") == 0;

	return (struct port_picture_style){
		.ascii = !utf8 || porticoctl_options_has(o, PORTICOCTL_ASCII),
		.colour = isatty(STDOUT_FILENO) && !is_set("NO_COLOR") && terminal != NULL &&
			  strcmp(terminal, "dumb") != 0,
	};
}

/* False: the reply is not what it should be. */
static bool read_numbers(struct fy_node *body, const char *key, uint32_t *out, unsigned count)
{
	struct fy_node *list = fy_node_mapping_lookup_by_string(body, key, strlen(key));
	struct fy_node *item;
	void *at = NULL;
	unsigned read = 0;

	while (list != NULL && read < count &&
	       (item = fy_node_sequence_iterate(list, &at)) != NULL) {
		size_t length = 0;
		const char *text = fy_node_get_scalar(item, &length);

		/* The scalar ends where JSON goes on: with a comma or a bracket. */
		out[read++] = text != NULL ? (uint32_t)strtoul(text, NULL, 10) : 0;
	}
	return read == count;
}

static bool load_use(const struct porticoctl_socket *s, unsigned outgoing_idx,
		     struct port_picture *picture)
{
	const unsigned half = PORT_PICTURE_BLOCKS / 2;
	struct porticoctl_reply reply;
	bool good;

	if (!porticoctl_socket_ask(s, "ports_use", outgoing_idx, &reply))
		return false;
	good = read_numbers(reply.body, "low", picture->under_way, half) &&
	       read_numbers(reply.body, "high", picture->under_way + half, half);
	porticoctl_reply_free(&reply);
	if (!good)
		fprintf(stderr, "porticoctl: ports_use: not %u numbers twice\n", half);
	return good;
}

bool porticoctl_ports_picture(const struct porticoctl_socket *s, const struct porticoctl_options *o,
			      const char *const args[])
{
	struct port_picture_style style = choose_style(o);
	struct port_picture *picture = malloc(sizeof(*picture));
	struct porticoctl_space *space = picture != NULL ? porticoctl_space_load(s) : NULL;
	bool good = space != NULL;

	(void)args;
	for (unsigned i = 0; good && i < space->outgoing_count; i++) {
		memcpy(picture->verdict, space->outgoing[i].verdict, sizeof(picture->verdict));
		picture->drawn = space->outgoing[i].drawn;
		good = load_use(s, i, picture);
		if (!good)
			break;
		printf("%s%s\n", i > 0 ? "\n" : "", space->outgoing[i].address);
		port_picture_print(stdout, picture, &style);
	}
	free(space);
	free(picture);
	return good;
}
