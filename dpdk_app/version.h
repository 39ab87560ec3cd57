/* What this build calls itself; the Makefile says it with -DPORTICO_VERSION. */
#ifndef PORTICO_VERSION_H
#define PORTICO_VERSION_H

#ifndef PORTICO_VERSION
#define PORTICO_VERSION "0.1.0"
#endif

#endif
