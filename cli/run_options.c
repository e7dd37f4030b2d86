/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/run_options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "abi/layout.h"
#include "lib/parse.h"
#include "lib/string.h"

enum value { VALUE_NONE, VALUE_NEEDED, VALUE_ALLOWED };

struct option {
	const char *name;
	char letter;
	enum value value;
	const char *metavar;
	const char *help;
	int (*set)(struct run_options *o, const char *value, struct err *e);
};

static int bad_value(struct err *e, const char *option, const char *value,
	const char *wanted)
{
	return err_setf(
		e, -EINVAL, "%s: '%s'; wanted %s", option, value, wanted);
}

static int set_memory(struct run_options *o, const char *value, struct err *e)
{
	if (parse_size(value, USER_END, &o->memory) < 0 || o->memory < 1 << 20)
		return bad_value(
			e, "--memory", value, "1m to 62g, as in 512m or 2g");
	o->memory = align_up(o->memory, PAGE_SIZE);
	return 0;
}

static int set_cpus(struct run_options *o, const char *value, struct err *e)
{
	if (parse_uint(value, TCS_MAX, &o->cpus) < 0 || o->cpus == 0)
		return bad_value(e, "--cpus", value, "1 to 64");
	return 0;
}

static int set_mode(struct run_options *o, const char *value, struct err *e)
{
	static const struct {
		const char *name;
		enum launch_mode mode;
	} modes[] = {
		{"auto", LAUNCH_AUTO},
		{"hardware", LAUNCH_HARDWARE},
		{"emulated", LAUNCH_EMULATED},
	};

	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		if (strcmp(modes[i].name, value) == 0) {
			o->mode = modes[i].mode;
			return 0;
		}
	}
	return bad_value(e, "--mode", value, "auto, hardware or emulated");
}

static int set_env(struct run_options *o, const char *value, struct err *e)
{
	if (value[0] == '=' || value[0] == '\0')
		return bad_value(e, "--env", value, "NAME=VALUE or NAME");
	o->env[o->env_count++] = value;
	return 0;
}

static int set_workdir(struct run_options *o, const char *value, struct err *e)
{
	if (value[0] == '\0')
		return bad_value(e, "--workdir", value, "a directory");
	o->workdir = value;
	return 0;
}

static int set_hostname(struct run_options *o, const char *value, struct err *e)
{
	size_t len = strlen(value);

	if (len == 0 || len > 64)
		return bad_value(e, "--hostname", value, "1 to 64 bytes");
	o->hostname = value;
	return 0;
}

static int set_manifest(struct run_options *o, const char *value, struct err *e)
{
	(void)e;
	o->manifest = value;
	return 0;
}

static int set_cas(struct run_options *o, const char *value, struct err *e)
{
	(void)e;
	o->cas.cas = value;
	return 0;
}

static int set_session(struct run_options *o, const char *value, struct err *e)
{
	if (strchr(value, '/') == NULL)
		return bad_value(e, "--session", value,
			"NAME/SERVICE, as in shop/db/mariadb");
	o->cas.session = value;
	return 0;
}

static int set_cas_key(struct run_options *o, const char *value, struct err *e)
{
	(void)e;
	o->cas.key = value;
	return 0;
}

static int set_token(struct run_options *o, const char *value, struct err *e)
{
	(void)e;
	o->cas.token = value;
	return 0;
}

static int set_one_time(struct run_options *o, const char *value, struct err *e)
{
	(void)e;
	o->cas.one_time = value;
	return 0;
}

static int set_otp(struct run_options *o, const char *value, struct err *e)
{
	(void)e;
	o->cas.otp = value;
	return 0;
}

static int add_mount(
	struct run_options *o, const struct mount_spec *m, struct err *e)
{
	if (o->mounts_count == RUN_MOUNTS_MAX)
		return err_setf(
			e, -EINVAL, "more than %d mounts", RUN_MOUNTS_MAX);
	o->mounts[o->mounts_count++] = *m;
	return 0;
}

static int set_tmpfs(struct run_options *o, const char *value, struct err *e)
{
	static const char wanted[] = "an absolute path, or PATH:size=64m";
	struct mount_spec m = {.type = MOUNT_TMPFS};
	const char *colon = strchr(value, ':');
	size_t len = colon != NULL ? (size_t)(colon - value) : strlen(value);
	char *target;
	int ret;

	if (value[0] != '/' || len > MANIFEST_PATH_MAX)
		return bad_value(e, "--tmpfs", value, wanted);
	if (colon != NULL &&
		(!string_has_prefix(colon, ":size=") ||
			parse_size(colon + 6, 1ull << 40, &m.size) < 0))
		return bad_value(e, "--tmpfs", value, wanted);
	target = strndup(value, len);
	if (target == NULL)
		return err_setf(e, -ENOMEM, "no memory");
	m.target = target;
	ret = add_mount(o, &m, e);
	if (ret < 0)
		free(target);
	return ret; /* NOLINT(clang-analyzer-unix.Malloc): o has it */
}

