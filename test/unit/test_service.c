/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What enclaves ask of CAS: starts, tags, leases, values, and everything that
 * is refused.
 */
#include "unit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bytes.h"
#include "lib/fmt.h"
#include "lib/service.h"
#include "test/unit/service_case.h"

static struct service_case c;
static struct case_reply reply;

/* ---- the log, overheard (linked with --wrap=store_audit) ---- */

static char log_text[1 << 16];
static size_t log_len;

void __real_store_audit(struct store_txn *x, const struct audit_event *event);
void __wrap_store_audit(struct store_txn *x, const struct audit_event *event);

void __wrap_store_audit(struct store_txn *x, const struct audit_event *event)
{
	log_len += fmt_print(log_text + log_len, sizeof(log_text) - log_len,
		"%s %s%s %s\n", event->what,
		event->object ? event->object : "-",
		event->denied ? " DENIED" : "",
		event->detail ? event->detail : "");
	log_len = u64_min(log_len, sizeof(log_text) - 1);
	__real_store_audit(x, event);
}

static void log_clear(void)
{
	log_len = 0;
	log_text[0] = '\0';
}

static void assert_within(const char *text, const char *whole)
{
	if (!strstr(whole, text))
		fail_msg("no '%s' in: %s", text, whole);
}

#define assert_logged(text) assert_within(text, log_text)
#define assert_said(text) assert_within(text, reply.error)

#define ROOT "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define MRENCLAVE \
	"eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee"

static const char *enclaves[] = {MRENCLAVE};
static const char *command[] = {
	"/usr/bin/db", "--port", "@@1", "$$SCONE::pw$$"};
static struct attest_variant variants[] = {
	{.mrenclave = {enclaves, 1}},
};
static struct image_volume image_volumes[] = {
	{.name = "data", .path = "/data"},
};
static struct injection_file files[] = {
	{.path = "/etc/pw", .mode = 0400, .content = "pw=$$SCONE::pw$$\n"},
};
static const char *provided[] = {"pw"};
static const char *writers[] = {"db"};
static struct session_image images[] = {
	{.name = "img",
		.root = ROOT,
		.volumes = {image_volumes, 1},
		.files = {files, 1},
		.provide_secrets = {provided, 1}},
};
static struct secret_spec secrets[] = {
	{.name = "pw", .kind = SECRET_ASCII, .size = 24},
	{.name = "told",
		.kind = SECRET_BINARY,
		.size = 16,
		.writers = {writers, 1}},
};
static struct session_volume volumes[] = {{.name = "data"}};
static struct session_service services[2];
static struct session session;

static void usual(void)
{
	services[0] = (struct session_service){
		.name = "db",
		.command = {command, 4},
		.pwd = "/",
		.image_name = "img",
		.attestation = {variants, 1},
		.network = true,
	};
	services[1] = services[0];
	services[1].name = "other";
	session = (struct session){
		.name = "shop/db",
		.version = "1.0",
		.services = {services, 2},
		.secrets = {secrets, 2},
		.volumes = {volumes, 1},
		.images = {images, 1},
	};
	images[0].volumes.count = 1;
	command[3] = "$$SCONE::pw$$";
	provided[0] = "pw";
	image_volumes[0] = (struct image_volume){
		.name = "data", .path = "/data"};
}

static int setup(void **state)
{
	case_start(&c);
	usual();
	log_clear();
	return 0;
}

static int teardown(void **state)
{
	case_reply_fini(&reply);
	case_stop(&c);
	return 0;
}

static const char *host_args[] = {"3306"};

static int hello(struct engine_peer *p, const char *token)
{
	struct case_evidence ev;
	struct wire_request r = {.id = 1,
		.op = WIRE_HELLO,
		.session = "shop/db/db",
		.token = token,
		.host_args = {host_args, 1},
		.evidence = {(const uint8_t *)&ev, sizeof(ev)}};

	case_evidence(&c, r.session, token, p, &ev);
	return case_ask(&c, p, &r, &reply);
}

static int tag(struct engine_peer *p, const char *volume, int from, int to)
{
	uint8_t a[32], b[32];
	struct wire_request r = {.id = 2,
		.op = WIRE_TAG,
		.volume = volume,
		.from = {a, from ? 32 : 0},
		.to = {b, 32}};

	memset(a, from, sizeof(a));
	memset(b, to, sizeof(b));
	return case_ask(&c, p, &r, &reply);
}

static int simple(struct engine_peer *p, uint64_t op)
{
	struct wire_request r = {.id = 3, .op = op};

	return case_ask(&c, p, &r, &reply);
}

/* ---- a start ---- */

static void test_start(void **state)
{
	struct engine_peer *p = case_peer(&c);
	static uint8_t memory[1 << 20], more[1 << 20];
	struct service_config config;
	const struct service_file *f;
	struct manifest m;
	struct arena a;
	struct err e = {0};

	case_put_session(&c, &session);
	assert_int_equal(hello(p, NULL), 0);
	assert_true(reply.has_instance);
	assert_int_equal(reply.lease, 60);
	arena_init(&a, memory, sizeof(memory));
	assert_int_equal(service_config_decode(&config, reply.config.data,
				 reply.config.size, &a, &e),
		0);
	arena_init(&a, more, sizeof(more));
	assert_int_equal(manifest_decode(&m, config.manifest.data,
				 config.manifest.size, &a, &e),
		0);
	assert_int_equal(service_config_match(&config, &m, &e), 0);
	assert_string_equal(m.program, "/usr/bin/db");
	assert_int_equal(m.args.list.count, 3);
	assert_string_equal(m.args.list.item[1], "3306");
	assert_int_equal(strlen(m.args.list.item[2]), 24);
	f = config.files.item;
	assert_int_equal(config.files.count, 1);
	assert_memory_equal(f->data.data, "pw=", 3);
	assert_memory_equal(f->data.data + 3, m.args.list.item[2], 24);
	/* Tags. */
	assert_int_equal(tag(p, "data", 0, 1), 0);
	assert_int_equal(tag(p, "data", 1, 2), 0);
	assert_int_equal(simple(p, WIRE_RENEW), 0);
	assert_int_equal(reply.lease, 60);
	engine_peer_free(p);
	/* The log says that, and no value. */
	assert_logged("service.attest shop/db/db instance ");
	assert_logged("service.deliver shop/db/db 2 values, 1 volumes");
	assert_logged("volume.tag shop/db/data");
	assert_null(strstr(log_text, m.args.list.item[2]));
}

