/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel's files for process 1 (abi/service.h) and for evidence. */
#pragma once

#include "abi/service.h"
#include "lib/buf.h"
#include "lib/err.h"
#include "lib/schema.h"

/* Appends a quote with this report data. */
must_check int device_evidence(
	const uint8_t report_data[64], struct buf *out, struct err *e);

/* What the kernel says is to be started. */
struct device_program {
	const char *path;
	char **argv, **envp;
	void *memory; /* all of it */
	size_t size;
};

/*
 * Hands the configuration over, once. 0, or what the kernel refuses with and
 * its reason. May take tags to be served by another thread.
 */
must_check int device_configure(
	const struct bytes *config, struct device_program *p, struct err *e);
void device_program_fini(struct device_program *p); /* wipes */

/* Tags to be carried, without waiting; a descriptor or -errno. */
must_check int device_tags_open(struct err *e);
/* How many of max were read (0: none now), or -errno. */
must_check int device_tags_read(
	int fd, struct service_tag_request *r, unsigned max);
void device_tags_reply(int fd, uint64_t id, int status);

/* Questions for values, without waiting; a descriptor or -errno. */
must_check int device_secrets_open(struct err *e);
/* 1: one was read into memory of DEVICE_SECRET_SIZE bytes, its value behind it;
 * 0: there is none now. */
enum {
	DEVICE_SECRET_SIZE = sizeof(struct service_secret_request) +
		SERVICE_SECRET_MAX
};
must_check int device_secret_read(int fd, struct service_secret_request *r);
void device_secret_reply(
	int fd, uint64_t id, int status, const struct bytes *value);

/* Everything is committed. */
must_check int device_finish(struct err *e);