static int set_volume(struct run_options *o, const char *value, struct err *e)
{
	static const char wanted[] = "HOSTPATH:TARGET[:ro], both absolute";
	struct mount_spec m = {.type = MOUNT_HOST};
	const char *colon = strchr(value, ':'), *inside, *end;
	char *source, *target;
	int ret;

	if (value[0] != '/' || colon == NULL || colon[1] != '/')
		return bad_value(e, "--volume", value, wanted);
	inside = colon + 1;
	end = strchr(inside, ':');
	if (end != NULL && strcmp(end, ":ro") != 0 && strcmp(end, ":rw") != 0)
		return bad_value(e, "--volume", value, wanted);
	m.ro = end != NULL && strcmp(end, ":ro") == 0;
	source = strndup(value, (size_t)(colon - value));
	target = strndup(
		inside, end != NULL ? (size_t)(end - inside) : strlen(inside));
	if (source == NULL || target == NULL)
		ret = err_setf(e, -ENOMEM, "no memory");
	else if (access(source, F_OK) < 0)
		ret = err_setf(e, -EINVAL, "--volume: %s: %s", source,
			strerror(errno));
	else {
		m.source = source;
		m.target = target;
		ret = add_mount(o, &m, e);
	}
	if (ret < 0) {
		free(source);
		free(target);
	}
	return ret; /* NOLINT(clang-analyzer-unix.Malloc): o has them */
}

/* Splits NAME=REST; the volume of that name, which is new if need be, or NULL
 * with *e set. */
static struct run_volume *find_volume(struct run_options *o, const char *option,
	const char *value, const char *wanted, const char **rest, struct err *e)
{
	size_t len = strcspn(value, "=");
	struct run_volume *v = o->volumes;
	char *name;

	if (len == 0 || len > 64 || value[len] == '\0' ||
		value[len + 1] == '\0') {
		bad_value(e, option, value, wanted);
		return NULL;
	}
	*rest = value + len + 1;
	for (size_t i = 0; i < o->volumes_count; i++, v++) {
		if (strlen(v->spec.name) == len &&
			memcmp(v->spec.name, value, len) == 0)
			return v;
	}
	if (o->volumes_count == MANIFEST_VOLUMES_MAX) {
		err_setf(e, -EINVAL, "more than %d volumes",
			MANIFEST_VOLUMES_MAX);
		return NULL;
	}
	name = strndup(value, len);
	if (name == NULL) {
		err_setf(e, -ENOMEM, "no memory");
		return NULL;
	}
	v->spec.name = v->source.name = name;
	o->volumes_count++;
	return v;
}

static const char wanted_volume[] =
	"NAME=DIR, or NAME=DIR:TARGET[:ro][:ephemeral]"
	"[:no_rollback_protection]";

/* TARGET and what follows it. */
static int parse_target(
	struct run_volume *v, char *target, const char *value, struct err *e)
{
	char *word = strchr(target, ':');

	v->spec.path = target;
	while (word != NULL) {
		*word++ = '\0';
		char *next = strchr(word, ':');
		size_t len = next != NULL ? (size_t)(next - word)
					  : strlen(word);

		if (len == 2 && memcmp(word, "ro", len) == 0)
			v->spec.ro = true;
		else if (len == 9 && memcmp(word, "ephemeral", len) == 0)
			v->spec.tag_policy = VOLUME_EPHEMERAL;
		else if (len == 22 &&
			memcmp(word, "no_rollback_protection", len) == 0)
			v->spec.tag_policy = VOLUME_NO_ROLLBACK_PROTECTION;
		else
			return bad_value(
				e, "--volume-dir", value, wanted_volume);
		word = next;
	}
	if (target[0] != '/' || target[1] == '\0')
		return bad_value(e, "--volume-dir", value, wanted_volume);
	return 0;
}

static int set_volume_dir(
	struct run_options *o, const char *value, struct err *e)
{
	const char *rest;
	struct run_volume *v = find_volume(
		o, "--volume-dir", value, wanted_volume, &rest, e);
	char *dir, *path, *colon;
	int ret = 0;