/* ---- refusals ---- */

static struct case_evidence evidence;

static int hello_with(struct engine_peer *p, const char *name)
{
	struct wire_request r = {.id = 1,
		.op = WIRE_HELLO,
		.session = name,
		.host_args = {host_args, 1},
		.evidence = {(const uint8_t *)&evidence, sizeof(evidence)}};

	return case_ask(&c, p, &r, &reply);
}

static void test_refused(void **state)
{
	struct engine_peer *p = case_peer(&c), *q = case_peer(&c);
	struct wire_request bare = {.op = WIRE_HELLO, .session = "shop/db/db"};
	const char *name = "shop/db/db";

	case_put_session(&c, &session);
	case_evidence(&c, name, NULL, p, &evidence);
	assert_int_equal(hello_with(p, "shop/none/db"), -ENOENT);
	assert_int_equal(hello_with(p, "shop/db/none"), -ENOENT);
	assert_int_equal(hello_with(p, "db"), -EINVAL);
	assert_int_equal(hello_with(p, "/db"), -EINVAL);
	assert_int_equal(hello_with(p, "shop/db/"), -EINVAL);
	assert_int_equal(case_ask(&c, p, &bare, &reply), -EKEYREJECTED);
	/* Evidence of this enclave, made for another connection. */
	assert_int_equal(hello_with(q, name), -EKEYREJECTED);
	assert_said("report_data");
	/* An enclave for another service, though the same program. */
	assert_int_equal(hello_with(p, "shop/db/other"), -EKEYREJECTED);
	assert_said("config_id");
	memset(evidence.config_id, 0, sizeof(evidence.config_id));
	assert_int_equal(hello_with(p, name), -EKEYREJECTED);
	case_evidence(&c, name, "token", p, &evidence);
	assert_int_equal(hello_with(p, name), -EKEYREJECTED);
	case_evidence(&c, name, NULL, p, &evidence);
	evidence.config_id[63] = 1;
	assert_int_equal(hello_with(p, name), -EKEYREJECTED);
	case_evidence(&c, name, NULL, p, &evidence);
	evidence.debug = 1;
	assert_int_equal(hello_with(p, name), -EKEYREJECTED);
	assert_said("policy-debug");
	assert_logged("DENIED policy-debug: debug; wanted production");
	assert_logged("tolerate: add [debug-mode]");
	case_evidence(&c, name, NULL, p, &evidence);
	evidence.broken = 1;
	assert_int_equal(hello_with(p, name), -EKEYREJECTED);
	case_evidence(&c, name, NULL, p, &evidence);
	evidence.mrenclave[0] ^= 1;
	assert_int_equal(hello_with(p, name), -EKEYREJECTED);
	assert_int_equal(c.g->counts.attested, 0);
	assert_int_equal(c.g->counts.instances, 0);
	/* None of that spoilt the connection. */
	assert_int_equal(hello(p, NULL), 0);
	assert_int_equal(hello(p, NULL), -EINVAL);
	engine_peer_free(p);
	engine_peer_free(q);
}

static void test_before_hello(void **state)
{
	struct engine_peer *p = case_peer(&c);

	case_put_session(&c, &session);
	assert_int_equal(tag(p, "data", 0, 1), -EACCES);
	assert_int_equal(simple(p, WIRE_RENEW), -EACCES);
	assert_int_equal(simple(p, WIRE_SECRET_GET), -EACCES);
	assert_int_equal(simple(p, WIRE_SECRET_PUT), -EACCES);
	assert_int_equal(simple(p, WIRE_EXIT), -EACCES);
	assert_int_equal(simple(p, 99), -EINVAL);
	engine_peer_free(p);
}

/* ---- volumes ---- */

static void test_tags(void **state)
{
	struct engine_peer *p = case_peer(&c);
	struct wire_request r = {.op = WIRE_TAG, .volume = "data"};
	uint8_t bytes[64] = {0};

	case_put_session(&c, &session);
	assert_int_equal(hello(p, NULL), 0);
	assert_int_equal(tag(p, "none", 0, 1), -EINVAL);
	assert_int_equal(tag(p, "data", 9, 1), -ESTALE);
	r.to = (struct bytes){bytes, 31};
	assert_int_equal(case_ask(&c, p, &r, &reply), -EINVAL);
	r.to.size = 32;
	r.from = (struct bytes){bytes, 64};
	assert_int_equal(case_ask(&c, p, &r, &reply), -EINVAL);
	assert_int_equal(tag(p, "data", 0, 1), 0);
	assert_int_equal(tag(p, "data", 0, 2), -ESTALE);
	assert_said("CAS has tag 0101");
	assert_int_equal(tag(p, "data", 2, 3), -ESTALE);
	assert_int_equal(tag(p, "data", 1, 2), 0);
	/* Said again, as after a lost answer. */
	assert_int_equal(tag(p, "data", 1, 2), 0);
	assert_int_equal(tag(p, "data", 2, 2), 0);
	/* Back to yesterday's. */
	assert_int_equal(tag(p, "data", 1, 1), -ESTALE);
	assert_int_equal(tag(p, "data", 2, 1), 0);
	engine_peer_free(p);
}

