/* Two-sided tests of randomness: Pearson's chi-square with its p-value, and serial correlation.
 *
 * Too good is as bad as too uneven: a p-value near 1 tells of a counter or a shuffle, not of draws.
 * Seeded tests take CHI_SQUARE_P_MIN < p < 1 - CHI_SQUARE_P_MIN (SECURITY.md A3).
 */
#ifndef PORTICO_CHI_SQUARE_H
#define PORTICO_CHI_SQUARE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CHI_SQUARE_P_MIN 1e-3

/* P(X >= statistic) for X of chi-square distribution: the regularized upper incomplete gamma
 * function Q(freedom / 2, statistic / 2). */
double chi_square_p(double statistic, double freedom);

/* sum (observed - expected)^2 / expected over all bins. */
double chi_square_statistic(const uint32_t observed[], const double expected[], size_t bin_count);

/* Is it as even as draws are, neither less nor more? expected NULL: all bins alike. Prints p if
 * not. */
bool chi_square_accepts(const char *what, const uint32_t observed[], const double expected[],
			size_t bin_count);

/* Pearson's correlation of values[i] with values[i + lag]. */
double serial_correlation(const uint16_t values[], size_t value_count, size_t lag);

#endif