	if (v == NULL)
		return -EINVAL;
	if (v->source.path != NULL)
		return err_setf(e, -EINVAL, "--volume-dir: %s is there twice",
			v->spec.name);
	dir = strdup(rest);
	if (dir == NULL)
		return err_setf(e, -ENOMEM, "no memory");
	colon = strchr(dir, ':');
	if (colon != NULL) {
		*colon = '\0';
		ret = parse_target(v, colon + 1, value, e);
	}
	path = realpath(dir, NULL);
	if (ret == 0 && path == NULL)
		ret = err_setf(e, -EINVAL, "--volume-dir: %s: %s", dir,
			strerror(errno));
	v->source.path = path;
	v->text = dir;
	return ret; /* NOLINT(clang-analyzer-unix.Malloc): v has them */
}

static int set_volume_key(
	struct run_options *o, const char *value, struct err *e)
{
	const char *file;
	struct run_volume *v = find_volume(
		o, "--volume-key", value, "NAME=FILE", &file, e);

	if (v == NULL)
		return -EINVAL;
	v->key_file = file;
	return 0;
}

static int set_trace(struct run_options *o, const char *value, struct err *e)
{
	if (value != NULL && strcmp(value, "host") != 0)
		return bad_value(e, "--trace", value, "host, or nothing");
	if (value != NULL)
		o->trace_host = true;
	else
		o->trace = true;
	return 0;
}

static int set_calls(struct run_options *o, const char *value, struct err *e)
{
	if (strcmp(value, "auto") == 0)
		o->calls = LAUNCH_CALLS_AUTO;
	else if (strcmp(value, "exit") == 0)
		o->calls = LAUNCH_CALLS_EXIT;
	else if (strcmp(value, "ring") == 0)
		o->calls = LAUNCH_CALLS_RING;
	else
		return bad_value(e, "--calls", value, "auto, exit or ring");
	return 0;
}

static int set_las(struct run_options *o, const char *value, struct err *e)
{
	if (value[0] != '/' && value[0] != '@')
		return bad_value(e, "--las", value,
			"an absolute path, or @NAME of an abstract socket");
	o->las = value;
	return 0;
}

static int set_stats(struct run_options *o, const char *value, struct err *e)
{
	(void)e;
	o->stats = true;
	o->stats_path = value;
	return 0;
}

static int set_quiet(struct run_options *o, const char *value, struct err *e)
{
	(void)value;
	(void)e;
	o->quiet = true;
	return 0;
}

static int set_faithful(struct run_options *o, const char *value, struct err *e)
{
	(void)value;
	(void)e;
	o->faithful = true;
	return 0;
}

static int set_help(struct run_options *o, const char *value, struct err *e)
{
	(void)value;
	(void)e;
	o->help = true;
	return 0;
}

static const struct option options[] = {
	{"memory", 'm', VALUE_NEEDED, "SIZE",
		"memory the programs may use, as in 512m or 2g", set_memory},
	{"cpus", 0, VALUE_NEEDED, "N",
		"enclave threads (default: this machine's processors)",
		set_cpus},
	{"env", 'e', VALUE_NEEDED, "NAME[=VALUE]",
		"set a variable, or pass the host's", set_env},
	{"workdir", 'w', VALUE_NEEDED, "DIR", "start there", set_workdir},
	{"hostname", 'h', VALUE_NEEDED, "NAME", "what uname says",
		set_hostname},
	{"volume", 'v', VALUE_NEEDED, "HOST:TARGET[:ro]",
		"show a host directory or file at TARGET", set_volume},
	{"volume-dir", 0, VALUE_NEEDED, "NAME=DIR[:TARGET]",
		"an encrypted volume is in DIR; more in doc/volume.md",
		set_volume_dir},
	{"volume-key", 0, VALUE_NEEDED, "NAME=FILE", "its key, for development",
		set_volume_key},
	{"tmpfs", 0, VALUE_NEEDED, "PATH[:size=SIZE]",
		"a file system in enclave memory", set_tmpfs},
	{"mode", 0, VALUE_NEEDED, "auto|hardware|emulated",
		"where the enclave comes from", set_mode},
	{"manifest", 0, VALUE_NEEDED, "FILE",
		"what may run; its hash becomes CONFIGID", set_manifest},
	{"cas", 0, VALUE_NEEDED, "HOST:PORT",
		"what to run is said by this CAS (default: the usual one)",
		set_cas},
	{"session", 0, VALUE_NEEDED, "NAME/SERVICE",
		"... in this session; PROGRAM is left out", set_session},
	{"cas-key", 0, VALUE_NEEDED, "HASH",
		"key of that CAS (default: as `sconce cas attest` noted)",
		set_cas_key},
	{"token", 0, VALUE_NEEDED, "TEXT",
		"access token of that session; better in SCONCE_TOKEN",
		set_token},
	{"one-time", 0, VALUE_NEEDED, "TEXT",
		"token of one start (default: CAS is asked for one)",
		set_one_time},
	{"otp", 0, VALUE_NEEDED, "CODE",
		"six digits of the owner's device, if the session wants them",
		set_otp},
	{"trace", 0, VALUE_ALLOWED, "host",
		"print system calls, as strace does, or calls to the host",
		set_trace},
	{"calls", 0, VALUE_NEEDED, "auto|exit|ring",
		"how calls travel to the host (default: what is faster here)",
		set_calls},
	{"las", 0, VALUE_NEEDED, "PATH",
		"socket of the quoting service (default: see `sconce las`)",
		set_las},
	{"stats", 0, VALUE_ALLOWED, "FILE",
		"print counters at the end (to FILE)", set_stats},
	{"faithful", 0, VALUE_NONE, NULL,
		"emulator: trap every ENCLU instead of patching it",
		set_faithful},
	{"quiet", 'q', VALUE_NONE, NULL, "no notes about mode and manifest",
		set_quiet},
	{"help", 0, VALUE_NONE, NULL, "this text", set_help},
};

