/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "cli/cmd.h"

const struct cmd cmd_table[] = {
	{"run", "[OPTIONS] [--] PROGRAM [ARGS...]",
		"run a program inside an enclave", cmd_run,
		cmd_run_print_options, false},
	{"exec", "--session NAME/SERVICE [OPTIONS] [-- ARGS...]",
		"run a service of CAS without an enclave, on a trusted machine",
		cmd_exec, cmd_exec_print_options, true},
	{"doctor", "[--json]",
		"say what this machine offers, and how to fix what is missing",
		cmd_doctor, cmd_doctor_print_options, false},
	{"measure", "[--json] [--manifest FILE]",
		"print MRENCLAVE and the inputs that it comes from",
		cmd_measure, cmd_measure_print_options, false},
	{"volume", "COMMAND [OPTIONS] VOLUME [...]",
		"make, fill, read and check encrypted volumes", cmd_volume,
		cmd_volume_print_options, true},
	{"image", "[OPTIONS] DIRECTORY IMAGE",
		"make a sealed image of a directory, print its hash", cmd_image,
		cmd_image_print_options, true},
	{"las", "[OPTIONS]", "serve quotes to the enclaves of this node",
		cmd_las, cmd_las_print_options, false},
	{"quote", "COMMAND [OPTIONS] FILE",
		"verify evidence of SGX, TDX and SEV-SNP; show what it says",
		cmd_quote, cmd_quote_print_options, true},
	{"collateral", "COMMAND [OPTIONS] DIR",
		"fetch what quotes are verified with; show until when it holds",
		cmd_collateral, cmd_collateral_print_options, true},
	{"sign", "[OPTIONS] -o FILE",
		"sign the kernel, or let a signer elsewhere do so", cmd_sign,
		cmd_sign_print_options, true},
	{"audit", "COMMAND [OPTIONS] FILE",
		"fetch the log of CAS; verify and show it, offline", cmd_audit,
		cmd_audit_print_options, true},
	{"witness", "--state DIR [OPTIONS]",
		"remember the heads of CAS's chains: against old copies",
		cmd_witness, cmd_witness_print_options, true},
	{"cas", "COMMAND [OPTIONS] ...",
		"start, attest and own a configuration and attestation service",
		cmd_cas, cmd_cas_print_options, true},
	{"session", "COMMAND [OPTIONS] ...",
		"policies: check, create, read and change them at CAS",
		cmd_session, cmd_session_print_options, true},
	{"proposal", "COMMAND [OPTIONS] ...",
		"changes of policies that a board decides on", cmd_proposal,
		cmd_proposal_print_options, true},
	{"secret", "COMMAND [OPTIONS] ...",
		"public parts of secrets, such as certificates", cmd_secret,
		cmd_secret_print_options, true},
	{"version", "[--json]", "print the version", cmd_version,
		cmd_version_print_options, false},
	{"help", "[COMMAND [SUB-COMMAND]]", "explain a command", cmd_help, NULL,
		false},
	{0},
};

int cmd_fail(const struct err *e, int status)
{
	fprintf(stderr, "sconce: %s\n", e->text);
	return status;
}

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "help";
	struct err e;

	if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
		name = "help";
	if (strcmp(name, "--version") == 0)
		name = "version";
	for (const struct cmd *c = cmd_table; c->name != NULL; c++) {
		if (strcmp(c->name, name) != 0)
			continue;
		/* Programs of their own see to it themselves. */
		if (argc > 2 && !c->own_program &&
			strcmp(argv[2], "--help") == 0)
			return cmd_help_of(c);
		return c->run(
			argc > 1 ? argc - 1 : argc, argc > 1 ? argv + 1 : argv);
	}
	err_setf(&e, 0,
		"'%s' is not a command; `sconce help` lists the commands",
		name);
	return cmd_fail(&e, CMD_FAILED);
}
