#include "dpdk_app/netns.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/if_link.h>
#include <linux/magic.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "dpdk_app/kernel_link.h"
#include "dpdk_app/log.h"
#include "dpdk_app/netlink.h"

#define RUN_DIRECTORY "/run/netns"
#define OWN_PATH "/proc/thread-self/ns/net"
#define LO_IFINDEX 1

static void path_of(const char *name, char path[PATH_MAX])
{
	snprintf(path, PATH_MAX, RUN_DIRECTORY "/%s", name);
}

/* ---- entering ---- */

bool netns_enter(int fd, int *back)
{
	int own, error;

	*back = -1;
	if (fd < 0)
		return true;
	own = open(OWN_PATH, O_RDONLY | O_CLOEXEC);
	if (own < 0)
		return false;
	if (setns(fd, CLONE_NEWNET) != 0) {
		error = errno;
		close(own);
		errno = error;
		return false;
	}
	*back = own;
	return true;
}

void netns_leave(int back)
{
	if (back < 0)
		return;
	CHECK(setns(back, CLONE_NEWNET) == 0);
	close(back);
}

/* ---- what is there ---- */

/* Of the namespace that this thread is in. */
static bool put_mark(void)
{
	char buffer[256];
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
	struct ifinfomsg *info = mnl_nlmsg_put_extra_header(message, sizeof(*info));

	message->nlmsg_type = RTM_SETLINK;
	message->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	info->ifi_index = LO_IFINDEX;
	info->ifi_flags = IFF_UP;
	info->ifi_change = IFF_UP;
	mnl_attr_put_str(message, IFLA_IFALIAS, KERNEL_LINK_MARK);
	return netlink_talk(message, message->nlmsg_len, 1, NULL, NULL) == 0;
}

static bool is_marked(int fd)
{
	bool marked;
	int back;

	if (!netns_enter(fd, &back))
		return false;
	marked = kernel_link_is_marked(LO_IFINDEX);
	netns_leave(back);
	return marked;
}

int netns_find(const char *name)
{
	char path[PATH_MAX];
	struct statfs status;
	int fd;

	path_of(name, path);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	/* A file that nothing is mounted on is what remains of one. */
	if (fd >= 0 && (fstatfs(fd, &status) != 0 || status.f_type != NSFS_MAGIC)) {
		close(fd);
		fd = -1;
	}
	return fd;
}

static void remove_name(const char *name)
{
	char path[PATH_MAX];

	path_of(name, path);
	(void)!umount2(path, MNT_DETACH);
	(void)!unlink(path);
}

/* ---- making ---- */

/* As `ip netns` does it: what is mounted there is seen from other mount namespaces too. */
static bool make_directory(void)
{
	if (mkdir(RUN_DIRECTORY, 0755) != 0 && errno != EEXIST)
		return false;
	if (mount("", RUN_DIRECTORY, "none", MS_SHARED | MS_REC, NULL) == 0)
		return true;
	return errno == EINVAL &&
	       mount(RUN_DIRECTORY, RUN_DIRECTORY, "none", MS_BIND | MS_REC, NULL) == 0 &&
	       mount("", RUN_DIRECTORY, "none", MS_SHARED | MS_REC, NULL) == 0;
}

/* From within a new one, which is marked before it has a name. */
static bool name_new(const char *path)
{
	int file;

	if (!put_mark())
		return false;
	(void)!unlink(path);
	file = open(path, O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0);
	if (file < 0)
		return false;
	close(file);
	if (mount(OWN_PATH, path, "none", MS_BIND, NULL) == 0)
		return true;
	(void)!unlink(path);
	return false;
}

static bool make(const char *name)
{
	int own = open(OWN_PATH, O_RDONLY | O_CLOEXEC);
	char path[PATH_MAX];
	bool done;
	int error;

	if (own < 0 || !make_directory() || unshare(CLONE_NEWNET) != 0) {
		error = errno;
		if (own >= 0)
			close(own);
		errno = error;
		return false;
	}
	path_of(name, path);
	done = name_new(path);
	error = errno;
	netns_leave(own);
	errno = error;
	return done;
}

bool netns_open(const char *name, struct netns *out)
{
	*out = (struct netns){.fd = netns_find(name)};
	if (out->fd < 0) {
		if (!make(name))
			return false;
		out->fd = netns_find(name);
		if (out->fd < 0)
			return false;
	}
	/* Whose mark it bears, and whose lock nobody has, is a dead one's, or has just been made. */
	out->made = is_marked(out->fd) && flock(out->fd, LOCK_EX | LOCK_NB) == 0;
	out->name = out->made ? strdup(name) : NULL;
	return true;
}

void netns_close(struct netns *n)
{
	if (n->name != NULL)
		remove_name(n->name);
	free(n->name);
	if (n->fd >= 0)
		close(n->fd);
	*n = (struct netns){.fd = -1};
}

/* ---- remains ---- */

static bool is_kept(const char *const keep[], const char *name)
{
	for (unsigned i = 0; keep[i] != NULL; i++)
		if (strcmp(keep[i], name) == 0)
			return true;
	return false;
}

void netns_recover(const char *const keep[])
{
	DIR *directory = opendir(RUN_DIRECTORY);
	const struct dirent *entry;

	while (directory != NULL && (entry = readdir(directory)) != NULL) {
		int fd = is_kept(keep, entry->d_name) ? -1 : netns_find(entry->d_name);

		if (fd < 0)
			continue;
		if (is_marked(fd) && flock(fd, LOCK_EX | LOCK_NB) == 0) {
			remove_name(entry->d_name);
			log_write(CONFIG_LOG_INFO, "tap",
				  "removed the network namespace of a Portico that was killed "
				  "name=%s",
				  entry->d_name);
		}
		close(fd);
	}
	if (directory != NULL)
		closedir(directory);
}
