/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `sconce run`: from the command line to struct launch, and from the
 * program's end to our own.
 *
 * Without a manifest (a development run) the program sees the host's file
 * tree, with its own /proc and /dev, and the host's environment. With one, the
 * host's environment is offered and the kernel takes what the manifest admits.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "abi/layout.h"
#include "cli/cmd.h"
#include "cli/manifest_file.h"
#include "cli/program.h"
#include "cli/run_options.h"
#include "lib/schema_encode.h"
#include "cli/volume_key.h"
#include "cli/volume_tags.h"
#include "host/launch.h"
#include "host/probe.h"
#include "lib/config.h"
#include "lib/string.h"

extern char **environ;

/* What lives as long as the launch. */
struct run {
	struct run_options options;
	struct manifest_file manifest;
	struct run_cas cas;
	char *program;
	char *workdir;
	char hostname[65];
	const char **args;
	size_t args_count;
	const char **env;
	size_t env_count;
	struct mount_spec mounts[MANIFEST_MOUNTS_MAX];
	size_t mounts_count;
	struct volume_spec volumes[MANIFEST_VOLUMES_MAX];
	struct volume_source sources[MANIFEST_VOLUMES_MAX];
	size_t volumes_count;
	uint8_t keys[MANIFEST_VOLUMES_MAX][VOLUME_KEY_SIZE];
	char tags[1024]; /* directory of volumes' tags */
	uint8_t *config;
	struct launch launch;
};

void cmd_run_print_options(void)
{
	run_options_print();
}

static bool same_name(const char *a, const char *b)
{
	/* The analyser does not see that env_count variables are set.
	 * NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker) */
	size_t len = strcspn(a, "=");

	return len == strcspn(b, "=") && strncmp(a, b, len) == 0;
}

/* The last --env of a name wins over earlier ones and over the host's. */
static void put_env(struct run *r, const char *var)
{
	for (size_t i = 0; i < r->env_count; i++) {
		if (same_name(r->env[i], var)) {
			r->env[i] = var;
			return;
		}
	}
	r->env[r->env_count++] = var;
}

static const char *host_variable(const char *name)
{
	for (char **p = environ; *p != NULL; p++)
		if (strchr(*p, '=') != NULL && same_name(*p, name))
			return *p;
	return NULL;
}

static int make_env(struct run *r, struct err *e)
{
	size_t room = r->options.env_count + 1;

	for (char **p = environ; *p != NULL; p++)
		room++;
	r->env = calloc(room, sizeof(*r->env));
	if (r->env == NULL)
		return err_setf(e, -ENOMEM, "no memory");
	for (char **p = environ; *p != NULL; p++)
		if (strchr(*p, '=') != NULL)
			r->env[r->env_count++] = *p;
	for (size_t i = 0; i < r->options.env_count; i++) {
		const char *var = r->options.env[i];

		if (strchr(var, '=') == NULL)
			var = host_variable(var);
		if (var != NULL)
			put_env(r, var);
	}
	return 0;
}

static const char *env_value(const struct run *r, const char *name)
{
	for (size_t i = 0; i < r->env_count; i++)
		if (same_name(r->env[i], name))
			return strchr(r->env[i], '=') + 1;
	return NULL;
}

/* Something else than the command line says what runs. */
static bool is_owned(const struct run *r)
{
	return r->options.manifest != NULL || r->options.cas.session != NULL;
}

static bool is_below(const char *path, const char *target)
{
	size_t len = strlen(target);

	return strncmp(path, target, len) == 0 &&
		(path[len] == '/' || path[len] == '\0');
}

