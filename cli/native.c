/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `sconce exec`: a service of CAS as an ordinary process of this machine, with
 * the arguments, environment and files that it would have in an enclave. For
 * development, and for moving to enclaves. CAS gives it only where the policy
 * wants no evidence.
 *
 * This process stays as the parent: it renews the lease and reports the end.
 */
#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cas/carrier.h"
#include "cli/cmd.h"
#include "cli/exec_cmd.h"
#include "cli/native_files.h"
#include "cli/options.h"
#include "cli/program.h"
#include "cli/run_cas.h"
#include "lib/string.h"

enum { CAS, SESSION, CAS_KEY, TOKEN, OTP, QUIET };

enum { STOP_MS = 10 * 1000, NOT_EXECUTABLE = 126, NOT_FOUND = 127 };

static const struct option_row rows[] = {
	[CAS] = {"cas", 0, "HOST:PORT", false,
		"where CAS is (default: the usual one)"},
	[SESSION] = {"session", 0, "NAME/SERVICE", false, "what to run"},
	[CAS_KEY] = {"cas-key", 0, "HASH", false,
		"key of CAS (default: as `sconce cas attest` noted)"},
	[TOKEN] = {"token", 0, "TEXT", false,
		"access token of the session; better in SCONCE_TOKEN"},
	[OTP] = {"otp", 0, "CODE", false,
		"six digits of the owner's device, if the session wants them"},
	[QUIET] = {"quiet", 'q', NULL, false, "no note that nothing protects"},
};

struct native {
	struct run_cas cas;
	struct carrier_options options;
	struct carrier *carrier;
	struct service_config config;
	struct manifest manifest;
	void *memory; /* of both */
	size_t memory_size;
	char **argv, **envp;
	int signals; /* signalfd */
	sigset_t set, before;
	pid_t program;
	int status;
	bool over, stopping;
	int64_t kill_at;
};

static void say(void *arg, const char *text)
{
	(void)arg;
	fprintf(stderr, "sconce: %s\n", text);
}

static void no_tags(void *arg, uint64_t id, int status)
{
	(void)arg;
	(void)id;
	(void)status;
}

static int decode(struct native *n, struct err *e)
{
	struct bytes c = carrier_config(n->carrier);
	struct arena arena;
	int ret;

	/* The manifest lies in the configuration: decoded from there. */
	n->memory_size = 2 * SCHEMA_ARENA_SIZE(c.size);
	n->memory = malloc(n->memory_size);
	if (n->memory == NULL)
		return err_setf(e, -ENOMEM, "no memory");
	arena_init(&arena, n->memory, n->memory_size);
	ret = service_config_decode(&n->config, c.data, c.size, &arena, e);
	if (ret == 0)
		ret = manifest_decode(&n->manifest, n->config.manifest.data,
			n->config.manifest.size, &arena, e);
	if (ret == 0)
		ret = service_config_match(&n->config, &n->manifest, e);
	n->memory_size = arena.used;
	carrier_forget_config(n->carrier);
	return ret < 0 ? err_prefix(e, "configuration from CAS") : 0;
}

/* What has no meaning without an enclave. */
static int check(const struct native *n, struct err *e)
{
	const struct manifest *m = &n->manifest;
	const struct volume_spec *v = m->volumes.item;

	if (m->volumes.count > 0)
		return err_setf(e, -EOPNOTSUPP,
			"volume %s at %s: encrypted volumes are there in "
			"enclaves only; use `sconce run`, or a session without",
			v->name, v->path);
	if (m->program == NULL)
		return err_setf(
			e, -EINVAL, "configuration from CAS: no program");
	return program_check_file(m->program, e);
}