static unsigned came, bad;

static void count_reply(void *arg, const struct wire_reply *r)
{
	came++;
	bad += r->status != 0;
}

static void test_pipelined(void **state)
{
	struct engine_peer *p = case_peer(&c);
	uint8_t tags[3001][32];
	struct wire_request r = {.op = WIRE_TAG, .volume = "data"};

	case_put_session(&c, &session);
	assert_int_equal(hello(p, NULL), 0);
	came = bad = 0;
	for (unsigned i = 0; i < 3001; i++) {
		memset(tags[i], 0x11, 32);
		memcpy(tags[i], &i, sizeof(i));
	}
	for (unsigned i = 1; i <= 3000; i++) {
		r.from = (struct bytes){tags[i - 1], i > 1 ? 32 : 0};
		r.to = (struct bytes){tags[i], 32};
		engine_peer_request(p, &r, count_reply, NULL);
	}
	/* Nothing is durable yet, so nothing was said. */
	assert_int_equal(came, 0);
	case_settle(&c);
	assert_int_equal(came, 3000);
	assert_int_equal(bad, 0);
	engine_peer_free(p);
}

static void test_flood(void **state)
{
	struct engine_peer *p = case_peer(&c);
	uint8_t one[32] = {1};
	struct wire_request r = {.op = WIRE_TAG,
		.volume = "data",
		.from = {one, 32},
		.to = {one, 32}};

	case_put_session(&c, &session);
	assert_int_equal(hello(p, NULL), 0);
	came = bad = 0;
	r.from.size = 0;
	for (unsigned i = 0; i < SERVICE_PENDING_MAX + 10; i++)
		engine_peer_request(p, &r, count_reply, NULL);
	assert_int_equal(came, 10);
	assert_int_equal(bad, 10);
	case_settle(&c);
	assert_int_equal(came, SERVICE_PENDING_MAX + 10);
	engine_peer_free(p);
}

static void test_second_copy(void **state)
{
	struct engine_peer *p = case_peer(&c), *q = case_peer(&c), *back;
	uint8_t id[WIRE_INSTANCE_SIZE];
	char hex[2 * WIRE_INSTANCE_SIZE + 1];
	struct wire_request r = {.op = WIRE_HELLO, .session = "shop/db/db"};

	case_put_session(&c, &session);
	assert_int_equal(hello(p, NULL), 0);
	memcpy(id, reply.instance, sizeof(id));
	bytes_to_hex(id, sizeof(id), hex);
	assert_int_equal(tag(p, "data", 0, 1), 0);
	c.now += 5;
	assert_int_equal(hello(q, NULL), -EBUSY);
	assert_said(hex);
	assert_said("since 5 s");
	assert_int_equal(tag(p, "data", 1, 2), 0);
	/* Its connection is gone: the volume may be taken over. */
	engine_peer_free(p);
	assert_int_equal(hello(q, NULL), 0);
	assert_int_equal(tag(q, "data", 2, 3), 0);
	/* The first one was not dead, and comes back. */
	back = case_peer(&c);
	case_evidence(&c, "shop/db/db", NULL, back, &evidence);
	r.evidence = (struct bytes){(uint8_t *)&evidence, sizeof(evidence)};
	r.instance = (struct bytes){id, sizeof(id)};
	assert_int_equal(case_ask(&c, back, &r, &reply), -ESTALE);
	assert_int_equal(tag(q, "data", 3, 4), 0);
	engine_peer_free(q);
	engine_peer_free(back);
}

/* It hangs: its connection is there, its lease is not. */
static void test_fenced(void **state)
{
	struct engine_peer *p = case_peer(&c), *q = case_peer(&c);

	case_put_session(&c, &session);
	assert_int_equal(hello(p, NULL), 0);
	assert_int_equal(tag(p, "data", 0, 1), 0);
	case_tick(&c, 59);
	assert_int_equal(hello(q, NULL), -EBUSY);
	case_tick(&c, 2);
	/* Nobody wants the volume: it may go on. */
	assert_int_equal(tag(p, "data", 1, 2), 0);
	assert_int_equal(simple(p, WIRE_RENEW), 0);
	assert_int_equal(hello(q, NULL), -EBUSY);
	case_tick(&c, 61);
	assert_int_equal(hello(q, NULL), 0);
	assert_int_equal(tag(p, "data", 2, 3), -ESTALE);
	assert_said("took it over");
	assert_int_equal(simple(p, WIRE_RENEW), -ESTALE);
	assert_int_equal(tag(q, "data", 2, 3), 0);
	/* Its end takes nothing from the new one. */
	assert_int_equal(simple(p, WIRE_EXIT), 0);
	assert_int_equal(tag(q, "data", 3, 4), 0);
	engine_peer_free(p);
	engine_peer_free(q);
}

/* A start that fails takes nothing from the one that runs. */
static void test_failed_takeover(void **state)
{
	struct engine_peer *p = case_peer(&c), *q = case_peer(&c);
	uint8_t id[WIRE_INSTANCE_SIZE];
	struct wire_request r = {.op = WIRE_HELLO,
		.session = "shop/db/db",
		.host_args = {host_args, 1}};

	case_put_session(&c, &session);
	assert_int_equal(hello(p, NULL), 0);
	memcpy(id, reply.instance, sizeof(id));
	engine_peer_free(p);
	/* No host argument, so no configuration. */
	case_evidence(&c, "shop/db/db", NULL, q, &evidence);
	r.evidence = (struct bytes){(uint8_t *)&evidence, sizeof(evidence)};
	r.host_args.count = 0;
	assert_int_equal(case_ask(&c, q, &r, &reply), -EINVAL);
	r.instance = (struct bytes){id, sizeof(id)};
	assert_int_equal(case_ask(&c, q, &r, &reply), 0);
	assert_int_equal(tag(q, "data", 0, 1), 0);
	engine_peer_free(q);
}

