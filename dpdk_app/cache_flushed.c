#include "dpdk_app/cache_flushed.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/cache_flush.h"
#include "dpdk_app/cache_file.h"
#include "dpdk_app/log.h"

#define SUFFIX ".flushed"
#define LINE_BYTES (NAME_TEXT_BYTES_MAX + 16)

/* False: too long. */
static bool list_path(const char *path, char out[PATH_MAX])
{
	int length = snprintf(out, PATH_MAX, "%s%s", path, SUFFIX);

	return length > 0 && length < PATH_MAX;
}

/* ---- writing ---- */

/* False: errno. */
static bool append(const char *list, const char *line, size_t length)
{
	int fd = open(list, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY,
		      S_IRUSR | S_IWUSR);
	struct stat status;
	ssize_t put;
	bool ok;

	if (fd < 0)
		return false;
	ok = fstat(fd, &status) == 0;
	if (ok && !S_ISREG(status.st_mode)) {
		errno = EINVAL;
		ok = false;
	}
	if (ok && status.st_size < CACHE_FLUSHED_BYTES_MAX) {
		put = write(fd, line, length);
		if (put >= 0 && (size_t)put < length)
			errno = ENOSPC;
		ok = put == (ssize_t)length && fsync(fd) == 0;
		if (status.st_size == 0)
			cache_file_sync_directory(list);
	}
	close(fd);
	return ok;
}

/* Nothing may come back from it. */
static void give_up(const char *path, int error)
{
	bool gone = unlink(path) == 0 || errno == ENOENT;

	cache_file_sync_directory(path);
	log_write(gone ? CONFIG_LOG_WARNING : CONFIG_LOG_ERROR, "cache",
		  "flush not noted beside file=%s error=\"%s\": %s", path, strerror(error),
		  gone ? "the file is deleted, the next save makes it anew"
		       : "it cannot be deleted either; delete it, lest what is flushed comes back");
}

void cache_flushed_note(const char *path, const struct name *name, bool below, uint16_t qtype)
{
	char list[PATH_MAX], line[LINE_BYTES], text[NAME_TEXT_BYTES_MAX];
	int length;

	(void)name_to_text(name, text);
	length = snprintf(line, sizeof(line), "%s %u %s\n", below ? "zone" : "name", qtype, text);
	if (!list_path(path, list))
		give_up(path, ENAMETOOLONG);
	else if (!append(list, line, (size_t)length))
		give_up(path, errno);
}

void cache_flushed_forget(const char *path)
{
	char list[PATH_MAX];

	if (list_path(path, list) && unlink(list) != 0 && errno != ENOENT)
		log_write(CONFIG_LOG_WARNING, "cache", "cannot delete file=%s error=\"%s\"", list,
			  strerror(errno));
}

/* ---- reading ---- */

/* Does the word begin the text? Moves behind it. */
static bool take_word(const char **text, const char *word)
{
	size_t length = strlen(word);

	if (strncmp(*text, word, length) != 0)
		return false;
	*text += length;
	return true;
}

/* False: not one that we have written. */
static bool parse_line(const char *line, struct cache_flush_rule *out)
{
	unsigned long qtype;
	struct name name;
	char *end;

	out->below = take_word(&line, "zone ");
	if (!out->below && !take_word(&line, "name "))
		return false;
	if (*line < '0' || *line > '9')
		return false;
	qtype = strtoul(line, &end, 10);
	/* A name as we write it has no space: with one it is two lines, the first of which was cut. */
	if (qtype > UINT16_MAX || *end != ' ' || strchr(end + 1, ' ') != NULL ||
	    !name_from_text(end + 1, &name))
		return false;
	out->qtype = (uint16_t)qtype;
	name_lower(&name, &out->name);
	return true;
}

/* Its rule; false: all is flushed. */
static bool take_line(char *line, struct cache_flushed *out)
{
	char *end = strchr(line, '\n');
	struct cache_flush *block;

	if (end == NULL || out->count == CACHE_FLUSHED_MAX)
		return false;
	*end = '\0';
	block = &out->blocks[out->count / CACHE_FLUSH_RULES_MAX];
	if (!parse_line(line, &block->rules[block->count]))
		return false;
	block->count++;
	out->count++;
	return true;
}

void cache_flushed_read(const char *path, struct cache_flushed *out)
{
	char list[PATH_MAX], line[LINE_BYTES];
	struct stat status;
	FILE *file = NULL;
	int fd;

	memset(out, 0, sizeof(*out));
	if (!list_path(path, list))
		return; /* nor was any written */
	fd = open(list, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0 && errno == ENOENT)
		return;
	if (fd >= 0 && fstat(fd, &status) == 0 && S_ISREG(status.st_mode) &&
	    status.st_size < CACHE_FLUSHED_BYTES_MAX)
		file = fdopen(fd, "r");
	out->all = file == NULL;
	while (!out->all && fgets(line, sizeof(line), file) != NULL)
		out->all = !take_line(line, out);
	out->all = out->all || ferror(file) != 0;
	if (file != NULL)
		fclose(file);
	else if (fd >= 0)
		close(fd);
	if (out->all)
		log_write(CONFIG_LOG_WARNING, "cache",
			  "nothing is read back file=%s: its list of what was flushed is too long "
			  "or damaged",
			  path);
}

bool cache_flushed_names(const struct cache_flushed *f, const uint64_t words[])
{
	if (f->all)
		return true;
	for (unsigned i = 0; i < CACHE_FLUSHED_BLOCKS && f->blocks[i].count > 0; i++) {
		if (cache_flush_names(&f->blocks[i], words))
			return true;
	}
	return false;
}
