/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Process 1 of enclaves that CAS configures; the kernel holds its hash, and
 * starts it as abi/service.h says:
 *
 *	init-cas KEY SESSION TOKEN [ADDRESS...] -- [HOSTARG...]
 *
 * Two threads. The first has the connection (cas/carrier.h) and never waits
 * for anything else, so that tags get through whatever the second does: hand
 * the configuration to the kernel, start the program, wait for its end, have
 * everything committed. They talk by a pipe and one pid.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cas/carrier.h"
#include "init/device.h"
#include "init/program.h"
#include "init/secrets.h"
#include "lib/bytes.h"
#include "lib/string.h"

enum {
	REFUSED = 125, /* exit status: there was no program */
	STOP_MS = 10 * 1000, /* between SIGTERM and SIGKILL */
	TAGS_AT_ONCE = 16,
	TAG_SIZE = 32,
};

/* What the second thread tells the first, in this order. */
struct news {
	enum {
		NEWS_CONFIGURED, /* or not: error */
		NEWS_OVER, /* status as of wait(2) */
	} what;
	int error, status;
	char text[sizeof(((struct err *)0)->text)];
};

struct init {
	struct carrier_options options;
	struct carrier *carrier;
	bool no_evidence; /* nobody here makes quotes */
	int tags; /* descriptor */
	struct secrets secrets;
	int news[2]; /* pipe */
	bool failed, over, stopping;
	int64_t kill_at;
	int status;
	pthread_mutex_t lock;
	pid_t program; /* under lock; 0: not there */
};

/* The arguments are the kernel's, of which the addresses are the host's. */
static int read_arguments(struct init *in, int argc, char **argv)
{
	struct carrier_options *o = &in->options;
	int at = 4, count = 4;

	if (argc < 5 || !string_from_hex(argv[1], o->key, sizeof(o->key)))
		return -EINVAL;
	o->session = argv[2];
	o->token = argv[3][0] != '\0' ? argv[3] : NULL;
	o->addresses = (const char *const *)&argv[at];
	for (; at < argc && strcmp(argv[at], "--") != 0; at++) {
		if (argv[at][0] == '@')
			o->otp = argv[at] + 1;
		else
			argv[count++] = argv[at];
	}
	o->addresses_count = (size_t)(count - 4);
	if (at == argc)
		return -EINVAL;
	o->host_args = (struct text_list){
		(const char **)(uintptr_t)&argv[at + 1],
		(size_t)(argc - at - 1)};
	return 0;
}

static void say(void *arg, const char *text)
{
	(void)arg;
	fprintf(stderr, "sconce: %s\n", text);
}

/* Policies may want none; CAS says if this one does. */
static int evidence(void *arg, const uint8_t report_data[64], struct buf *out,
	struct err *e)
{
	struct init *in = arg;
	int ret = device_evidence(report_data, out, e);

	in->no_evidence = ret == -ECONNREFUSED;
	return in->no_evidence ? 0 : ret;
}

static void tag_done(void *arg, uint64_t id, int status)
{
	struct init *in = arg;

	device_tags_reply(in->tags, id, status);
}

static void secret_done(
	void *arg, uint64_t id, int status, const struct bytes *value)
{
	struct init *in = arg;

	secrets_done(&in->secrets, id, status, value);
}

static void serve_tags(struct init *in)
{
	static const uint8_t zeros[TAG_SIZE];
	struct service_tag_request r[TAGS_AT_ONCE];
	int n;

	while ((n = device_tags_read(in->tags, r, TAGS_AT_ONCE)) > 0) {
		for (int i = 0; i < n; i++) {
			struct carrier_tag t = {.id = r[i].id,
				.volume = r[i].volume,
				.to = r[i].to};

			r[i].volume[sizeof(r[i].volume) - 1] = '\0';
			if (memcmp(r[i].from, zeros, TAG_SIZE) != 0)
				t.from = r[i].from;
			carrier_tag(in->carrier, &t);
		}
	}
}

/* ---- the second thread ---- */

static void tell(struct init *in, const struct news *n)
{
	/* A pipe takes that much at once. */
	if (write(in->news[1], n, sizeof(*n)) != (ssize_t)sizeof(*n))
		_exit(REFUSED);
}

static void set_program(struct init *in, pid_t pid)
{
	pthread_mutex_lock(&in->lock);
	in->program = pid;
	pthread_mutex_unlock(&in->lock);
}

/* Until the program ends; whoever else does is reaped. A pid is not signalled
 * any more before it can be another's. */
static int reap_until(struct init *in, pid_t program)
{
	siginfo_t info;
	int status = 0;

	for (;;) {
		info.si_pid = 0;
		if (waitid(P_ALL, 0, &info, WEXITED | WNOWAIT) < 0) {
			if (errno == EINTR)
				continue;
			return REFUSED << 8;
		}
		if (info.si_pid == program)
			set_program(in, 0);
		if (waitpid(info.si_pid, &status, 0) == program)
			return status;
	}
}

/* The program is over, and with it the service. */
static void end_others(void)
{
	kill(-1, SIGKILL);
	while (waitpid(-1, NULL, 0) > 0 || errno == EINTR)
		;
}

static int run_program(struct init *in, struct device_program *p)
{
	pid_t pid;

	/* Nobody is told the pid of what is not there yet. */
	pthread_mutex_lock(&in->lock);
	pid = program_start(p->path, p->argv, p->envp);
	in->program = pid > 0 ? pid : 0;
	pthread_mutex_unlock(&in->lock);
	device_program_fini(p);
	if (pid < 0)
		return PROGRAM_NOT_EXECUTABLE << 8;
	return reap_until(in, pid);
}

