/* SPDX-License-Identifier: Apache-2.0 */
/* The look at a program's headers before a launch. */
#include "cli/program.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err e = {0};

	if (program_check("fuzz", data, size, size, &e) < 0 && e.code == 0)
		abort();
	return 0;
}
