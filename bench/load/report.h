/* The figures of a run: as text for people, as one flat JSON object for programs.
 *
 * Threads: one, after the run.
 */
#ifndef LOAD_REPORT_H
#define LOAD_REPORT_H

#include <stdio.h>

#include "bench/load/options.h"
#include "bench/load/run.h"

void report_text(FILE *out, const struct options *options, const struct run_figures *figures);
/* CSV: class, microseconds, share of its answers that took no longer. */
void report_cdf(FILE *out, const struct run_figures *figures);
void report_json(FILE *out, const struct options *options, const struct run_figures *figures);

#endif
