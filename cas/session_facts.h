/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a policy means, as a list of single facts: who may do what, who gets
 * what, how each thing is. Two policies differ in the facts that one has and
 * the other has not.
 */
#pragma once

#include "cas/session_read.h"
#include "lib/buf.h"

enum fact_kind {
	/* Any number for each subject. */
	FACT_START,
	FACT_PLATFORM,
	FACT_GETS,
	FACT_WRITES,
	FACT_VOLUME,
	FACT_MOUNT,
	FACT_PROVIDES,
	FACT_EXPORT,
	FACT_READ,
	FACT_UPDATE,
	FACT_CREATE,
	FACT_LIST,
	FACT_DELETE,
	FACT_VETO,
	FACT_TOLERATES,
	FACT_IGNORES,
	/* One for each subject. */
	FACT_FIRST_SINGLE,
	FACT_IS = FACT_FIRST_SINGLE,
	FACT_RUNS,
	FACT_DIRECTORY,
	FACT_IMAGE,
	FACT_PASSWORD,
	FACT_ROOT,
	FACT_INSTANCES,
	FACT_STARTS,
	FACT_LEASE,
	FACT_NETWORK,
	FACT_LIMITS,
	FACT_HOSTNAME,
	FACT_SIGNALS,
	FACT_PUBLIC,
	FACT_ROTATES,
	FACT_SINGLETON,
	FACT_TOKEN,
	FACT_MODE,
	FACT_RULES,
	FACT_OPEN,
	FACT_OPEN_LEAST,
	FACT_ROLLBACK,
	FACT_VERSION,
	FACT_SALT,
	FACT_AUDIT,
	FACT_NAMESPACE,
	FACT_KINDS,
};

struct fact {
	const char *subject;
	enum fact_kind kind;
	const char *value;
};

struct facts {
	struct pool pool;
	struct grown list; /* of struct fact */
	bool failed;
};

/* Sorted, each once. -ENOMEM. */
must_check int facts_collect(struct facts *f, const struct session *s);
void facts_fini(struct facts *f);
/* A rule of an access policy and all below it, as people say it; the next. */
const struct access_rule *facts_rule(
	struct buf *b, const struct access_rule *rule);