static void test_readers(void **state)
{
	struct engine_peer *p = case_peer(&c), *q = case_peer(&c),
			   *w = case_peer(&c);

	image_volumes[0].ro = true;
	case_put_session(&c, &session);
	assert_int_equal(hello(p, NULL), 0);
	assert_int_equal(hello(q, NULL), 0);
	assert_int_equal(tag(p, "data", 0, 1), -EINVAL);
	image_volumes[0].ro = false;
	case_put_session(&c, &session);
	assert_int_equal(hello(w, NULL), 0);
	engine_peer_free(p);
	p = case_peer(&c);
	image_volumes[0].ro = true;
	case_put_session(&c, &session);
	assert_int_equal(hello(p, NULL), -EBUSY);
	engine_peer_free(p);
	engine_peer_free(q);
	engine_peer_free(w);
}

/* ---- instances ---- */

static int again(struct engine_peer *p, const char *name, const uint8_t *id,
	uint8_t flip)
{
	struct wire_request r = {.op = WIRE_HELLO,
		.session = name,
		.evidence = {(uint8_t *)&evidence, sizeof(evidence)},
		.instance = {id, WIRE_INSTANCE_SIZE}};

	case_evidence(&c, name, NULL, p, &evidence);
	evidence.isv_svn ^= flip;
	return case_ask(&c, p, &r, &reply);
}

static void test_reconnect(void **state)
{
	struct engine_peer *p = case_peer(&c), *q = case_peer(&c), *third;
	uint8_t id[WIRE_INSTANCE_SIZE], wrong[WIRE_INSTANCE_SIZE] = {1};

	case_put_session(&c, &session);
	assert_int_equal(hello(p, NULL), 0);
	memcpy(id, reply.instance, sizeof(id));
	assert_int_equal(tag(p, "data", 0, 1), 0);
	assert_int_equal(again(q, "shop/db/db", wrong, 0), -ESTALE);
	assert_int_equal(again(q, "shop/db/other", id, 0), -ESTALE);
	/* The policy takes it, but it is not the enclave that it says. */
	assert_int_equal(again(q, "shop/db/db", id, 1), -EKEYREJECTED);
	assert_int_equal(again(q, "shop/db/db", id, 0), 0);
	assert_int_equal(reply.config.size, 0);
	assert_memory_equal(reply.instance, id, sizeof(id));
	/* The connection left behind has nothing to say. */
	assert_int_equal(tag(p, "data", 1, 2), -EACCES);
	assert_int_equal(tag(q, "data", 0, 1), 0);
	assert_int_equal(tag(q, "data", 1, 2), 0);
	/* And its end is not the instance's. */
	engine_peer_free(p);
	third = case_peer(&c);
	assert_int_equal(hello(third, NULL), -EBUSY);
	engine_peer_free(third);
	engine_peer_free(q);
}

static void test_lease(void **state)
{
	struct engine_peer *p = case_peer(&c);
	uint8_t id[WIRE_INSTANCE_SIZE];

	services[0].lease = 20;
	services[0].on_expiry = EXPIRY_STOP;
	case_put_session(&c, &session);
	assert_int_equal(hello(p, NULL), 0);
	assert_int_equal(reply.lease, 20);
	assert_int_equal(reply.on_expiry, EXPIRY_STOP);
	memcpy(id, reply.instance, sizeof(id));
	/* While the connection is there it is not over. */
	case_tick(&c, 30);
	assert_int_equal(c.g->counts.instances, 1);
	engine_peer_free(p);
	case_tick(&c, 1);
	assert_int_equal(c.g->counts.instances, 0);
	assert_logged("service.expired shop/db/db");
	p = case_peer(&c);
	assert_int_equal(again(p, "shop/db/db", id, 0), -ESTALE);
	assert_int_equal(hello(p, NULL), 0);
	memcpy(id, reply.instance, sizeof(id));
	engine_peer_free(p);
	/* A clock that jumps ends nobody's lease. */
	c.now += 86400;
	case_tick(&c, 1);
	c.now -= 2 * 86400;
	case_tick(&c, 1);
	p = case_peer(&c);
	assert_int_equal(again(p, "shop/db/db", id, 0), 0);
	engine_peer_free(p);
}

static void test_restart(void **state)
{
	struct engine_peer *p = case_peer(&c);
	uint8_t id[WIRE_INSTANCE_SIZE];

	case_put_session(&c, &session);
	assert_int_equal(hello(p, NULL), 0);
	memcpy(id, reply.instance, sizeof(id));
	assert_int_equal(tag(p, "data", 0, 1), 0);
	case_restart(&c);
	engine_peer_free(p);
	assert_int_equal(c.g->counts.instances, 1);
	p = case_peer(&c);
	assert_int_equal(again(p, "shop/db/db", id, 0), 0);
	assert_int_equal(tag(p, "data", 1, 2), 0);
	engine_peer_free(p);
	/* Taken over, then CAS starts again: it still knows who has it. */
	p = case_peer(&c);
	assert_int_equal(hello(p, NULL), 0);
	case_restart(&c);
	engine_peer_free(p);
	p = case_peer(&c);
	assert_int_equal(again(p, "shop/db/db", id, 0), -ESTALE);
	engine_peer_free(p);
}

