/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sconce-las: the quoting service of a node. A program of its own, beside
 * sconce, so that the launcher of enclaves has none of the platform's keys.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "cli/cmd.h"
#include "emu/qe.h"
#include "host/aesm.h"
#include "host/las.h"

enum { DAY_MS = 86400000, MODE_DEFAULT = 0666 };

enum mode { AUTO, HARDWARE, EMULATED };

struct options {
	char socket[108];
	const char *aesm, *collateral;
	unsigned permissions;
	enum mode mode;
};

int cmd_fail(const struct err *e, int status)
{
	fprintf(stderr, "sconce: %s\n", e->text);
	return status;
}

static int parse_mode(const char *text, enum mode *mode, struct err *e)
{
	static const char *const names[] = {[AUTO] = "auto",
		[HARDWARE] = "hardware",
		[EMULATED] = "emulated"};

	for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
		if (strcmp(text, names[i]) == 0) {
			*mode = (enum mode)i;
			return 0;
		}
	}
	return err_set(
		e, -EINVAL, "--mode", text, "auto, hardware or emulated", NULL);
}

static int parse_permissions(
	const char *text, unsigned *permissions, struct err *e)
{
	char *end;
	unsigned long v = strtoul(text, &end, 8);

	if (text[0] < '0' || text[0] > '7' || *end || v > 0777)
		return err_set(e, -EINVAL, "--permissions", text,
			"an octal number up to 777", NULL);
	*permissions = (unsigned)v;
	return 0;
}

static int set_socket(struct options *o, const char *path, struct err *e)
{
	if (snprintf(o->socket, sizeof(o->socket), "%s", path) >=
		(int)sizeof(o->socket))
		return err_setf(e, -EINVAL,
			"--socket %s: a socket's path has less than %zu bytes",
			path, sizeof(o->socket));
	return 0;
}

