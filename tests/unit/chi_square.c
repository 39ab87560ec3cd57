#include "chi_square.h"

#include <math.h>
#include <stdio.h>

#define STEPS_MAX 100000
#define RELATIVE_ERROR 1e-15

/* x^a e^-x / Gamma(a) */
static double gamma_factor(double a, double x)
{
	return exp(a * log(x) - x - lgamma(a));
}

/* P(a, x) by its series (DLMF 8.11.4): converges fast for x < a + 1. */
static double gamma_p_series(double a, double x)
{
	double term = 1 / a;
	double sum = term;

	for (int n = 1; n < STEPS_MAX && term > sum * RELATIVE_ERROR; n++) {
		term *= x / (a + n);
		sum += term;
	}
	return gamma_factor(a, x) * sum;
}

/* Q(a, x) by its continued fraction (DLMF 8.9.2) with Lentz's method: for x >= a + 1. */
static double gamma_q_fraction(double a, double x)
{
	const double tiny = 1e-300;
	double b = x + 1 - a;
	double c = 1 / tiny;
	double d = 1 / b;
	double value = d;

	for (int n = 1; n < STEPS_MAX; n++) {
		double numerator = -n * (n - a);
		double factor;

		b += 2;
		d = numerator * d + b;
		c = b + numerator / c;
		d = 1 / (fabs(d) < tiny ? tiny : d);
		c = fabs(c) < tiny ? tiny : c;
		factor = c * d;
		value *= factor;
		if (fabs(factor - 1) < RELATIVE_ERROR)
			break;
	}
	return gamma_factor(a, x) * value;
}

double chi_square_p(double statistic, double freedom)
{
	double a = freedom / 2;
	double x = statistic / 2;

	if (x <= 0)
		return 1;
	return x < a + 1 ? 1 - gamma_p_series(a, x) : gamma_q_fraction(a, x);
}

double chi_square_statistic(const uint32_t observed[], const double expected[], size_t bin_count)
{
	double statistic = 0;

	for (size_t i = 0; i < bin_count; i++) {
		double difference = observed[i] - expected[i];

		statistic += difference * difference / expected[i];
	}
	return statistic;
}

bool chi_square_accepts(const char *what, const uint32_t observed[], const double expected[],
			size_t bin_count)
{
	double statistic = 0;
	double p;

	if (expected != NULL) {
		statistic = chi_square_statistic(observed, expected, bin_count);
	} else {
		double total = 0;

		for (size_t i = 0; i < bin_count; i++)
			total += observed[i];
		for (size_t i = 0; i < bin_count; i++) {
			double each = total / (double)bin_count;

			statistic += chi_square_statistic(&observed[i], &each, 1);
		}
	}
	p = chi_square_p(statistic, (double)(bin_count - 1));
	if (p > CHI_SQUARE_P_MIN && p < 1 - CHI_SQUARE_P_MIN)
		return true;
	printf("\n%s: chi-square %g over %zu bins, p = %g\n", what, statistic, bin_count, p);
	return false;
}

/* In whole numbers, which are exact and fast: below 2^32 each product, fewer than 2^32 of them. */
double serial_correlation(const uint16_t values[], size_t value_count, size_t lag)
{
	uint64_t sum = 0, squares = 0, products = 0, first = 0, last = 0;
	double mean, variance, covariance;

	for (size_t i = 0; i < value_count; i++) {
		sum += values[i];
		squares += (uint32_t)values[i] * values[i];
	}
	for (size_t i = 0; i + lag < value_count; i++)
		products += (uint32_t)values[i] * values[i + lag];
	for (size_t i = 0; i < lag && i < value_count; i++) {
		first += values[i];
		last += values[value_count - 1 - i];
	}
	mean = (double)sum / (double)value_count;
	variance = (double)squares - mean * (double)sum;
	covariance = (double)products - mean * (double)(2 * sum - first - last) +
		     mean * mean * (double)(value_count - lag);
	return covariance / variance;
}
