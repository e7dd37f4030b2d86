/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The model inside the program sconce-model: it is what the variable
 * SCONCE_SGX_MODEL says, and tells at the end what was done to it in the file
 * that SCONCE_SGX_REPORT names.
 */
#include "test/sgx_model/model.h"

#include <stdio.h>
#include <stdlib.h>

#include "host/launch.h"

int __real_host_run(const struct launch *l, int *wait_status, struct err *e);
int __wrap_host_run(const struct launch *l, int *wait_status, struct err *e);

static void tell(void)
{
	const char *path = getenv("SCONCE_SGX_REPORT");
	FILE *f = path ? fopen(path, "we") : NULL;

	if (!f)
		return;
	fprintf(f,
		"ioctls %lu\npages_added %lu\naugmented %lu\ndemand %lu\n"
		"interrupts %lu\nentries %lu\nnaps %lu\nmappings %lu\n"
		"mrenclave ",
		sgx_model.ioctls, sgx_model.pages_added, sgx_model.augmented,
		sgx_model.demand, sgx_model.interrupts, sgx_model.entries,
		sgx_model.naps, sgx_model.mappings);
	for (size_t i = 0; i < sizeof(sgx_model.mrenclave); i++)
		fprintf(f, "%02x", sgx_model.mrenclave[i]);
	fprintf(f, "\n");
	fclose(f);
}

__attribute__((constructor)) static void start(void)
{
	const char *text = getenv("SCONCE_SGX_MODEL");

	sgx_model_reset();
	/* A machine of 16 GiB of protected memory, unless told otherwise. */
	sgx_model.epc = UINT64_C(16) << 30 >> 12;
	if (text)
		sgx_model_configure(text);
}

/* The launcher ends without the C library's help. */
int __wrap_host_run(const struct launch *l, int *wait_status, struct err *e)
{
	int err = __real_host_run(l, wait_status, e);

	tell();
	return err;
}