/* True if that path inside the enclave is the same file of the host. */
static bool sees_host(const struct run *r, const char *path)
{
	const struct mount_spec *m = r->manifest.manifest.mounts.item;

	if (is_owned(r))
		return r->manifest.manifest.mounts.count > 0 &&
			m[0].type == MOUNT_HOST &&
			strcmp(m[0].source, "/") == 0 &&
			strcmp(m[0].target, "/") == 0;
	for (size_t i = 0; i < r->options.mounts_count; i++)
		if (is_below(path, r->options.mounts[i].target))
			return false;
	for (size_t i = 0; i < r->options.volumes_count; i++)
		if (r->options.volumes[i].spec.path != NULL &&
			is_below(path, r->options.volumes[i].spec.path))
			return false;
	return true;
}

static int find_program(struct run *r, struct err *e)
{
	const struct manifest *m = &r->manifest.manifest;
	const char *name = r->options.args[0]; /* NULL: none given */
	bool check;
	int ret = 0;

	/* CAS says it; what the command line has are arguments for that. */
	if (r->options.cas.session != NULL)
		return 0;
	if (r->options.args_count == 0 && r->options.manifest == NULL)
		return err_setf(e, -EINVAL,
			"run: no program; usage: sconce run [OPTIONS] -- "
			"PROGRAM [ARGS...]");
	if (r->options.args_count == 0)
		name = m->program;
	check = sees_host(r, name);
	if (check)
		ret = program_find(name, env_value(r, "PATH"), &r->program, e);
	else if (name[0] == '/')
		r->program = strdup(name);
	else
		return err_setf(e, -EINVAL,
			"run: '%s'; wanted the manifest's program, %s", name,
			m->program);
	if (ret == 0 && r->options.manifest != NULL &&
		strcmp(r->program, m->program) != 0)
		return err_setf(e, -EPERM,
			"%s: program %s; wanted by the manifest: %s",
			r->options.manifest, r->program, m->program);
	if (ret == 0 && check)
		ret = program_check_file(r->program, e);
	return ret;
}

/* With a CAS, whose arguments begin with the program, all are the host's; so
 * argv[0] is a placeholder. */
static int make_args(struct run *r, struct err *e)
{
	const char *first = r->options.cas.session;
	size_t count = (size_t)r->options.args_count;

	if (first == NULL && count == 0)
		first = r->program;
	r->args = calloc(count + 2, sizeof(*r->args));
	if (r->args == NULL)
		return err_setf(e, -ENOMEM, "no memory");
	if (first != NULL)
		r->args[r->args_count++] = first;
	for (size_t i = 0; i < count; i++)
		r->args[r->args_count++] = r->options.args[i];
	return 0;
}

static int make_workdir(struct run *r, struct err *e)
{
	const char *given = r->options.workdir;
	char *cwd = getcwd(NULL, 0);
	struct stat st;
	int ret = 0;

	if (given != NULL && given[0] == '/')
		r->workdir = strdup(given);
	else if (given == NULL)
		r->workdir = strdup(cwd != NULL ? cwd : "/");
	else if (asprintf(&r->workdir, "%s/%s", cwd != NULL ? cwd : "", given) <
		0)
		r->workdir = NULL;
	free(cwd);
	if (r->workdir == NULL)
		return err_setf(e, -ENOMEM, "no memory");
	if (given != NULL && sees_host(r, r->workdir)) {
		if (stat(r->workdir, &st) < 0)
			ret = err_setf(e, -EINVAL, "--workdir: %s: %s",
				r->workdir, strerror(errno));
		else if (!S_ISDIR(st.st_mode))
			ret = err_setf(e, -EINVAL,
				"--workdir: %s: not a directory", r->workdir);
	}
	return ret;
}

static void make_mounts(struct run *r)
{
	static const struct mount_spec standard[] = {
		{.type = MOUNT_HOST, .source = "/", .target = "/"},
		{.type = MOUNT_PROC, .target = "/proc"},
		{.type = MOUNT_DEV, .target = "/dev"},
	};

	/* A manifest's mounts are the kernel's business. */
	if (is_owned(r))
		return;
	for (size_t i = 0; i < ARRAY_SIZE(standard); i++)
		r->mounts[r->mounts_count++] = standard[i];
	for (size_t i = 0; i < r->options.mounts_count; i++)
		r->mounts[r->mounts_count++] = r->options.mounts[i];
}

