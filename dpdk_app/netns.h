/* Network namespaces by name, as `ip netns` keeps them (/run/netns): entered by one thread for a while, made where there are
 * none, and removed.
 *
 * One that we made bears a mark in it (the alias of its lo, kernel_link.h), and we hold a lock on it as long as we live: so the next start
 * knows what a killed Portico has left behind.
 *
 * Threads: any; a namespace is a thread's. Entering takes CAP_SYS_ADMIN. man 7 network_namespaces, man 8 ip-netns.
 */
#ifndef PORTICO_NETNS_H
#define PORTICO_NETNS_H

#include <stdbool.h>

#include "core/check.h"

struct netns {
	int fd;     /* -1: this process's own */
	bool made;  /* by us, or by a killed one of us: removed at the end */
	char *name; /* of a made one */
};

/* The one of this name, made if there is none. False: errno. */
MUST_USE bool netns_open(const char *name, struct netns *out);
/* The one of this name if there is one; fd -1: none. For a look. */
int netns_find(const char *name);
/* Removes what was made. Of one that is all zeroes but fd -1 too. */
void netns_close(struct netns *n);
/* Remove what killed Porticos have made, but for those of these names (NULL ends them). Where we may not look is nothing of ours. */
void netns_recover(const char *const keep[]);

/* This thread: into it (fd -1: nowhere). *back is what netns_leave takes. False: errno. */
MUST_USE bool netns_enter(int fd, int *back);
void netns_leave(int back);

#endif