static void test_exit(void **state)
{
	struct engine_peer *p = case_peer(&c), *q = case_peer(&c);
	struct wire_request r = {
		.op = WIRE_EXIT, .code = 256, .reason = "it said so"};

	case_put_session(&c, &session);
	assert_int_equal(hello(p, NULL), 0);
	assert_int_equal(case_ask(&c, p, &r, &reply), 0);
	assert_logged("service.exit shop/db/db status 256: it said so");
	assert_int_equal(c.g->counts.instances, 0);
	assert_int_equal(tag(p, "data", 0, 1), -EACCES);
	assert_int_equal(hello(p, NULL), -EINVAL);
	assert_int_equal(hello(q, NULL), 0);
	/* What comes behind it, before it is durable. */
	came = bad = 0;
	engine_peer_request(q, &r, count_reply, NULL);
	r.op = WIRE_RENEW;
	engine_peer_request(q, &r, count_reply, NULL);
	assert_int_equal(came, 1);
	assert_int_equal(bad, 1);
	case_settle(&c);
	assert_int_equal(came, 2);
	engine_peer_free(p);
	engine_peer_free(q);
}

static void test_limits(void **state)
{
	struct engine_peer *p = case_peer(&c), *q = case_peer(&c), *s;

	images[0].volumes.count = 0;
	services[0].instances = 1;
	services[0].starts_per_hour = 3;
	case_put_session(&c, &session);
	assert_int_equal(hello(p, NULL), 0);
	assert_int_equal(hello(q, NULL), -EBUSY);
	assert_said("1 instances run, of at most 1");
	/* It may still run. */
	engine_peer_free(p);
	assert_int_equal(hello(q, NULL), -EBUSY);
	case_tick(&c, 61);
	assert_int_equal(hello(q, NULL), 0);
	assert_int_equal(simple(q, WIRE_EXIT), 0);
	s = case_peer(&c);
	assert_int_equal(hello(s, NULL), 0);
	assert_int_equal(simple(s, WIRE_EXIT), 0);
	engine_peer_free(s);
	engine_peer_free(q);
	case_restart(&c);
	s = case_peer(&c);
	assert_int_equal(hello(s, NULL), -EDQUOT);
	c.now += 3700;
	assert_int_equal(hello(s, NULL), 0);
	engine_peer_free(s);
}

/* ---- tokens ---- */

static int get_token(const char *name, const char *access, char *out)
{
	struct engine_peer *p = case_peer(&c);
	struct wire_request r = {
		.op = WIRE_TOKEN, .session = name, .token = access};
	int ret = case_ask(&c, p, &r, &reply);

	out[0] = '\0';
	if (ret == 0 && reply.value.size > 0) {
		assert_int_equal(reply.value.size, 80);
		memcpy(out, reply.value.data, 81);
	}
	engine_peer_free(p);
	return ret;
}

static void test_singleton(void **state)
{
	struct engine_peer *p = case_peer(&c), *q;
	uint8_t id[WIRE_INSTANCE_SIZE];
	char token[81], other[81];
	struct wire_request r = {.op = WIRE_HELLO,
		.session = "shop/db/db",
		.token = token,
		.evidence = {(uint8_t *)&evidence, sizeof(evidence)},
		.instance = {id, WIRE_INSTANCE_SIZE}};

	images[0].volumes.count = 0;
	case_put_session(&c, &session);
	/* Launchers ask before each start: none is wanted. */
	assert_int_equal(get_token("shop/db/db", NULL, token), 0);
	assert_string_equal(token, "");
	session.security.singleton = true;
	case_put_session(&c, &session);
	assert_int_equal(get_token("shop/db/none", NULL, token), -ENOENT);
	assert_int_equal(get_token("shop/none/db", NULL, token), -ENOENT);
	assert_int_equal(get_token("shop/db/db", NULL, token), 0);
	assert_int_equal(get_token("shop/db/other", NULL, other), 0);
	assert_int_equal(hello(p, NULL), -EKEYREJECTED);
	assert_int_equal(hello(p, other), -EKEYREJECTED);
	other[0] = 'x';
	assert_int_equal(hello(p, other), -EKEYREJECTED);
	memcpy(other, token, sizeof(other));
	other[20] ^= 1;
	assert_int_equal(hello(p, other), -EKEYREJECTED);
	/* The evidence must have been made for the token. */
	case_evidence(&c, "shop/db/db", NULL, p, &evidence);
	r.instance.size = 0;
	assert_int_equal(case_ask(&c, p, &r, &reply), -EKEYREJECTED);
	r.instance.size = WIRE_INSTANCE_SIZE;
	/* None of which used it up. */
	r.host_args = (struct text_list){host_args, 1};
	assert_int_equal(hello(p, token), 0);
	memcpy(id, reply.instance, sizeof(id));
	q = case_peer(&c);
	assert_int_equal(hello(q, token), -EKEYREJECTED);
	assert_said("used before");
	/* The same instance may come back with it. */
	case_evidence(&c, "shop/db/db", token, q, &evidence);
	assert_int_equal(case_ask(&c, q, &r, &reply), 0);
	engine_peer_free(p);
	engine_peer_free(q);
	/* Used ones are known after a restart, and forgotten when too old. */
	case_restart(&c);
	q = case_peer(&c);
	assert_int_equal(hello(q, token), -EKEYREJECTED);
	assert_said("used before");
	c.now += SERVICE_TOKEN_LIFE + 1;
	assert_int_equal(hello(q, token), -EKEYREJECTED);
	assert_said("older than");
	assert_int_equal(c.g->services->tokens_used, 1);
	case_tick(&c, 1);
	assert_int_equal(c.g->services->tokens_used, 0);
	assert_int_equal(get_token("shop/db/db", NULL, token), 0);
	assert_int_equal(hello(q, token), 0);
	assert_null(strstr(log_text, token));
	engine_peer_free(q);
}

/* The clock is the host's: forward, until what was used is forgotten, and back
 * again. */
