#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "build.h"
#include "core/root_hints.h"
#include "hints_file.h"

void build_mode(struct build *b)
{
	b->config->mode = (enum config_mode)settings_word(&b->settings->top, "mode");
}

/* ---- the file ---- */

static bool read_all(int fd, char *text, size_t text_bytes)
{
	for (size_t used = 0; used < text_bytes;) {
		ssize_t got = read(fd, text + used, text_bytes - used);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0) {
			errno = got < 0 ? errno : EIO; /* it became shorter */
			return false;
		}
		used += (size_t)got;
	}
	return true;
}

/* Its text, in the scratch, or NULL with the reason. */
static const char *read_open(struct build *b, int fd, size_t *text_bytes, const char **why)
{
	struct stat status;
	char *text;

	if (fstat(fd, &status) != 0) {
		*why = strerror(errno);
		return NULL;
	}
	if (!S_ISREG(status.st_mode)) {
		*why = "it is not a regular file";
		return NULL;
	}
	if (status.st_size > (off_t)HINTS_FILE_BYTES_MAX) {
		*why = "it is too long, allowed: 8 MiB";
		return NULL;
	}
	*text_bytes = (size_t)status.st_size;
	text = scratch_take(b->scratch, *text_bytes + 1);
	if (read_all(fd, text, *text_bytes))
		return text;
	*why = strerror(errno);
	return NULL;
}

static const char *read_file(struct build *b, const char *file, size_t *text_bytes,
			     const char **why)
{
	/* Without waiting for a writer, if it is a pipe. */
	int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	const char *text;

	if (fd < 0) {
		*why = strerror(errno);
		return NULL;
	}
	text = read_open(b, fd, text_bytes, why);
	close(fd);
	return text;
}

static void refuse(struct build *b, const struct item *item, const struct hints_wrong *wrong,
		   const char *remedy)
{
	const struct group *top = &b->settings->top;
	const struct setting *hints = settings_find(top, "root_hints");
	char quote[PROBLEMS_QUOTE_BYTES];

	problems_quote(quote, item->as.text, strlen(item->as.text));
	if (wrong->line != 0)
		settings_error(b->problems, top, hints, item, "%s:%u: %s%s", quote, wrong->line,
			       wrong->text, remedy);
	else
		settings_error(b->problems, top, hints, item, "%s: %s%s", quote, wrong->text,
			       remedy);
}

/* False: reported. */
static bool take_file(struct build *b, const struct item *item, struct zone_cut *out)
{
	struct hints_wrong wrong = {0};
	const char *why = NULL;
	size_t text_bytes = 0;
	const char *text = read_file(b, item->as.text, &text_bytes, &why);

	if (text == NULL)
		snprintf(wrong.text, sizeof(wrong.text), "cannot be read: %s", why);
	else if (hints_file_parse(text, text_bytes, out, &wrong))
		return true;
	refuse(b, item, &wrong, "; allowed: NS, A and AAAA records in zone format, or builtin");
	return false;
}

/* ---- what it says ---- */

static void server_text(const struct zone_cut *cut, unsigned server_idx,
			char out[NAME_TEXT_BYTES_MAX])
{
	struct name name;

	zone_cut_server_name(cut, server_idx, &name);
	name_to_text(&name, out);
}

/* False: reported. */
static bool check_addresses(struct build *b, const struct item *item, const struct zone_cut *cut)
{
	bool ok = true;

	for (unsigned i = 0; i < cut->address_count; i++) {
		const struct zone_cut_address *a = &cut->addresses[i];
		const char *fault = build_server_fault(b, &a->endpoint);
		struct hints_wrong wrong = {0};
		char server[NAME_TEXT_BYTES_MAX], text[TEXT_ADDRESS_BYTES];

		if (fault == NULL)
			continue;
		server_text(cut, a->server, server);
		snprintf(wrong.text, sizeof(wrong.text), "%.40s: %s %s", server,
			 text_value_of_address(&a->endpoint.address, text), fault);
		refuse(b, item, &wrong, "");
		ok = false;
	}
	return ok;
}

static void warn_of_nameless(struct build *b, const struct item *item, const struct zone_cut *cut)
{
	const struct group *top = &b->settings->top;

	for (unsigned i = 0; i < cut->server_count; i++) {
		char server[NAME_TEXT_BYTES_MAX];

		if (cut->servers[i].has_addresses)
			continue;
		server_text(cut, i, server);
		settings_warning(b->problems, top, settings_find(top, "root_hints"), item,
				 "no address of %s is in the file", server);
	}
}

/* Names that go elsewhere need no root. */
static bool has_root_zone(const struct config *c)
{
	/* The root has the fewest labels: it is the last. */
	return c->forward_count > 0 &&
	       name_label_count(&c->forwards[c->forward_count - 1].zone) == 0;
}

static void check_ways(struct build *b)
{
	const struct group *top = &b->settings->top;
	const struct setting *hints = settings_find(top, "root_hints");
	const struct zone_cut *cut = &b->config->root_hints;

	for (unsigned i = 0; i < cut->address_count; i++) {
		if (build_way_fault(b, &cut->addresses[i].endpoint) == NULL)
			return;
	}
	settings_error(b->problems, top, hints->given ? hints : settings_find(top, "mode"), NULL,
		       "no server of the root can be reached: no interface with an outgoing "
		       "address of its family has it on its link, or a gateway of that family; "
		       "allowed: a gateway, or mode: forward");
}

/* ---- both ---- */

static void check_use(struct build *b, bool has_file)
{
	const struct group *top = &b->settings->top;
	const struct setting *hints = settings_find(top, "root_hints");
	bool used = b->config->mode == CONFIG_MODE_ITERATE && !has_root_zone(b->config);

	if (settings_find(top, "mode")->broken)
		return;
	if (used)
		check_ways(b);
	else if (has_file)
		settings_warning(b->problems, top, hints, NULL, "is not used: %s",
				 b->config->mode == CONFIG_MODE_ITERATE
					 ? "a zone \".\" has all names"
					 : "mode is forward");
}

void build_hints(struct build *b)
{
	const struct item *item = settings_item(&b->settings->top, "root_hints");
	struct zone_cut *cut = &b->config->root_hints;
	bool has_file = item != NULL && item->word < 0;

	root_hints_builtin(cut);
	if (has_file) {
		if (!take_file(b, item, cut) || !check_addresses(b, item, cut))
			return;
		warn_of_nameless(b, item, cut);
	}
	check_use(b, has_file);
}
