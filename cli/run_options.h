/* SPDX-License-Identifier: Apache-2.0 */
/* The command line of `sconce run`, parsed but not yet looked at. */
#pragma once

#include "cli/run_cas.h"
#include "host/launch.h"
#include "lib/config.h"
#include "lib/err.h"
#include "lib/manifest.h"

enum { RUN_MOUNTS_MAX = MANIFEST_MOUNTS_MAX - 8 };

/* --volume-dir and --volume-key, joined by name. */
struct run_volume {
	struct volume_spec spec; /* path NULL: the manifest says it */
	struct volume_source source; /* path NULL: no --volume-dir */
	const char *key_file;
	char *text; /* what spec.path points into */
};

struct run_options {
	uint64_t memory; /* 0: not given */
	uint64_t cpus; /* 0: not given */
	enum launch_mode mode;
	const char *manifest;
	struct run_cas_options cas; /* session NULL: without a CAS */
	const char *workdir;
	const char *hostname;
	bool trace, stats, quiet, faithful, trace_host;
	enum launch_calls calls;
	const char *las; /* NULL: not given */
	const char *stats_path;
	const char **env; /* "K=V" or "K" */
	size_t env_count;
	struct mount_spec mounts[RUN_MOUNTS_MAX]; /* --tmpfs, --volume */
	size_t mounts_count;
	struct run_volume volumes[MANIFEST_VOLUMES_MAX];
	size_t volumes_count;
	char **args; /* PROGRAM ARGS..., NULL-terminated */
	int args_count;
	bool help;
};

/*
 * 0, or -EINVAL with the reason in @e. Texts point into @argv or are
 * malloc'ed; run_options_fini() frees.
 */
must_check int run_options_parse(
	struct run_options *o, int argc, char **argv, struct err *e);
void run_options_fini(struct run_options *o);

/* The table of options for people. */
void run_options_print(void);