static bool manifest_has_volume(const struct run *r, const char *name)
{
	const struct volume_spec *v = r->manifest.manifest.volumes.item;

	for (size_t i = 0; i < r->manifest.manifest.volumes.count; i++)
		if (strcmp(v[i].name, name) == 0)
			return true;
	return false;
}

/* Each volume of the command line must be one that is mounted. */
static int check_volume(
	const struct run *r, const struct run_volume *v, struct err *e)
{
	if (v->source.path == NULL)
		return err_setf(e, -EINVAL,
			"--volume-key: no volume %s; wanted --volume-dir too",
			v->spec.name);
	if (r->options.cas.session != NULL && v->key_file != NULL)
		return err_setf(e, -EINVAL,
			"--volume-key: %s: keys are CAS's to give",
			v->spec.name);
	if (!is_owned(r))
		return v->spec.path != NULL
			? 0
			: err_setf(e, -EINVAL,
				  "--volume-dir: %s has no target; wanted "
				  "NAME=DIR:TARGET without a manifest",
				  v->spec.name);
	if (v->spec.path != NULL)
		return err_setf(e, -EINVAL,
			"--volume-dir: the target of %s is the manifest's to "
			"say",
			v->spec.name);
	if (r->options.manifest != NULL &&
		!manifest_has_volume(r, v->spec.name))
		return err_setf(e, -EPERM, "--volume-dir: %s has no volume %s",
			r->options.manifest, v->spec.name);
	return 0;
}

/* Where volumes are, with which keys. */
static int make_volumes(struct run *r, struct err *e)
{
	const struct run_options *o = &r->options;
	int ret = 0;

	if (o->volumes_count > 0)
		ret = volume_tags_directory(r->tags, sizeof(r->tags), e);
	for (size_t i = 0; ret == 0 && i < o->volumes_count; i++) {
		const struct run_volume *v = &o->volumes[i];
		struct volume_source *s = &r->sources[i];

		ret = check_volume(r, v, e);
		if (ret < 0)
			break;
		*s = v->source;
		s->tags = r->tags;
		if (v->key_file != NULL) {
			ret = volume_key_read(v->key_file, r->keys[i], e);
			s->key = (struct bytes){r->keys[i], sizeof(r->keys[i])};
		}
		r->volumes[i] = v->spec;
		r->volumes_count++;
	}
	return ret;
}

static int make_config(struct run *r, struct err *e)
{
	const struct run_options *o = &r->options;
	struct rlimit files = {0};
	struct cbor_writer w;
	struct config c = {
		.version = CONFIG_VERSION,
		.program = r->program,
		.args = {r->args, r->args_count},
		.env = {r->env, r->env_count},
		.workdir = r->workdir,
		.hostname = o->hostname != NULL ? o->hostname : r->hostname,
		.mounts = {r->mounts, r->mounts_count},
		.uid = getuid(),
		.gid = getgid(),
		.signals = manifest_default_signals,
		.network = true,
		.attestation = ATTESTATION_ALL,
		.volume_sources = {r->sources, r->volumes_count},
		.manifest = {r->manifest.canonical, r->manifest.canonical_size},
		.cas_addresses = {r->cas.addresses, r->cas.addresses_count},
	};
	int ret;

	if (o->cas.session != NULL)
		c.manifest = (struct bytes){
			r->cas.manifest, r->cas.manifest_size};
	if (!is_owned(r)) /* else they are the kernel's business */
		c.volumes = (struct item_list){r->volumes, r->volumes_count};
	getrlimit(RLIMIT_NOFILE, &files);
	c.files = files.rlim_cur < 1 << 20 ? files.rlim_cur : 1 << 20;
	ret = schema_check(&config_schema, &c, e);
	if (ret < 0)
		return ret;
	cbor_writer_init(&w, NULL, 0);
	schema_encode(&config_schema, &c, &w);
	if (w.len > CONFIG_SIZE_MAX)
		return err_setf(e, -E2BIG,
			"arguments and environment: %zu bytes; wanted at most "
			"%d",
			w.len, CONFIG_SIZE_MAX);
	r->config = malloc(w.len);
	if (r->config == NULL)
		return err_setf(e, -ENOMEM, "no memory");
	r->launch.config = r->config;
	r->launch.config_size = w.len;
	cbor_writer_init(&w, r->config, w.len);
	schema_encode(&config_schema, &c, &w);
	return 0;
}