static int make_arguments(struct native *n, struct err *e)
{
	const struct manifest *m = &n->manifest;
	size_t count = 0;

	for (char **p = environ; *p != NULL; p++)
		count++;
	n->argv = calloc(m->args.list.count + 2, sizeof(*n->argv));
	n->envp = calloc(m->env.set.count + count + 1, sizeof(*n->envp));
	if (n->argv == NULL || n->envp == NULL)
		return err_setf(e, -ENOMEM, "no memory");
	n->argv[0] = (char *)(uintptr_t)m->program;
	for (size_t i = 0; i < m->args.list.count; i++)
		n->argv[i + 1] = (char *)(uintptr_t)m->args.list.item[i];
	count = 0;
	for (size_t i = 0; i < m->env.set.count; i++)
		if (asprintf(&n->envp[count++], "%s=%s", m->env.set.item[i].key,
			    m->env.set.item[i].value) < 0)
			return err_setf(e, -ENOMEM, "no memory");
	for (char **p = environ; *p != NULL; p++) {
		size_t len = strcspn(*p, "=");

		if (manifest_env_passes(m, *p, len))
			n->envp[count++] = *p;
	}
	return 0;
}

static void forget(struct native *n)
{
	for (size_t i = 0; n->envp != NULL && i < n->manifest.env.set.count;
		i++) {
		if (n->envp[i] == NULL)
			continue;
		OPENSSL_cleanse(n->envp[i], strlen(n->envp[i]));
		free(n->envp[i]);
	}
	free(n->argv);
	free(n->envp);
	n->argv = n->envp = NULL;
	if (n->memory != NULL)
		OPENSSL_cleanse(n->memory, n->memory_size);
	free(n->memory);
	n->memory = NULL;
}

/* Signals come as data, except in the program. */
static int start(struct native *n, struct err *e)
{
	static const int taken[] = {
		SIGCHLD, SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2};
	int ret = native_files_show(&n->config.files, e);

	if (ret < 0)
		return ret;
	if (chdir(n->manifest.workdir) < 0)
		return err_setf(e, -errno, "%s: %s", n->manifest.workdir,
			strerror(errno));
	sigemptyset(&n->set);
	for (size_t i = 0; i < ARRAY_SIZE(taken); i++)
		sigaddset(&n->set, taken[i]);
	n->signals = signalfd(-1, &n->set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (n->signals < 0)
		return err_setf(e, -errno, "signalfd: %s", strerror(errno));
	fflush(NULL);
	n->program = fork();
	if (n->program == 0) {
		signal(SIGPIPE, SIG_DFL);
		execve(n->manifest.program, n->argv, n->envp);
		fprintf(stderr, "sconce: %s: %s\n", n->manifest.program,
			strerror(errno));
		_exit(errno == ENOENT ? NOT_FOUND : NOT_EXECUTABLE);
	}
	if (n->program < 0)
		return err_setf(e, -errno, "fork: %s", strerror(errno));
	/* What comes from now on is for the program. */
	sigprocmask(SIG_BLOCK, &n->set, &n->before);
	return 0;
}

static void reap(struct native *n)
{
	char reason[64];
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid != n->program)
			continue;
		n->status = status;
		n->over = true;
		snprintf(reason, sizeof(reason), "%s %d",
			WIFSIGNALED(status) ? "signal" : "exit status",
			WIFSIGNALED(status) ? WTERMSIG(status)
					    : WEXITSTATUS(status));
		carrier_exit(n->carrier, (uint64_t)(unsigned)status, reason);
	}
}

static void on_signals(struct native *n)
{
	struct signalfd_siginfo info;

	while (read(n->signals, &info, sizeof(info)) == sizeof(info))
		/* A terminal's go to the program by themselves. */
		if (info.ssi_signo != SIGCHLD && info.ssi_code <= 0)
			kill(n->program, (int)info.ssi_signo);
	reap(n);
}

static void check_lease(struct native *n)
{
	if (n->over || (!n->stopping && !carrier_expired(n->carrier)))
		return;
	if (!n->stopping) {
		say(NULL,
			"the lease ended and was not renewed: the service is "
			"stopped, as its policy says");
		n->stopping = true;
		n->kill_at = link_now() + STOP_MS;
		kill(n->program, SIGTERM);
	} else if (link_now() >= n->kill_at) {
		kill(n->program, SIGKILL);
	}
}

