/* SPDX-License-Identifier: Apache-2.0 */
/* The command line of `sconce quote` and `sconce collateral`: tables of
 * commands and options. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/attest_cmd.h"

static const struct option_row rows[] = {
	[ATTEST_AT] = {"at", 0, "TIME", false,
		"as of when (2025-06-25T00:00:00Z or seconds; default: now)"},
	[ATTEST_COLLATERAL] = {"collateral", 0, "DIR", false,
		"folder of what the vendor says of the platform"},
	[ATTEST_ROOT] = {"root", 0, "FILE", true,
		"believe in this root instead of Intel's and AMD's; "
		"`emulated`: in this user's emulated platform's"},
	[ATTEST_NO_CRL] = {"no-crl", 0, NULL, false,
		"do without revocation lists"},
	[ATTEST_POLICY] = {"policy", 0, "FILE", false,
		"what is accepted (YAML or JSON, see doc/quote-policy.md)"},
	[ATTEST_JSON] = {"json", 0, NULL, false, "for programs"},
	[ATTEST_REPORT_DATA] = {"report-data", 0, "HEX|FILE", false,
		"up to 64 bytes that the evidence is to be bound to"},
	[ATTEST_OUT] = {"output", 'o', "FILE", false, "where it goes"},
	[ATTEST_LAS] = {"las", 0, "PATH", false,
		"socket of the quoting service (see `sconce las`)"},
	[ATTEST_MODE] = {"mode", 0, "MODE", false,
		"of the enclave: auto (default), hardware, emulated"},
	[ATTEST_PCCS] = {"pccs", 0, "URL", false,
		"caching service (PCCS), or Intel's own"},
	[ATTEST_KDS] = {"kds", 0, "URL", false,
		"AMD's key distribution service, or a cache of it"},
	[ATTEST_CA_FILE] = {"ca-file", 0, "FILE", false,
		"certificates that the server's must lead to"},
	[ATTEST_FMSPC] = {"fmspc", 0, "HEX", false,
		"the platform's family, model and so on, 12 digits"},
	[ATTEST_QUOTE] = {"quote", 0, "FILE", false,
		"for this quote or report: takes all of that from it"},
	[ATTEST_TEE] = {"tee", 0, "sgx|tdx", false, "kind of quotes"},
	[ATTEST_CA] = {"ca", 0, "processor|platform", false,
		"who issued the platform's certificate (platform)"},
	[ATTEST_UPDATE] = {"update", 0, "early|standard|N", false,
		"which evaluation of the platform (default: the server's)"},
	[ATTEST_PRODUCT] = {"product", 0, "NAME", false,
		"Milan, Genoa or Turin, where a report does not say it"},
	[ATTEST_EMULATED] = {"emulated", 0, NULL, false,
		"that of this user's emulated platform; nothing is fetched"},
};

_Static_assert(ARRAY_SIZE(rows) == ATTEST_OPTIONS, "a row for each");
_Static_assert((int)ATTEST_OPTIONS <= (int)OPTIONS_MAX, "room for each");

#define BIT(name) OPTION_BIT(ATTEST_##name)

static const struct command commands[] = {
	{"quote verify", "[OPTIONS] FILE",
		"Says whether a quote (SGX, TDX) or a report (SEV-SNP) is "
		"genuine and good enough.\nFILE may be - for standard input. "
		"Exit status: 0 accepted, 1 rejected, 2 unusable\ninput.",
		BIT(AT) | BIT(COLLATERAL) | BIT(ROOT) | BIT(NO_CRL) |
			BIT(POLICY) | BIT(JSON) | BIT(REPORT_DATA),
		1, 1, attest_quote_verify,
		"Files of DIR: tcb_info.json, tcb_info_chain.pem, "
		"qe_identity.json,\nqe_identity_chain.pem, root_ca_crl.der, "
		"pck_crl.der; for quotes without a\ncertificate pck_cert.pem, "
		"pck_issuer_chain.pem; for SEV-SNP vcek.der or vlek.der,\n"
		"cert_chain.pem, crl.der. Without a policy: genuine, UpToDate, "
		"not debug, not\nemulated (but for --root emulated), whatever "
		"program it is."},
	{"quote show", "[--json] FILE",
		"Prints what a quote or report says; nothing is verified.",
		BIT(JSON), 1, 1, attest_quote_show, NULL},
	{"quote get", "[OPTIONS] -o FILE",
		"Gets a quote of this machine: a small program of Sconce is "
		"run in an enclave and\nasks for it. It stands for the machine "
		"and the kernel, not for a program of yours.",
		BIT(REPORT_DATA) | BIT(OUT) | BIT(LAS) | BIT(MODE), 0, 0,
		attest_quote_get, "Exit status: 0, or 2: there is none."},
	{"collateral fetch",
		"(--quote FILE | --fmspc HEX --tee sgx|tdx) [OPTIONS] DIR",
		"Fetches what a platform's quotes are verified with, into a "
		"folder that is replaced\nas a whole. Nothing is verified yet: "
		"`sconce quote verify` does that.",
		BIT(QUOTE) | BIT(FMSPC) | BIT(TEE) | BIT(CA) | BIT(UPDATE) |
			BIT(PCCS) | BIT(KDS) | BIT(PRODUCT) | BIT(CA_FILE) |
			BIT(EMULATED),
		1, 1, attest_collateral_fetch,
		"Without --pccs and --kds Intel and AMD are asked themselves. "
		"Exit status: 0 done,\n2 not done; the folder is as it was "
		"then."},
	{"collateral show", "[--at TIME] [--json] DIR",
		"Says what is in a folder of collateral, and until when it "
		"holds. Nothing is verified.",
		BIT(AT) | BIT(JSON), 1, 1, attest_collateral_show, NULL},
};

static int fail(const struct err *e)
{
	fflush(stdout);
	fprintf(stderr, "sconce: %s\n", e->text);
	return ATTEST_UNUSABLE;
}

static int run(const struct command *c, int argc, char **argv)
{
	struct err e = {0};
	struct options o;
	int ret = options_parse(c, rows, ARRAY_SIZE(rows), argc, argv, &o, &e);

	if (ret == 1)
		return ATTEST_OK;
	if (ret == 0)
		ret = c->run(&o, &e);
	if (ret < 0)
		return fail(&e);
	if (fflush(stdout) != 0 || ferror(stdout)) {
		err_setf(&e, -EIO, "standard output: %s", strerror(errno));
		return fail(&e);
	}
	return ret;
}

int main(int argc, char **argv)
{
	const char *group = argc > 1 ? argv[1] : "quote";
	const char *name = argc > 2 ? argv[2] : "help";
	char both[40];
	struct err e;

	if (strcmp(group, "collateral") != 0)
		group = "quote";
	if (options_asks_help(name)) {
		options_help_all(group, commands, ARRAY_SIZE(commands));
		return ATTEST_OK;
	}
	snprintf(both, sizeof(both), "%s %s", group, name);
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		if (strcmp(commands[i].name, both) == 0)
			return run(&commands[i], argc - 2, argv + 2);
	err_setf(&e, 0,
		"'%s' is not a command of %s; `sconce %s help` lists them",
		name, group, group);
	return fail(&e);
}
