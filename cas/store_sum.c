/* SPDX-License-Identifier: Apache-2.0 */
/* Sums mod 2^256; see store_int.h. */
#include "cas/store_int.h"

void store_sum_add(struct store_sum *s, const struct store_sum *element)
{
	bool carry = false;

	for (int i = 0; i < 4; i++) {
		bool a = add_overflows(
			s->limb[i], element->limb[i], &s->limb[i]);
		bool b = add_overflows(
			s->limb[i], (uint64_t)carry, &s->limb[i]);

		carry = a || b;
	}
}

void store_sum_subtract(struct store_sum *s, const struct store_sum *element)
{
	bool borrow = false;

	for (int i = 0; i < 4; i++) {
		bool a = sub_overflows(
			s->limb[i], element->limb[i], &s->limb[i]);
		bool b = sub_overflows(
			s->limb[i], (uint64_t)borrow, &s->limb[i]);

		borrow = a || b;
	}
}
