/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What enclaves ask of CAS: starts, tags, leases, values, and everything that
 * is refused.
 */
#include "unit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/service.h"
#include "test/unit/service_case.h"

static struct service_case c;
static struct case_reply reply;

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
	image_volumes[0] = (struct image_volume){
		.name = "data", .path = "/data"};
}

static int setup(void **state)
{
	case_start(&c);
	usual();
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
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_start, setup, teardown),
	};

	return cmocka_run_group_tests_name("service", tests, NULL, NULL);
}