/* Bounds first, so that a refusal by the kernel is the exception. */
static int make_bounds(struct run *r, struct err *e)
{
	const struct manifest_limits *max = &r->manifest.manifest.limits;
	uint64_t memory = r->options.memory, cpus = r->options.cpus;

	if (memory == 0) {
		memory = u64_min(probe_memory() / 4 * 3, 32ull << 30);
		if (memory < 64 << 20)
			memory = 64 << 20;
		if (max->memory != 0 && memory > max->memory)
			memory = max->memory;
	}
	if (cpus == 0) {
		cpus = u64_min(probe_cpus(), TCS_MAX);
		if (max->cpus != 0 && cpus > max->cpus)
			cpus = max->cpus;
	}
	r->launch.memory = align_down(memory, PAGE_SIZE);
	r->launch.cpus = (unsigned)cpus;
	if (max->memory != 0 && memory > max->memory)
		return err_setf(e, -EPERM,
			"--memory: %llu bytes; the manifest admits %llu",
			(unsigned long long)memory,
			(unsigned long long)max->memory);
	if (max->cpus != 0 && cpus > max->cpus)
		return err_setf(e, -EPERM,
			"--cpus: %llu; the manifest admits %llu",
			(unsigned long long)cpus,
			(unsigned long long)max->cpus);
	return 0;
}

/* What the command line says of CAS, and CAS of tokens. */
static int prepare_cas(struct run *r, struct err *e)
{
	const struct run_options *o = &r->options;
	int ret;

	if (o->cas.session == NULL && o->cas.cas == NULL)
		return 0;
	if (o->manifest != NULL)
		return err_setf(e, -EINVAL,
			"run: --manifest and --cas: one of them says what is "
			"run");
	ret = run_cas_find(&r->cas, &o->cas, e);
	if (ret == 0)
		ret = run_cas_manifest(&r->cas, &o->cas, e);
	if (ret == 0 && r->cas.otp[0] != '\0')
		r->cas.addresses[r->cas.addresses_count++] = r->cas.otp;
	return ret;
}

static int prepare(struct run *r, struct err *e)
{
	const struct run_options *o = &r->options;
	int ret = 0;

	ret = run_cas_otp(&r->options.cas, e);
	if (ret < 0)
		return ret;
	/* The likeliest mistake has the best message. */
	if (o->cas.cas != NULL && o->cas.session == NULL)
		return run_cas_find(&r->cas, &o->cas, e);
	if (o->manifest != NULL)
		ret = manifest_file_load(&r->manifest, o->manifest, e);
	if (ret == 0 && is_owned(r) &&
		(o->mounts_count > 0 || o->workdir != NULL ||
			o->hostname != NULL))
		ret = err_setf(e, -EINVAL,
			"run: --volume, --tmpfs, --workdir and --hostname are "
			"the manifest's to say");
	if (ret == 0)
		ret = make_env(r, e);
	if (ret == 0)
		ret = find_program(r, e);
	if (ret == 0)
		ret = make_args(r, e);
	if (ret == 0)
		ret = make_workdir(r, e);
	if (ret == 0)
		ret = make_volumes(r, e);
	if (ret == 0)
		ret = make_bounds(r, e);
	if (ret == 0)
		ret = probe_mode(o->mode, &r->launch.mode, e);
	if (ret == 0)
		ret = prepare_cas(r, e);
	if (ret == 0 && o->faithful && r->launch.mode == LAUNCH_HARDWARE)
		ret = err_set(e, -EINVAL, "--faithful", "hardware mode",
			"emulated mode", "add --mode emulated");
	if (ret < 0)
		return ret;
	if (gethostname(r->hostname, sizeof(r->hostname) - 1) < 0 ||
		r->hostname[0] == '\0')
		snprintf(r->hostname, sizeof(r->hostname), "sconce");
	make_mounts(r);
	r->launch.program = r->program != NULL ? r->program
					       : r->options.cas.session;
	if (r->options.cas.session != NULL)
		r->launch.init = "sconce-init-cas";
	r->launch.trace = o->trace;
	r->launch.stats = o->stats;
	r->launch.stats_path = o->stats_path;
	r->launch.trace_host = o->trace_host;
	r->launch.calls = o->calls;
	r->launch.las = o->las;
	r->launch.faithful = o->faithful;
	r->launch.has_manifest = is_owned(r);
	memcpy(r->launch.config_id,
		o->manifest != NULL ? r->manifest.hash : r->cas.hash,
		sizeof(r->manifest.hash));
	return make_config(r, e);
}

