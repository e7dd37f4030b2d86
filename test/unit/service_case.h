/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small CAS for tests of what enclaves ask: an engine over a store in memory,
 * time that stands still, and evidence that is what its maker says.
 */
#pragma once

#include "cas/engine_service.h"
#include "test/unit/store_fake.h"

/* Evidence: believed as it stands. */
struct case_evidence {
	uint8_t mrenclave[32], mrsigner[32];
	uint64_t isv_prod_id, isv_svn;
	uint8_t config_id[64], report_data[64], qe_id[16];
	uint8_t debug, emulated, broken, tdx; /* broken: no signature holds */
	uint8_t status; /* enum tcb_status */
	char advisory[24];
};

struct service_case {
	struct fake_disk disk;
	struct store *store;
	struct engine *g;
	int64_t now;
	uint8_t identity[32];
};

/* The last reply, with copies of what it points to. */
struct case_reply {
	bool came;
	uint64_t id, status, lease, on_expiry;
	char error[1024];
	uint8_t instance[WIRE_INSTANCE_SIZE];
	bool has_instance;
	struct buf config, value;
};

void case_start(struct service_case *c);
void case_stop(struct service_case *c);
/* CAS ends and starts again on the same disk. */
void case_restart(struct service_case *c);
/* All that was submitted becomes durable. */
void case_settle(struct service_case *c);
void case_tick(struct service_case *c, unsigned seconds);

/* As if it had been created: its row, values, and keys of own volumes. */
void case_put_session(struct service_case *c, const struct session *s);
/* From YAML. */
void case_put_yaml(struct service_case *c, const char *yaml);

/* Evidence of an enclave that runs `name`, on that connection. */
void case_evidence(struct service_case *c, const char *name, const char *token,
	const struct engine_peer *p, struct case_evidence *out);
struct engine_peer *case_peer(struct service_case *c);
/* One request, settled; the reply's status. */
int case_ask(struct service_case *c, struct engine_peer *p,
	const struct wire_request *r, struct case_reply *out);
/* HELLO with such evidence. */
int case_hello(struct service_case *c, struct engine_peer *p, const char *name,
	const char *token, struct case_reply *out);
void case_reply_fini(struct case_reply *r);
/* The engine_verify_fn. */
int case_verify(void *arg, const void *evidence, size_t size, int64_t at,
	struct verdict *v, struct err *e);
