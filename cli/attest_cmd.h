/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `sconce quote` and `sconce collateral`: a program of its own (sconce-attest,
 * beside sconce), so that the launcher of enclaves starts without the parsers
 * and the cryptography of evidence.
 *
 * Exit status: 0 accepted (or done), 1 rejected, 2 unusable input.
 */
#pragma once

#include "attest/appraise.h"
#include "attest/evidence.h"
#include "attest/folder.h"
#include "cli/options.h"

enum { ATTEST_OK = 0, ATTEST_REJECTED = 1, ATTEST_UNUSABLE = 2 };

enum attest_option {
	ATTEST_AT,
	ATTEST_COLLATERAL,
	ATTEST_ROOT,
	ATTEST_NO_CRL,
	ATTEST_POLICY,
	ATTEST_JSON,
	ATTEST_REPORT_DATA,
	ATTEST_OUT,
	ATTEST_LAS,
	ATTEST_MODE,
	ATTEST_PCCS,
	ATTEST_KDS,
	ATTEST_CA_FILE,
	ATTEST_FMSPC,
	ATTEST_QUOTE,
	ATTEST_TEE,
	ATTEST_CA,
	ATTEST_UPDATE,
	ATTEST_PRODUCT,
	ATTEST_EMULATED,
	ATTEST_OPTIONS,
};

int attest_quote_verify(struct options *o, struct err *e);
int attest_quote_get(struct options *o, struct err *e);
int attest_quote_show(struct options *o, struct err *e);
int attest_collateral_show(struct options *o, struct err *e);
int attest_collateral_fetch(struct options *o, struct err *e);

/* ---- attest_files.c ---- */

/*
 * What --report-data names: up to 128 hexadecimal digits (in pairs), or a file
 * of at most 64 bytes; zeros behind. -ENOENT: the option is not there.
 */
must_check int attest_report_data(
	const struct options *o, uint8_t data[64], struct err *e);

/* ---- attest_time.c ---- */

/*
 * RFC 3339 ("2025-06-25T00:00:00Z", with an offset, or a date alone: its
 * beginning in UTC), or seconds since 1970. 0 or -EINVAL.
 */
must_check int attest_time_parse(const char *text, int64_t *at);

/* ---- quote_print.c, quote_json.c ---- */

/* What a verdict is shown with. */
struct quote_view {
	const struct verdict *v;
	const char *file; /* as the user named it */
	bool verified; /* false: only what the evidence claims */
	bool accepted;
	int64_t at;
	bool has_collateral, no_crl;
	const char *policy; /* file; NULL: none */
	bool allow_emulated;
	bool any_program; /* nothing says which one is wanted */
	/* It is said, but not with which configuration, which the enclave
	 * takes from its loader: of Sconce's, which program it runs. */
	bool any_config;
};

void quote_print(const struct quote_view *view);
/* 0 or -ENOMEM. */
must_check int quote_print_json(const struct quote_view *view);