static void print_notes(const struct run *r)
{
	if (r->options.quiet)
		return;
	if (r->launch.mode == LAUNCH_EMULATED)
		fprintf(stderr,
			"sconce: emulated mode: no hardware protects this "
			"enclave\n");
	if (probe_fallback())
		fprintf(stderr, "sconce: hardware mode lacks %s\n",
			probe_fallback());
	if (!is_owned(r))
		fprintf(stderr,
			"sconce: development run without a manifest: the "
			"host's files and environment pass through\n");
}

static void free_run(struct run *r)
{
	run_options_fini(&r->options);
	manifest_file_fini(&r->manifest);
	free(r->program);
	free(r->workdir);
	free(r->args);
	free(r->env);
	free(r->config);
}

static int status_of(int error)
{
	switch (error) {
	case -ENOENT:
		return LAUNCH_NOT_FOUND;
	case -EACCES:
	case -ENOEXEC:
		return LAUNCH_NOT_EXECUTABLE;
	default:
		return LAUNCH_FAILED;
	}
}

/* Ends this process as the program ended. */
static int end_like(int wait_status)
{
	struct rlimit no_core = {0};
	sigset_t set;
	int sig;

	if (!WIFSIGNALED(wait_status))
		return WEXITSTATUS(wait_status);
	sig = WTERMSIG(wait_status);
	fflush(NULL);
	setrlimit(RLIMIT_CORE, &no_core);
	signal(sig, SIG_DFL);
	sigemptyset(&set);
	sigaddset(&set, sig);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	raise(sig);
	return 128 + sig;
}

int cmd_run(int argc, char **argv)
{
	static struct run r;
	struct err e = {0};
	int wait_status = 0, ret, status;

	ret = run_options_parse(&r.options, argc, argv, &e);
	if (ret == 0 && r.options.help) {
		printf("usage: sconce run [OPTIONS] [--] PROGRAM [ARGS...]\n");
		run_options_print();
		free_run(&r);
		return CMD_OK;
	}
	if (ret < 0) {
		run_options_fini(&r.options);
		return cmd_fail(&e, LAUNCH_FAILED);
	}
	/* An unreadable manifest, or an unknown CAS, is not a missing program.
	 */
	ret = prepare(&r, &e);
	if (ret < 0) {
		status = r.options.cas.session != NULL ||
				(r.options.manifest != NULL && r.env == NULL)
			? LAUNCH_FAILED
			: status_of(ret);

		free_run(&r);
		return cmd_fail(&e, status);
	}
	print_notes(&r);
	ret = host_run(&r.launch, &wait_status, &e);
	status = ret < 0 ? cmd_fail(&e, status_of(ret)) : end_like(wait_status);
	/* Threads of the enclave may still run: nothing is taken down under
	 * them, neither here nor by exit handlers. */
	fflush(NULL);
	_exit(status);
}