static void test_token_replay(void **state)
{
	struct engine_peer *p = case_peer(&c);
	char token[81], later[81];
	int64_t began;

	images[0].volumes.count = 0;
	session.security.singleton = true;
	case_put_session(&c, &session);
	began = c.now;
	assert_int_equal(get_token("shop/db/db", NULL, token), 0);
	assert_int_equal(hello(p, token), 0);
	engine_peer_free(p);
	case_tick(&c, SERVICE_TOKEN_LIFE + 100);
	assert_int_equal(c.g->services->tokens_used, 0);
	for (int restarted = 0; restarted < 2; restarted++) {
		c.now = began;
		p = case_peer(&c);
		assert_int_equal(hello(p, token), -EKEYREJECTED);
		/* New ones can be had, for all that. */
		assert_int_equal(get_token("shop/db/db", NULL, later), 0);
		assert_int_equal(hello(p, later), 0);
		engine_peer_free(p);
		case_restart(&c);
	}
}

static void test_access_token(void **state)
{
	struct engine_peer *p = case_peer(&c);
	char token[81];

	images[0].volumes.count = 0;
	session.security.access_token = "letmein";
	case_put_session(&c, &session);
	assert_int_equal(hello(p, NULL), -EKEYREJECTED);
	assert_int_equal(hello(p, "letmeout"), -EKEYREJECTED);
	assert_int_equal(hello(p, "letmein"), 0);
	engine_peer_free(p);
	/* With one-time tokens it is asked for when these are given. */
	session.security.singleton = true;
	case_put_session(&c, &session);
	assert_int_equal(get_token("shop/db/db", NULL, token), -EKEYREJECTED);
	assert_int_equal(get_token("shop/db/db", "no", token), -EKEYREJECTED);
	assert_int_equal(get_token("shop/db/db", "letmein", token), 0);
	p = case_peer(&c);
	assert_int_equal(hello(p, "letmein"), -EKEYREJECTED);
	assert_int_equal(hello(p, token), 0);
	engine_peer_free(p);
	assert_null(strstr(log_text, "letmein"));
}

static void test_mode_none(void **state)
{
	struct engine_peer *p = case_peer(&c);
	struct wire_request r = {.op = WIRE_HELLO,
		.session = "shop/db/db",
		.host_args = {host_args, 1}};

	session.security.mode = MODE_NONE;
	case_put_session(&c, &session);
	assert_int_equal(case_ask(&c, p, &r, &reply), -EPERM);
	session.security.access_token = "letmein";
	case_put_session(&c, &session);
	assert_int_equal(case_ask(&c, p, &r, &reply), -EKEYREJECTED);
	r.token = "letmein!";
	assert_int_equal(case_ask(&c, p, &r, &reply), -EKEYREJECTED);
	r.token = "letmein";
	assert_int_equal(case_ask(&c, p, &r, &reply), 0);
	engine_peer_free(p);
}

/* RFC 6238, appendix B, the last six of eight digits. */
static void test_otp_codes(void **state)
{
	static const struct {
		int64_t now;
		const char *code;
	} rows[] = {{59, "287082"}, {1111111109, "081804"},
		{1111111111, "050471"}, {1234567890, "005924"},
		{2000000000, "279037"}, {20000000000, "353130"}};
	/* "12345678901234567890" */
	const char *secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
	int64_t step;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		int64_t at = rows[i].now / 30;

		for (int64_t d = at > 2 ? -2 : -1; d <= 2; d++)
			assert_int_equal(
				otp_check(secret, rows[i].code,
					rows[i].now + 30 * d, 0, &step, NULL),
				d < -1 || d > 1 ? -EKEYREJECTED : 0);
		assert_int_equal(step, at);
		assert_int_equal(otp_check(secret, rows[i].code, rows[i].now,
					 at, &step, NULL),
			-EKEYREJECTED);
		assert_int_equal(otp_check(secret, rows[i].code, rows[i].now,
					 at - 1, &step, NULL),
			0);
	}
	assert_int_equal(
		otp_check(secret, "28708", 59, 0, &step, NULL), -EKEYREJECTED);
	assert_int_equal(otp_check(secret, "2870820", 59, 0, &step, NULL),
		-EKEYREJECTED);
	assert_int_equal(
		otp_check(secret, NULL, 59, 0, &step, NULL), -EKEYREJECTED);
	/* Spelt otherwise, too short, not base32. */
	assert_int_equal(otp_check("gezdgnbvgy3tqojqgezdgnbvgy3tqojq======",
				 "287082", 59, 0, &step, NULL),
		0);
	assert_int_equal(otp_check("GEZDGNBVGY3TQOJQGEZDGNB", "287082", 59, 0,
				 &step, NULL),
		-EINVAL);
	assert_int_equal(otp_check("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJ1", "287082",
				 59, 0, &step, NULL),
		-EINVAL);
	assert_int_equal(otp_check("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ=A",
				 "287082", 59, 0, &step, NULL),
		-EINVAL);
}

static void test_otp(void **state)
{
	struct engine_peer *p = case_peer(&c);
	struct wire_request r = {.op = WIRE_HELLO,
		.session = "shop/db/db",
		.host_args = {host_args, 1},
		.evidence = {(uint8_t *)&evidence, sizeof(evidence)}};

	images[0].volumes.count = 0;
	services[0].otp_secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
	case_put_session(&c, &session);
	c.now = 2000000000;
	case_evidence(&c, r.session, NULL, p, &evidence);
	assert_int_equal(case_ask(&c, p, &r, &reply), -EKEYREJECTED);
	assert_said("no one-time password");
	r.otp = "279037";
	/* Not even asked of an enclave that is not wanted. */
	evidence.debug = 1;
	assert_int_equal(case_ask(&c, p, &r, &reply), -EKEYREJECTED);
	evidence.debug = 0;
	assert_int_equal(case_ask(&c, p, &r, &reply), 0);
	engine_peer_free(p);
	case_restart(&c);
	p = case_peer(&c);
	case_evidence(&c, r.session, NULL, p, &evidence);
	assert_int_equal(case_ask(&c, p, &r, &reply), -EKEYREJECTED);
	assert_said("was used");
	/* Who guesses is stopped, and the right one does not help then. */
	c.now = 4000000000;
	for (int i = 0; i < 5; i++) {
		r.otp = "000000";
		assert_int_equal(case_ask(&c, p, &r, &reply), -EKEYREJECTED);
	}
	assert_said("wrong");
	assert_int_equal(case_ask(&c, p, &r, &reply), -EKEYREJECTED);
	assert_said("5 wrong one-time passwords");
	engine_peer_free(p);
}