static void *run_service(void *arg)
{
	struct init *in = arg;
	struct bytes config = carrier_config(in->carrier);
	struct news n = {.what = NEWS_CONFIGURED};
	struct device_program p;
	struct err e = {0};

	n.error = device_configure(&config, &p, &e);
	strcpy(n.text, e.text);
	tell(in, &n);
	if (n.error < 0)
		return NULL;
	n = (struct news){.what = NEWS_OVER};
	n.status = run_program(in, &p);
	end_others();
	n.error = device_finish(&e);
	if (n.error < 0)
		strcpy(n.text, e.text);
	tell(in, &n);
	return NULL;
}

/* ---- the first thread ---- */

static void report_end(struct init *in)
{
	char reason[128];

	if (WIFSIGNALED(in->status))
		snprintf(reason, sizeof(reason), "signal %d%s",
			WTERMSIG(in->status),
			in->stopping ? ", for its lease ended" : "");
	else
		snprintf(reason, sizeof(reason), "exit status %d%s",
			WEXITSTATUS(in->status),
			in->stopping ? ", after its lease ended" : "");
	carrier_exit(in->carrier, (uint64_t)(unsigned)in->status, reason);
}

static void on_news(struct init *in)
{
	struct news n;

	if (read(in->news[0], &n, sizeof(n)) != (ssize_t)sizeof(n))
		return;
	if (n.what == NEWS_CONFIGURED) {
		carrier_forget_config(in->carrier);
		if (n.error == 0)
			return;
		fprintf(stderr, "sconce: configuration from CAS: %s\n", n.text);
		in->status = REFUSED << 8;
		in->over = true;
		carrier_exit(in->carrier, (uint64_t)in->status, n.text);
		return;
	}
	if (n.error < 0)
		fprintf(stderr, "sconce: volumes: %s\n", n.text);
	in->status = n.status;
	/* Acknowledged it was not; a status of success would say so. */
	if (n.error < 0 && n.status == 0)
		in->status = REFUSED << 8;
	in->over = true;
	report_end(in);
}

/* The policy gave the service so much time without CAS, and no more. */
static void check_lease(struct init *in)
{
	if (in->over || (!in->stopping && !carrier_expired(in->carrier)))
		return;
	pthread_mutex_lock(&in->lock);
	if (!in->stopping) {
		fprintf(stderr,
			"sconce: the lease ended and was not renewed: the "
			"service is stopped, as its policy says\n");
		in->stopping = true;
		in->kill_at = link_now() + STOP_MS;
		if (in->program > 0)
			kill(in->program, SIGTERM);
	} else if (in->kill_at && link_now() >= in->kill_at) {
		in->kill_at = 0;
		kill(-1, SIGKILL);
	}
	pthread_mutex_unlock(&in->lock);
}

static int timeout_of(const struct init *in)
{
	int timeout = carrier_timeout(in->carrier);
	int64_t left;

	if (in->stopping) {
		/* The lease is over, which the carrier keeps saying. */
		left = in->kill_at ? in->kill_at - link_now() : 1000;
		if (left < 0)
			left = 0;
		timeout = left < 1000 ? (int)left : 1000;
	}
	return timeout;
}

static void serve(struct init *in)
{
	struct err e = {0};

	while (!(in->over && carrier_exited(in->carrier))) {
		struct pollfd p[] = {
			{.fd = carrier_fd(in->carrier),
				.events = carrier_events(in->carrier)},
			{.fd = in->tags, .events = POLLIN},
			{.fd = in->news[0], .events = POLLIN},
			{.fd = in->secrets.fd,
				.events = secrets_events(&in->secrets)},
		};

		if (poll(p, ARRAY_SIZE(p), timeout_of(in)) < 0 &&
			errno != EINTR)
			break;
		serve_tags(in);
		secrets_serve(&in->secrets, in->carrier);
		if (p[2].revents)
			on_news(in);
		check_lease(in);
		(void)!carrier_run(in->carrier, &e);
	}
}

static int refuse(const struct init *in, const struct err *e)
{
	fprintf(stderr, "sconce: %s%s\n", e->text,
		in->no_evidence && e->code == -EKEYREJECTED
			? "; there was no quote to send: start `sconce "
			  "las` on this machine"
			: "");
	return REFUSED;
}

int main(int argc, char **argv)
{
	static struct init in = {.lock = PTHREAD_MUTEX_INITIALIZER};
	pthread_t thread;
	struct err e = {0};

	if (read_arguments(&in, argc, argv) < 0) {
		fprintf(stderr,
			"sconce: init-cas: wanted: KEY SESSION TOKEN "
			"[ADDRESS...] -- [ARG...]\n");
		return REFUSED;
	}
	signal(SIGPIPE, SIG_IGN);
	in.options.evidence = evidence;
	in.options.tag_done = tag_done;
	in.options.secret_done = secret_done;
	in.options.say = say;
	in.options.arg = &in;
	if (pipe2(in.news, O_CLOEXEC) < 0)
		err_setf(&e, -errno, "no pipe");
	else
		in.tags = device_tags_open(&e);
	if (e.code == 0)
		(void)!secrets_open(&in.secrets, &e);
	if (e.code < 0 || carrier_new(&in.options, &in.carrier, &e) < 0 ||
		carrier_start(in.carrier, &e) < 0)
		return refuse(&in, &e);
	if (pthread_create(&thread, NULL, run_service, &in)) {
		err_setf(&e, -EAGAIN, "init-cas: no thread");
		return refuse(&in, &e);
	}
	serve(&in);
	carrier_free(in.carrier);
	return program_end_as(in.status);
}