/* 1: help was asked for. */
static int parse(int argc, char **argv, struct options *o, struct err *e)
{
	static const struct option longs[] = {
		{"socket", required_argument, NULL, 's'},
		{"permissions", required_argument, NULL, 'p'},
		{"mode", required_argument, NULL, 'm'},
		{"aesm", required_argument, NULL, 'a'},
		{"collateral", required_argument, NULL, 'c'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	int option, ret = 0;

	while (ret == 0 &&
		(option = getopt_long(argc, argv, ":h", longs, NULL)) >= 0) {
		if (option == 'h')
			return 1;
		if (option == 's')
			ret = set_socket(o, optarg, e);
		else if (option == 'p')
			ret = parse_permissions(optarg, &o->permissions, e);
		else if (option == 'm')
			ret = parse_mode(optarg, &o->mode, e);
		else if (option == 'a')
			o->aesm = optarg;
		else if (option == 'c')
			o->collateral = optarg;
		else
			return err_setf(e, -EINVAL,
				"las: %s%s; `sconce help las` lists the "
				"options",
				argv[optind - 1],
				option == ':' ? " needs a value"
					      : " is not known");
	}
	if (ret == 0 && optind < argc)
		return err_setf(e, -EINVAL,
			"las: '%s' is no option; `sconce help las` lists them",
			argv[optind]);
	return ret;
}

/* The default place, in a directory that is made if need be. */
static int default_socket(struct options *o, struct err *e)
{
	const char *base = getenv("XDG_RUNTIME_DIR");
	bool root = geteuid() == 0;
	char dir[sizeof(o->socket) - 16];

	if (root || !base || base[0] != '/')
		base = "/run";
	if (snprintf(dir, sizeof(dir), "%s/sconce", base) >= (int)sizeof(dir))
		return err_setf(e, -EINVAL,
			"XDG_RUNTIME_DIR is too long; use --socket PATH");
	if (mkdir(dir, root ? 0755 : 0700) < 0 && errno != EEXIST)
		return err_setf(e, -errno, "%s: %s; use --socket PATH", dir,
			strerror(errno));
	snprintf(o->socket, sizeof(o->socket), "%s/las.sock", dir);
	return 0;
}

static bool somebody_listens(const char *path)
{
	struct sockaddr_un address;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool is = fd >= 0 && aesm_address(path, &address) == 0 &&
		connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0;

	if (fd >= 0)
		close(fd);
	return is;
}

/* The socket of AESM, NULL if there is none. */
static const char *find_aesm(const struct options *o)
{
	static const char *const known[] = {
		AESM_INTEL_SOCKET, AESM_INTEL_ABSTRACT};

	if (o->aesm)
		return somebody_listens(o->aesm) ? o->aesm : NULL;
	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (somebody_listens(known[i]))
			return known[i];
	return NULL;
}

/* ---- the emulated back end ---- */

struct emulated {
	struct las_emulated *las;
	const char *collateral;
};

static int write_collateral(struct emulated *m, struct err *e)
{
	return emu_qe_collateral(
		las_emulated_qe(m->las), m->collateral, (int64_t)time(NULL), e);
}

static void refresh(void *ctx)
{
	struct emulated *m = ctx;
	struct err e;

	/* Yesterday's is good for weeks: we go on. */
	if (write_collateral(m, &e) < 0)
		fprintf(stderr, "sconce las: %s\n", e.text);
}

static int answer(void *ctx, const struct aesm_msg *request, uint8_t **frame,
	size_t *size)
{
	struct emulated *m = ctx;

	return las_emulated_answer(m->las, request, frame, size);
}

/* ---- serving ---- */

/* sd_notify(3): a datagram to the socket that systemd names. */
static void notify_ready(void)
{
	static const char ready[] = "READY=1";
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	size_t len = path ? strlen(path) : 0;
	int fd;

	if (len < 2 || len >= sizeof(address.sun_path))
		return;
	memcpy(address.sun_path, path, len);
	if (path[0] == '@')
		address.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	(void)!sendto(fd, ready, sizeof(ready) - 1, MSG_NOSIGNAL,
		(struct sockaddr *)&address,
		(socklen_t)(offsetof(struct sockaddr_un, sun_path) + len));
	close(fd);
}

static void block_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
}

static int serve(const struct options *o, const struct las_backend *backend,
	struct err *e)
{
	struct las *las;
	int ret;

	block_signals();
	ret = las_new(&las, o->socket, o->permissions, backend, e);
	if (ret < 0)
		return ret;
	if (backend->forward)
		fprintf(stderr,
			"sconce las: quotes of this machine's processor, by "
			"AESM at %s; listening at %s\n",
			backend->forward, o->socket);
	else
		fprintf(stderr,
			"sconce las: EMULATED quoting enclave, its quotes "
			"prove nothing; listening at %s\n",
			o->socket);
	notify_ready();
	ret = las_serve(las, e);
	las_free(las);
	return ret;
}

static int serve_emulated(const struct options *o, struct err *e)
{
	struct emulated m = {.collateral = o->collateral};
	const struct las_backend backend = {.answer = answer,
		.ctx = &m,
		.tick = o->collateral ? refresh : NULL,
		.tick_ms = DAY_MS};
	int ret = las_emulated_new(&m.las, e);

	if (ret == 0 && o->collateral)
		ret = write_collateral(&m, e);
	if (ret == 0)
		ret = serve(o, &backend, e);
	las_emulated_free(m.las);
	return ret;
}

static int run(struct options *o, struct err *e)
{
	struct las_backend backend = {0};
	int ret = 0;

	if (o->socket[0] == '\0')
		ret = default_socket(o, e);
	if (ret < 0)
		return ret;
	if (o->mode != EMULATED)
		backend.forward = find_aesm(o);
	if (o->mode == HARDWARE && !backend.forward)
		return err_setf(e, -ENOENT,
			"las: nobody answers at %s; install and start Intel's "
			"aesmd (sgx-aesm-service, "
			"libsgx-aesm-quote-ex-plugin)",
			o->aesm ? o->aesm : AESM_INTEL_SOCKET);
	if (backend.forward && o->collateral)
		return err_setf(e, -EINVAL,
			"las: --collateral is of the emulated platform; for "
			"this machine's use `sconce collateral fetch`");
	if (backend.forward)
		return serve(o, &backend, e);
	if (access("/dev/sgx_enclave", F_OK) == 0 && o->mode == AUTO)
		fprintf(stderr,
			"sconce las: this machine has SGX, but AESM does not "
			"answer: its enclaves get no quotes here\n");
	return serve_emulated(o, e);
}

int main(int argc, char **argv)
{
	struct options o = {.permissions = MODE_DEFAULT};
	struct err e = {0};
	int ret = parse(argc, argv, &o, &e);

	if (ret == 1) {
		printf("usage: sconce las [OPTIONS]\n");
		cmd_las_print_options();
		return CMD_OK;
	}
	if (ret == 0)
		ret = run(&o, &e);
	return ret < 0 ? cmd_fail(&e, CMD_FAILED) : CMD_OK;
}
