/* SPDX-License-Identifier: Apache-2.0 */
#include "test/unit/service_quote.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "attest/evidence.h"
#include "emu/qe.h"
#include "test/unit/emu_fixture.h"
#include "test/unit/unit.h"

#define TARGET (DATA + 0x3600)
#define REPORTDATA (DATA + 0x3800)
#define REPORT (DATA + 0x3a00)

static const uint8_t *config_id;

static void tune(struct enclave_params *params)
{
	memset(params->configid, 0, sizeof(params->configid));
	memcpy(params->configid, config_id, 32);
}

size_t quote_make_for(struct quote_maker *q, const uint8_t config[32],
	const uint8_t report_data[64], uint8_t out[static QUOTE_ROOM])
{
	struct sgx_targetinfo target;
	struct sgx_report report;
	struct fixture f;
	size_t size;

	config_id = config;
	fixture_tune = tune;
	fixture_start(&f, EMU_FAST);
	fixture_tune = NULL;
	emu_qe_target(q->qe, &target);
	memcpy((void *)(uintptr_t)TARGET, &target, sizeof(target));
	memcpy((void *)(uintptr_t)REPORTDATA, report_data, 64);
	assert_int_equal(
		fixture_enclu3(&f, SGX_EREPORT, TARGET, REPORTDATA, REPORT),
		SGX_EREPORT);
	memcpy(&report, (const void *)(uintptr_t)REPORT, sizeof(report));
	memcpy(q->mrenclave, f.mrenclave, 32);
	fixture_stop(&f);
	assert_int_equal(
		emu_qe_quote(q->qe, &report, out, QUOTE_ROOM, &size), 0);
	return size;
}

void quote_maker_init(struct quote_maker *q)
{
	static const uint8_t zeros[64];
	static uint8_t first[QUOTE_ROOM];
	struct err e = {0};
	struct fixture f;

	memset(q, 0, sizeof(*q));
	/* The first enclave sets the folder of the platform's keys. */
	fixture_start(&f, EMU_FAST);
	fixture_stop(&f);
	if (emu_qe_new(&q->qe, &e) < 0)
		fail_msg("%s", e.text);
	snprintf(q->dir, sizeof(q->dir), "%s/sconce/collateral",
		getenv("XDG_DATA_HOME"));
	if (emu_qe_collateral(q->qe, q->dir, (int64_t)time(NULL), &e) < 0 ||
		verifier_new(q->dir, true, &q->verifier, &e) < 0)
		fail_msg("%s", e.text);
	(void)quote_make_for(q, zeros, zeros, first);
}

void quote_maker_fini(struct quote_maker *q)
{
	char command[600];

	verifier_free(q->verifier);
	emu_qe_free(q->qe);
	for (size_t i = 0; collateral_names[i]; i++) {
		snprintf(command, sizeof(command), "%s/%s", q->dir,
			collateral_names[i]);
		unlink(command);
	}
	snprintf(command, sizeof(command), "%s/root_ca.pem", q->dir);
	unlink(command);
	rmdir(q->dir);
	snprintf(command, sizeof(command), "%s/sconce/emulated-platform.pem",
		getenv("XDG_DATA_HOME"));
	unlink(command);
}
