/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sconce-exec token KEY SESSION ADDRESS...: for the launcher, which has no TLS
 * in it. Writes the one-time token that CAS gives for a start of SESSION to
 * standard output; nothing, if none is wanted. Waits for a CAS that is away as
 * enclaves do.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cas/link.h"
#include "cli/cmd.h"
#include "cli/exec_cmd.h"
#include "cli/run_cas.h"
#include "lib/string.h"

enum { PATIENCE_MS = 60 * 1000, TRY_MS = 5 * 1000, SAY_MS = 5 * 1000 };

static int ask(const char *address, const uint8_t key[32], const char *session,
	struct err *e)
{
	const struct wire_request r = {
		.id = 1,
		.op = WIRE_TOKEN,
		.session = session,
		.token = getenv(RUN_CAS_TOKEN_VARIABLE),
	};
	struct wire_reply reply = {0};
	struct link *l = NULL;
	int ret = link_new(address, key, &l, e);

	if (ret == 0)
		ret = link_wait(l, TRY_MS, e);
	if (ret >= 0)
		ret = link_call(l, &r, TRY_MS, &reply, e);
	if (ret == 0 && reply.status != 0)
		ret = err_setf(e, -(int)reply.status, "CAS at %s: %s", address,
			reply.error != NULL ? reply.error
					    : strerror((int)reply.status));
	if (ret == 0 &&
		fwrite(reply.value.data, 1, reply.value.size, stdout) !=
			reply.value.size)
		ret = err_setf(e, -EIO, "standard output: %s", strerror(errno));
	link_free(l);
	return ret;
}

/* Errors of CAS, in difference to those of the way to it. */
static bool is_final(int error)
{
	return error == -EKEYREJECTED || error == -EACCES || error == -EPERM ||
		error == -ENOENT || error == -EINVAL || error == -EDQUOT;
}

int cmd_token(int argc, char **argv)
{
	int64_t end = link_now() + PATIENCE_MS, say_at = link_now() + 1000;
	unsigned pause = 50;
	uint8_t key[32];
	struct err e = {0};

	if (argc < 4 || !string_from_hex(argv[1], key, sizeof(key))) {
		err_setf(&e, -EINVAL, "usage: token KEY SESSION ADDRESS...");
		return cmd_fail(&e, CMD_FAILED);
	}
	signal(SIGPIPE, SIG_IGN);
	for (;;) {
		int final = 0, ret;

		for (int i = 3; i < argc; i++) {
			ret = ask(argv[i], key, argv[2], &e);
			if (ret == 0)
				return CMD_OK;
			final += is_final(ret);
		}
		if (final == argc - 3 || link_now() >= end)
			return cmd_fail(&e, CMD_FAILED);
		if (link_now() >= say_at) {
			fprintf(stderr, "sconce: %s; trying for %lld s more\n",
				e.text,
				(long long)(end - link_now() + 999) / 1000);
			say_at = link_now() + SAY_MS;
		}
		usleep(pause * 1000);
		pause = pause < 1000 ? 2 * pause : 2000;
	}
}