static void serve(struct native *n)
{
	struct err e;

	reap(n);
	while (!(n->over && carrier_exited(n->carrier))) {
		int timeout = carrier_timeout(n->carrier);
		struct pollfd p[] = {
			{.fd = carrier_fd(n->carrier),
				.events = carrier_events(n->carrier)},
			{.fd = n->signals, .events = POLLIN},
		};

		poll(p, 2, n->stopping ? 500 : timeout);
		on_signals(n);
		check_lease(n);
		(void)!carrier_run(n->carrier, &e);
	}
}

static int run(struct native *n, const struct options *o, struct err *e)
{
	int ret = carrier_new(&n->options, &n->carrier, e);

	if (ret == 0)
		ret = carrier_start(n->carrier, e);
	if (ret == 0)
		ret = decode(n, e);
	if (ret == 0)
		ret = check(n, e);
	if (ret == 0)
		ret = make_arguments(n, e);
	if (ret == 0 && o->value[QUIET] == NULL)
		fprintf(stderr,
			"sconce: exec: no enclave: nothing protects this "
			"program and its secrets from this machine\n");
	if (ret == 0)
		ret = start(n, e);
	forget(n);
	if (ret == 0)
		serve(n);
	return ret;
}

/* Ends this process as the program did. */
static int end_as(int status)
{
	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	signal(WTERMSIG(status), SIG_DFL);
	raise(WTERMSIG(status));
	return 128 + WTERMSIG(status);
}

static int native(struct options *o, struct err *e)
{
	static struct native n;
	struct run_cas_options c = {
		.cas = o->value[CAS],
		.session = o->value[SESSION],
		.key = o->value[CAS_KEY],
		.otp = o->value[OTP],
	};
	size_t count = 0;
	int ret = run_cas_otp(&c, e);

	if (ret == 0)
		ret = run_cas_find(&n.cas, &c, e);
	if (ret < 0)
		return ret;
	while (o->path[count] != NULL)
		count++;
	signal(SIGPIPE, SIG_IGN);
	n.options = (struct carrier_options){
		.addresses = n.cas.addresses,
		.addresses_count = n.cas.addresses_count,
		.session = c.session,
		.token = o->value[TOKEN] ? o->value[TOKEN]
					 : getenv(RUN_CAS_TOKEN_VARIABLE),
		.otp = c.otp,
		.host_args = {(const char **)(uintptr_t)o->path, count},
		.tag_done = no_tags,
		.say = say,
	};
	memcpy(n.options.key, n.cas.key, sizeof(n.options.key));
	ret = run(&n, o, e);
	carrier_free(n.carrier);
	if (ret < 0)
		return ret;
	sigprocmask(SIG_SETMASK, &n.before, NULL);
	return end_as(n.status);
}

static const struct command command = {
	.name = "exec",
	.synopsis = "--session NAME/SERVICE [OPTIONS] [-- ARGS...]",
	.help = "run a service of CAS without an enclave, on a trusted machine",
	.options = OPTION_BIT(CAS) | OPTION_BIT(SESSION) | OPTION_BIT(CAS_KEY) |
		OPTION_BIT(TOKEN) | OPTION_BIT(OTP) | OPTION_BIT(QUIET),
	.paths_max = 4096,
	.run = native,
	.more = "Nothing is protected: the session must have attestation mode "
		"\"none\".\nARGS are what the policy calls @@1, @@2, ...\n",
};

int cmd_native(int argc, char **argv)
{
	struct options o = {0};
	struct err e = {0};
	int ret = options_parse(
		&command, rows, ARRAY_SIZE(rows), argc, argv, &o, &e);

	if (ret == 0)
		ret = native(&o, &e);
	else if (ret > 0)
		ret = CMD_OK;
	return ret < 0 ? cmd_fail(&e, CMD_FAILED) : ret;
}
