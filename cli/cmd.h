/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sub-commands of `sconce`. Each lives in a file of its own and stands in
 * the table of main.c; `argv[0]` is the command's name. A command returns the
 * exit status of the program.
 */
#pragma once

#include "lib/err.h"

enum { CMD_OK = 0, CMD_FAILED = 125 };

struct cmd {
	const char *name;
	const char *synopsis; /* behind the name */
	const char *help; /* one line */
	int (*run)(int argc, char **argv);
	void (*print_options)(void); /* for `sconce help NAME`; may be NULL */
	bool own_program; /* print_options prints the usage, too */
};

extern const struct cmd cmd_table[];

int cmd_run(int argc, char **argv);
void cmd_run_print_options(void);
int cmd_doctor(int argc, char **argv);
void cmd_doctor_print_options(void);
int cmd_measure(int argc, char **argv);
void cmd_measure_print_options(void);
int cmd_volume(int argc, char **argv);
int cmd_image(int argc, char **argv);
int cmd_las(int argc, char **argv);
void cmd_las_print_options(void);
/* exec.c: programs of their own. */
int cmd_quote(int argc, char **argv);
int cmd_collateral(int argc, char **argv);
int cmd_sign(int argc, char **argv);
int cmd_audit(int argc, char **argv);
int cmd_witness(int argc, char **argv);
int cmd_exec(int argc, char **argv);
void cmd_exec_print_options(void);
void cmd_volume_print_options(void);
void cmd_image_print_options(void);
void cmd_quote_print_options(void);
void cmd_collateral_print_options(void);
void cmd_sign_print_options(void);
void cmd_audit_print_options(void);
void cmd_witness_print_options(void);
int cmd_cas(int argc, char **argv);
void cmd_cas_print_options(void);
int cmd_session(int argc, char **argv);
void cmd_session_print_options(void);
int cmd_proposal(int argc, char **argv);
void cmd_proposal_print_options(void);
int cmd_secret(int argc, char **argv);
void cmd_secret_print_options(void);
int cmd_version(int argc, char **argv);
void cmd_version_print_options(void);
int cmd_help(int argc, char **argv);
/* Explains one command; its exit status. */
int cmd_help_of(const struct cmd *c);

/* Prints "sconce: TEXT" on standard error and returns @status. */
int cmd_fail(const struct err *e, int status);