/* ---- values ---- */

static int value_op(struct engine_peer *p, uint64_t op, const char *secret,
	const char *value)
{
	struct wire_request r = {.op = op,
		.secret = secret,
		.value = {(const uint8_t *)value, value ? strlen(value) : 0}};

	return case_ask(&c, p, &r, &reply);
}

static void test_values(void **state)
{
	struct engine_peer *p = case_peer(&c);
	char pw[25];

	case_put_session(&c, &session);
	assert_int_equal(hello(p, NULL), 0);
	assert_int_equal(value_op(p, WIRE_SECRET_GET, NULL, NULL), -EINVAL);
	assert_int_equal(value_op(p, WIRE_SECRET_GET, "pw", NULL), 0);
	assert_int_equal(reply.value.size, 24);
	memcpy(pw, reply.value.data, 25);
	/* Its session's, but not listed. */
	assert_int_equal(value_op(p, WIRE_SECRET_GET, "told", NULL), -EPERM);
	assert_int_equal(value_op(p, WIRE_SECRET_GET, "none", NULL), -EPERM);
	assert_int_equal(value_op(p, WIRE_SECRET_PUT, "pw", "x"), -EPERM);
	assert_int_equal(value_op(p, WIRE_SECRET_PUT, "none", "x"), -EPERM);
	assert_int_equal(value_op(p, WIRE_SECRET_PUT, "told", NULL), -EINVAL);
	assert_int_equal(
		value_op(p, WIRE_SECRET_PUT, "told", "sixteen bytes 16"), 0);
	provided[0] = "told";
	case_put_session(&c, &session);
	provided[0] = "pw";
	assert_int_equal(value_op(p, WIRE_SECRET_GET, "pw", NULL), -EPERM);
	assert_logged("secret.get shop/db/pw");
	assert_logged("secret.put shop/db/told");
	assert_logged("secret.put shop/db/pw DENIED");
	assert_null(strstr(log_text, pw));
	assert_null(strstr(log_text, "sixteen"));
	engine_peer_free(p);
}

/* What was put is there, also after CAS started again. */
static void test_put(void **state)
{
	struct engine_peer *p = case_peer(&c);

	provided[0] = "told";
	case_put_session(&c, &session);
	provided[0] = "pw";
	assert_int_equal(hello(p, NULL), 0);
	assert_int_equal(
		value_op(p, WIRE_SECRET_PUT, "told", "sixteen bytes 16"), 0);
	assert_int_equal(value_op(p, WIRE_SECRET_GET, "told", NULL), 0);
	assert_memory_equal(reply.value.data, "sixteen bytes 16", 16);
	case_restart(&c);
	engine_peer_free(p);
	p = case_peer(&c);
	assert_int_equal(hello(p, NULL), 0);
	assert_int_equal(value_op(p, WIRE_SECRET_GET, "told", NULL), 0);
	assert_memory_equal(reply.value.data, "sixteen bytes 16", 16);
	engine_peer_free(p);
}

/* A value that rotates does so by the tick, also while its service runs. */
static void test_renewed(void **state)
{
	struct engine_peer *p = case_peer(&c);
	char pw[25];

	secrets[0].rotate_every = 3600;
	case_put_session(&c, &session);
	secrets[0].rotate_every = 0;
	assert_int_equal(hello(p, NULL), 0);
	assert_int_equal(value_op(p, WIRE_SECRET_GET, "pw", NULL), 0);
	memcpy(pw, reply.value.data, 25);
	case_tick(&c, 1);
	assert_null(strstr(log_text, "secret.renew"));
	c.now += 3700;
	case_tick(&c, 1);
	assert_logged("secret.renew shop/db");
	assert_int_equal(value_op(p, WIRE_SECRET_GET, "pw", NULL), 0);
	assert_memory_not_equal(reply.value.data, pw, 24);
	engine_peer_free(p);
}

/* Another session's value, as long as that one exports it. */
static void test_import(void **state)
{
	struct session_ref ref = {.session = "shop/db"},
			   from = {.session = "org/keys", .secret = "key"};
	struct secret_spec theirs = {.name = "key",
		.kind = SECRET_ASCII,
		.size = 16,
		.exports = {&ref, 1}};
	struct secret_spec mine[2] = {
		{.name = "key", .kind = SECRET_ASCII, .import = {&from, 1}},
		secrets[0]};
	struct session other = {
		.name = "org/keys", .version = "1.0", .secrets = {&theirs, 1}};
	struct engine_peer *p = case_peer(&c);

	images[0].volumes.count = 0;
	command[3] = "$$SCONE::key$$";
	session.secrets = (struct item_list){mine, 2};
	case_put_session(&c, &other);
	case_put_session(&c, &session);
	assert_int_equal(hello(p, NULL), 0);
	engine_peer_free(p);
	/* Taken back: no new start gets it, though CAS has the copy. */
	theirs.exports.count = 0;
	case_put_session(&c, &other);
	p = case_peer(&c);
	assert_int_equal(hello(p, NULL), -EPERM);
	engine_peer_free(p);
}

