/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Commands that are programs of their own, beside this one: the launcher of
 * enclaves starts fast and has no parsers of archives, certificates and
 * evidence in it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cmd.h"
#include "host/files.h"

/* argv[0] is replaced by words, NULL-terminated. */
static int start(
	const char *program, const char *const *words, int argc, char **argv)
{
	size_t count = 0, at = 0;
	const char **args;
	struct err e;
	int fd;

	while (words[count] != NULL)
		count++;
	args = calloc(count + (size_t)argc + 1, sizeof(*args));
	if (args == NULL) {
		err_setf(&e, -ENOMEM, "no memory");
		return cmd_fail(&e, CMD_FAILED);
	}
	fd = files_open(program, &e);
	if (fd < 0) {
		free(args);
		return cmd_fail(&e, CMD_FAILED);
	}
	while (at < count) {
		args[at] = words[at];
		at++;
	}
	for (int i = 1; i < argc; i++)
		args[at++] = argv[i];
	fflush(stdout);
	fexecve(fd, (char *const *)(uintptr_t)args, environ);
	err_setf(&e, -errno, "%s: %s", program, strerror(errno));
	close(fd);
	free(args);
	return cmd_fail(&e, CMD_FAILED);
}

#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

int cmd_volume(int argc, char **argv)
{
	return start("sconce-volume", WORDS("volume"), argc, argv);
}

int cmd_image(int argc, char **argv)
{
	return start("sconce-volume", WORDS("volume", "image"), argc, argv);
}

int cmd_las(int argc, char **argv)
{
	return start("sconce-las", WORDS("las"), argc, argv);
}

int cmd_quote(int argc, char **argv)
{
	return start(
		"sconce-attest", WORDS("sconce-attest", "quote"), argc, argv);
}

int cmd_collateral(int argc, char **argv)
{
	return start("sconce-attest", WORDS("sconce-attest", "collateral"),
		argc, argv);
}

int cmd_sign(int argc, char **argv)
{
	return start("sconce-sign", WORDS("sign"), argc, argv);
}

int cmd_audit(int argc, char **argv)
{
	/* What needs the network is not in the verifier. */
	if (argc > 1 &&
		(strcmp(argv[1], "fetch") == 0 ||
			strcmp(argv[1], "follow") == 0))
		return start(
			"sconce-client", WORDS("sconce", "audit"), argc, argv);
	return start("sconce-audit", WORDS("sconce-audit"), argc, argv);
}

int cmd_witness(int argc, char **argv)
{
	return start("sconce-witness", WORDS("witness"), argc, argv);
}

int cmd_exec(int argc, char **argv)
{
	return start("sconce-exec", WORDS("sconce", "exec"), argc, argv);
}

int cmd_cas(int argc, char **argv)
{
	return start("sconce-client", WORDS("sconce", "cas"), argc, argv);
}

int cmd_session(int argc, char **argv)
{
	static const char *const local[] = {"check", "hash", "sign"};

	/* What needs no CAS, and no network. */
	for (size_t i = 0; argc > 1 && i < ARRAY_SIZE(local); i++)
		if (strcmp(argv[1], local[i]) == 0)
			return start("sconce-session", WORDS("sconce-session"),
				argc, argv);
	return start("sconce-client", WORDS("sconce", "session"), argc, argv);
}

int cmd_proposal(int argc, char **argv)
{
	return start("sconce-client", WORDS("sconce", "proposal"), argc, argv);
}

int cmd_secret(int argc, char **argv)
{
	return start("sconce-client", WORDS("sconce", "secret"), argc, argv);
}

/* For `sconce help NAME`, behind the usage. */
static void help_of(const char *program, const char *const *words)
{
	(void)start(program, words, 0, NULL);
}

void cmd_volume_print_options(void)
{
	help_of("sconce-volume", WORDS("volume", "help"));
}

void cmd_image_print_options(void)
{
	help_of("sconce-volume", WORDS("volume", "image", "--help"));
}

void cmd_quote_print_options(void)
{
	help_of("sconce-attest", WORDS("sconce-attest", "quote", "help"));
}

void cmd_collateral_print_options(void)
{
	help_of("sconce-attest", WORDS("sconce-attest", "collateral", "help"));
}

void cmd_sign_print_options(void)
{
	help_of("sconce-sign", WORDS("sign", "--help"));
}

void cmd_audit_print_options(void)
{
	help_of("sconce-audit", WORDS("sconce-audit", "help"));
}

void cmd_witness_print_options(void)
{
	help_of("sconce-witness", WORDS("witness", "--help"));
}

void cmd_exec_print_options(void)
{
	help_of("sconce-exec", WORDS("sconce", "exec", "--help"));
}

void cmd_cas_print_options(void)
{
	help_of("sconce-client", WORDS("sconce", "cas", "help"));
}

void cmd_session_print_options(void)
{
	help_of("sconce-client", WORDS("sconce", "session", "help"));
}

void cmd_proposal_print_options(void)
{
	help_of("sconce-client", WORDS("sconce", "proposal", "help"));
}

void cmd_secret_print_options(void)
{
	help_of("sconce-client", WORDS("sconce", "secret", "help"));
}
