/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the kernel and process 1 say to each other in an enclave that CAS
 * configures (doc/service-config.md): four files that exist before the
 * configuration is there, and that nobody but process 1 can open or use.
 *
 * The kernel starts init-cas with an empty environment as
 *
 *	init-cas KEY SESSION TOKEN [ADDRESS...] -- [HOSTARG...]
 *
 * KEY (64 hexadecimal digits), SESSION and TOKEN ("": none) are the manifest's
 * and can be relied on; the rest is the host's word: where CAS may be found
 * (ADDRESS:PORT, numeric) and arguments for the program, which are for CAS to
 * use: the kernel does not look at them again. One ADDRESS may be @CODE
 * instead, a one-time password for CAS. Its standard streams are the
 * launcher's. "/" is empty memory, with /proc and /dev (and attestation, of
 * which process 1 may use all), and stays so for process 1: the service's file
 * tree is where its children begin.
 *
 * init starts all of its threads before it configures: they do not count
 * against the service's bound on threads, later ones do. Its descriptors are
 * close-on-exec.
 */
#pragma once

#include <stdint.h>

/*
 * One write, once: canonical struct service_config (lib/service.h). It sleeps
 * until the service's files are there, and meanwhile may want tags pushed and
 * values for templates, so another thread serves SERVICE_TAGS and
 * SERVICE_SECRETS by then. Fails with the errno of what is
 * wrong; a second write is -EALREADY.
 *
 * Then it can be read: struct service_answer.
 */
#define SERVICE_CONFIGURE "/dev/sconce/configure"

enum { SERVICE_ANSWER_MAX = 16 << 20 };

struct service_answer {
	uint64_t status; /* 0, or errno */
	uint64_t argc, envc;
	/* Texts that end with NUL. status 0: the program's path, argc
	 * arguments (argv[0] included), envc variables. Otherwise what is
	 * wrong, for people. */
	char text[];
};

/*
 * Tags to push: read gives as many struct service_tag_request as there are
 * and fit, and sleeps while there is none (unless O_NONBLOCK; poll works).
 * write takes struct service_tag_reply, one or more. Who serves it must never
 * wait for a file of a volume.
 *
 * Of one volume one push is under way at a time. from zeros: the volume was
 * just made and has no tag yet. from == to: asks whether `to` is the tag.
 */
#define SERVICE_TAGS "/dev/sconce/tags"

struct service_tag_request {
	uint64_t id;
	uint64_t durable; /* 1: must survive CAS's loss of power at once */
	uint8_t from[32], to[32];
	char volume[72]; /* name, ends with NUL */
};

struct service_tag_reply {
	uint64_t id;
	int64_t status; /* 0; -ESTALE: CAS has another tag; other -errno:
			   unknown whether it was taken */
};

/*
 * Values that programs (by SERVICE_SECRET_DIR) and templates ask CAS for: read
 * gives one request with the value that is to be put behind it, into a buffer
 * with room for the largest, and sleeps while there is none (unless O_NONBLOCK;
 * poll works). write takes one reply with the value behind it. -ENOENT: nobody
 * waits for it any more.
 */
#define SERVICE_SECRETS "/dev/sconce/secrets"
/* Programs of the service: files NAME[:FORMAT] (doc/service-config.md). */
#define SERVICE_SECRET_DIR "/dev/sconce/secret"

enum {
	SERVICE_SECRET_NAME = 600, /* NAME[:FORMAT][|escape(json)] and NUL */
	SERVICE_SECRET_MAX = 64 * 1024,
	/* JSON makes six bytes of one. */
	SERVICE_SECRET_REPLY_MAX = 6 * SERVICE_SECRET_MAX,
};

struct service_secret_request {
	uint64_t id;
	uint64_t put; /* 1: the value is to be set */
	uint64_t size; /* of the value */
	char name[SERVICE_SECRET_NAME]; /* unchecked, ends with NUL */
};

struct service_secret_reply {
	uint64_t id;
	int64_t status; /* 0 or -errno, which the program gets */
	uint64_t size; /* of the value */
};

/*
 * A write of one byte, when the service is over and its other processes are
 * gone: everything is committed (so tags must still be served), and volumes
 * take no changes any more. Fails with -errno if something was not committed.
 */
#define SERVICE_FINISH "/dev/sconce/finish"

_Static_assert(sizeof(struct service_tag_request) == 152, "no padding");
_Static_assert(sizeof(struct service_tag_reply) == 16, "no padding");
_Static_assert(sizeof(struct service_secret_request) == 624, "no padding");
_Static_assert(sizeof(struct service_secret_reply) == 24, "no padding");
