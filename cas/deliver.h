/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an accepted enclave is given: the struct service_config of a service,
 * made from its session, the values of secrets, keys and tags of volumes, and
 * what the host said. Pure: who may have it was decided before.
 *
 * program	command[0], which must be an absolute path
 * args		the rest of command, with variables and @@N
 * mounts	those of a 1.0 image; else /proc, /dev and a tmpfs on /tmp
 * root		the image's `root`; or the service's fspf_tag, if that is the
 *		hash of a sealed image (64 digits)
 * volumes	those of the image, key source `cas`
 * files	injection files with their content
 */
#pragma once

#include "cas/secret.h"
#include "cas/subst.h"
#include "lib/service.h"
#include "volume/format.h"

/* What the store has of a volume. */
struct deliver_volume {
	uint8_t key[VOL_KEY_SIZE];
	bool has_tag;
	uint8_t tag[VOL_TAG_SIZE];
	bool read_only; /* its owner lets it be read only */
};

/* Of volume v of this session, imported ones too. -EPERM, -ENOENT, with the
 * reason in e. */
typedef int deliver_volume_fn(void *arg, const struct session_volume *v,
	struct deliver_volume *out, struct err *e);

struct deliver_input {
	const struct session *session;
	const struct session_service *service;
	const struct text_list *host_args; /* @@1.. */
	subst_fn *lookup; /* values of variables */
	deliver_volume_fn *volume;
	void *arg; /* of both */
};

/*
 * Appends the canonical service_config; out->secret is set first. -EINVAL:
 * what is missing or malformed, by name; -ERANGE: larger than init takes;
 * -ENOMEM; what lookup and volume give.
 */
must_check int deliver(
	const struct deliver_input *in, struct buf *out, struct err *e);