void run_options_print(void)
{
	printf("\nOptions:\n");
	for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
		const struct option *o = &options[i];
		char left[64], letter[8] = "    ";

		if (o->letter != 0)
			snprintf(letter, sizeof(letter), "-%c, ", o->letter);
		snprintf(left, sizeof(left), "%s--%s%s%s%s", letter, o->name,
			o->value == VALUE_ALLOWED          ? "[="
				: o->value == VALUE_NEEDED ? " "
							   : "",
			o->metavar != NULL ? o->metavar : "",
			o->value == VALUE_ALLOWED ? "]" : "");
		printf("  %-36s %s\n", left, o->help);
	}
	printf("\nThe exit status is the program's own; 125: Sconce could not "
	       "run it,\n126: not executable, 127: not found.\n");
}

/* Finds the option in @arg; *value points behind '=' or is NULL. */
static const struct option *find_option(const char *arg, const char **value)
{
	size_t len = strcspn(arg, "=");
	bool is_long = arg[1] == '-';

	*value = NULL;
	for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
		const struct option *o = &options[i];

		if (is_long && strlen(o->name) == len - 2 &&
			strncmp(arg + 2, o->name, len - 2) == 0) {
			*value = arg[len] == '=' ? arg + len + 1 : NULL;
			return o;
		}
		if (!is_long && o->letter != 0 && arg[1] == o->letter) {
			*value = arg[2] != '\0' ? arg + 2 : NULL;
			return o;
		}
	}
	return NULL;
}

static int parse_one(
	struct run_options *o, int argc, char **argv, int *at, struct err *e)
{
	const char *arg = argv[*at], *value;
	const struct option *found = find_option(arg, &value);

	if (found == NULL)
		return err_setf(e, -EINVAL,
			"run: unknown option %s; `sconce help run` lists them",
			arg);
	if (found->value == VALUE_NONE && value != NULL)
		return err_setf(e, -EINVAL, "--%s takes no value", found->name);
	if (found->value == VALUE_NEEDED && value == NULL) {
		if (*at + 1 >= argc)
			return err_setf(e, -EINVAL, "--%s needs a value: %s",
				found->name, found->metavar);
		value = argv[++*at];
	}
	return found->set(o, value, e);
}

int run_options_parse(
	struct run_options *o, int argc, char **argv, struct err *e)
{
	int at = 1;

	*o = (struct run_options){0};
	o->env = calloc((size_t)argc + 1, sizeof(*o->env));
	if (o->env == NULL)
		return err_setf(e, -ENOMEM, "no memory");
	for (; at < argc && argv[at][0] == '-' && argv[at][1] != '\0'; at++) {
		int ret;

		if (strcmp(argv[at], "--") == 0) {
			at++;
			break;
		}
		ret = parse_one(o, argc, argv, &at, e);
		if (ret < 0)
			return ret;
	}
	o->args = argv + at;
	o->args_count = argc - at;
	return 0;
}

void run_options_fini(struct run_options *o)
{
	for (size_t i = 0; i < o->mounts_count; i++) {
		free((void *)(uintptr_t)o->mounts[i].source);
		free((void *)(uintptr_t)o->mounts[i].target);
	}
	for (size_t i = 0; i < o->volumes_count; i++) {
		free((void *)(uintptr_t)o->volumes[i].spec.name);
		free((void *)(uintptr_t)o->volumes[i].source.path);
		free(o->volumes[i].text);
	}
	free(o->env);
}