/* ---- the store's pace ---- */

static void test_durable(void **state)
{
	struct engine_peer *p = case_peer(&c);
	struct wire_request r = {.op = WIRE_HELLO,
		.session = "shop/db/db",
		.host_args = {host_args, 1},
		.evidence = {(uint8_t *)&evidence, sizeof(evidence)}};

	case_put_session(&c, &session);
	case_evidence(&c, r.session, NULL, p, &evidence);
	came = bad = 0;
	engine_peer_request(p, &r, count_reply, NULL);
	assert_int_equal(came, 0);
	/* Not an instance before it can no longer be lost. */
	r.op = WIRE_RENEW;
	engine_peer_request(p, &r, count_reply, NULL);
	assert_int_equal(came, 1);
	assert_int_equal(bad, 1);
	/* Who is gone gets no answer. */
	engine_peer_free(p);
	case_settle(&c);
	assert_int_equal(came, 1);
	/* CAS goes while something waits. */
	p = case_peer(&c);
	r.op = WIRE_HELLO;
	case_evidence(&c, r.session, NULL, p, &evidence);
	engine_peer_request(p, &r, count_reply, NULL);
	case_restart(&c);
	engine_peer_free(p);
	assert_int_equal(came, 1);
}

static void test_forget(void **state)
{
	struct engine_peer *p = case_peer(&c);
	uint8_t id[ENGINE_INSTANCE_SIZE];
	const struct wire_request again = {.id = 1,
		.op = WIRE_HELLO,
		.session = "shop/db/db",
		.instance = {id, sizeof(id)},
		.host_args = {host_args, 1},
		.evidence = {(const uint8_t *)&evidence, sizeof(evidence)}};
	struct store_txn *x;
	struct err e = {0};

	case_put_session(&c, &session);
	assert_int_equal(hello(p, NULL), 0);
	x = store_begin(c.store);
	assert_int_equal(services_forget(c.g, &session, x, &e), -EBUSY);
	store_abort(x);
	memcpy(id, reply.instance, sizeof(id));
	engine_peer_free(p);
	/* A transaction that comes to nothing: the instance goes on. */
	x = store_begin(c.store);
	assert_int_equal(services_forget(c.g, &session, x, &e), 0);
	store_abort(x);
	case_tick(&c, 1);
	assert_int_equal(c.g->counts.instances, 1);
	p = case_peer(&c);
	case_evidence(&c, again.session, NULL, p, &evidence);
	assert_int_equal(case_ask(&c, p, &again, &reply), 0);
	engine_peer_free(p);
	x = store_begin(c.store);
	assert_int_equal(services_forget(c.g, &session, x, &e), 0);
	assert_int_equal(store_submit(x, NULL, NULL), 0);
	case_settle(&c);
	/* Nobody comes back to it, even before a tick. */
	p = case_peer(&c);
	case_evidence(&c, again.session, NULL, p, &evidence);
	assert_int_not_equal(case_ask(&c, p, &again, &reply), 0);
	engine_peer_free(p);
	assert_int_equal(c.g->counts.instances, 0);
	case_restart(&c);
	assert_int_equal(c.g->counts.instances, 0);
}

/* ---- dry run ---- */

static char told[4096];
static int told_status;

static void on_answer(void *arg, const struct engine_reply *r)
{
	told_status = r->status;
	fmt_print(told, sizeof(told), "%s=%s\n%.*s",
		r->items && r->items[0].name ? r->items[0].name : "",
		r->items && r->items[0].text ? r->items[0].text : "",
		(int)r->body_size, r->body ? (const char *)r->body : "");
}

static void test_dry_run(void **state)
{
	struct engine_call call = {
		.who = {.present = true, .key = {2}}, .reply = on_answer};
	uint8_t creator[32] = {2};

	session.creator = (struct bytes){creator, 32};
	case_put_session(&c, &session);
	case_evidence(&c, "shop/db/db", NULL, NULL, &evidence);
	engine_session_dry_run(
		c.g, &call, "shop/db", "db", &evidence, sizeof(evidence));
	assert_int_equal(told_status, 0);
	assert_non_null(strstr(told, "accepted=true\naccepted by"));
	evidence.mrenclave[0] = 0;
	evidence.debug = 1;
	evidence.config_id[0] ^= 1;
	engine_session_dry_run(
		c.g, &call, "shop/db", "db", &evidence, sizeof(evidence));
	assert_non_null(strstr(told, "accepted=false\npolicy-debug: "));
	assert_non_null(strstr(told,
		"to accept it: services.db.attestation[0].mrenclave: add "
		"00ee"));
	assert_non_null(strstr(told, "config_id: "));
	assert_int_equal(c.g->counts.instances, 0);
	/* Who may not read the policy learns nothing. */
	call.who.key[0] = 3;
	engine_session_dry_run(
		c.g, &call, "shop/db", "db", &evidence, sizeof(evidence));
	assert_int_equal(told_status, -EACCES);
	engine_session_dry_run(
		c.g, &call, "shop/none", "db", &evidence, sizeof(evidence));
	assert_int_equal(told_status, -EACCES);
}

#define T(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(start),
		T(refused),
		T(before_hello),
		T(tags),
		T(pipelined),
		T(flood),
		T(second_copy),
		T(fenced),
		T(failed_takeover),
		T(readers),
		T(reconnect),
		T(lease),
		T(restart),
		T(exit),
		T(limits),
		T(singleton),
		T(token_replay),
		T(access_token),
		T(mode_none),
		cmocka_unit_test(test_otp_codes),
		T(otp),
		T(values),
		T(put),
		T(renewed),
		T(import),
		T(durable),
		T(forget),
		T(dry_run),
	};

	return cmocka_run_group_tests_name("service", tests, NULL, NULL);
}
