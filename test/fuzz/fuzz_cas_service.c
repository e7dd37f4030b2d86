/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests in any order, on any connection, with anything in them, to a small
 * CAS that is also restarted and whose clock goes on. What must hold whatever
 * comes: an acknowledged tag is what CAS has, after a restart too, and came
 * from the tag before it; a volume has one writer; nothing is answered twice;
 * no secret is in an error.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "test/unit/unit.h"

#include "test/unit/service_case.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PEERS = 4, ROUNDS_MAX = 200 };

#define HEX "eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee"

static struct service_case c;
static struct engine_peer *peers[PEERS];
static uint8_t ids[PEERS][WIRE_INSTANCE_SIZE];
static char tokens[2][128];
static struct case_reply reply;
/* What was acknowledged last, of the volume "data" of shop/db. */
static uint8_t acked[VOL_TAG_SIZE];
static bool has_acked;

static const uint8_t *in;
static size_t left;

static uint8_t take(void)
{
	if (left == 0)
		return 0;
	left--;
	return *in++;
}

static void must(bool holds)
{
	if (!holds)
		abort();
}

static const char *const sessions[] = {"shop/db/db", "shop/db/other",
	"shop/one/db", "shop/none/db", "shop/db/", "/", "", "shop/db/none"};
static const char *const names[] = {"data", "pw", "told", "none", "", "root"};
static const char *const formats[] = {NULL, "", "hex", "base64", "x"};
static const char *host_args[] = {"a", "b"};

static struct bytes take_tag(uint8_t tag[32])
{
	uint8_t kind = take();

	memset(tag, kind & 7, VOL_TAG_SIZE);
	/* Mostly the right size. */
	if (kind & 0x40)
		memcpy(tag, acked, 32);
	return (struct bytes){tag, kind & 0x80 ? kind & 0x1f : 32};
}

static void check_store(void)
{
	static struct volume_place at;
	struct volume_record r;

	must(volume_row_key("shop/db", "data", &at) == 0);
	must(engine_volume_get(c.g, &at, &r, NULL) == 0);
	must(r.has_tag == has_acked);
	must(!has_acked || memcmp(r.tag, acked, sizeof(acked)) == 0);
}

/* At most one instance believes that it may write, and is right. */
static void check_writers(void)
{
	static struct volume_place at;
	struct volume_record r;
	struct instance *i;
	unsigned writers = 0;

	must(volume_row_key("shop/db", "data", &at) == 0);
	must(engine_volume_get(c.g, &at, &r, NULL) == 0);
	list_for_each_entry (i, &c.g->services->instances, link)
		for (size_t k = 0; k < i->volume_count; k++)
			writers += strcmp(i->session, "shop/db") == 0 &&
				i->volumes[k].term == r.term && !i->over;
	must(writers <= 1);
}

static void ask(unsigned n, const struct wire_request *r)
{
	struct engine_peer *p = peers[n];
	int ret = case_ask(&c, p, r, &reply);

	must(ret <= 0 && ret > -4096);
	must(!strstr(reply.error, "letmein"));
	if (r->op == WIRE_HELLO && ret == 0) {
		must(reply.has_instance && p->instance);
		memcpy(ids[n], reply.instance, sizeof(ids[n]));
	}
	if (r->op == WIRE_TOKEN && ret == 0 && reply.value.size < 128)
		memcpy(tokens[r->session[6] == 'o'], reply.value.data,
			reply.value.size + 1);
	if (r->op == WIRE_TAG && ret == 0 &&
		strcmp(p->instance->session, "shop/db") == 0) {
		must(r->to.size == 32);
		must(!has_acked || memcmp(r->to.data, acked, 32) == 0 ||
			(r->from.size == 32 &&
				memcmp(r->from.data, acked, 32) == 0));
		memcpy(acked, r->to.data, 32);
		has_acked = true;
	}
	check_store();
}

static void step(void)
{
	uint8_t what = take(), bits, from[32], to[32];
	unsigned n = what >> 6;
	struct case_evidence ev;
	struct wire_request r = {.id = take(), .op = what & 15};

	if (r.op == 10) {
		case_tick(&c, 1u + take() % 40);
		return;
	}
	if (r.op == 11 || r.op == 12) {
		engine_peer_free(peers[n]);
		peers[n] = case_peer(&c);
		return;
	}
	if (r.op == 13) {
		case_restart(&c);
		for (unsigned i = 0; i < PEERS; i++) {
			engine_peer_free(peers[i]);
			peers[i] = case_peer(&c);
		}
		check_store();
		return;
	}
	bits = take();
	r.session = sessions[bits & 7];
	r.token = bits & 8  ? tokens[0]
		: bits & 16 ? tokens[1]
		: bits & 32 ? "letmein"
			    : NULL;
	r.secret = r.volume = names[take() % ARRAY_SIZE(names)];
	r.format = formats[take() % ARRAY_SIZE(formats)];
	r.from = take_tag(from);
	r.to = take_tag(to);
	r.value = (struct bytes){in, left < 20 ? left : 20};
	r.host_args = (struct text_list){host_args, take() % 3};
	if (bits & 64)
		r.instance = (struct bytes){
			ids[take() % PEERS], WIRE_INSTANCE_SIZE};
	if (r.op == WIRE_HELLO && strcmp(r.session, "") && (bits & 7) < 4) {
		case_evidence(&c, r.session, r.token,
			peers[bits & 128 ? take() % PEERS : n], &ev);
		if (bits & 128)
			((uint8_t *)&ev)[take() % sizeof(ev)] ^= take();
		r.evidence = (struct bytes){(uint8_t *)&ev, sizeof(ev)};
	}
	ask(n, &r);
	check_writers();
}

#define REST                                                              \
	"secrets:\n"                                                      \
	"  - {name: pw, kind: ascii, size: 12}\n"                         \
	"  - {name: told, kind: binary, size: 8, write: [service: db]}\n" \
	"volumes: [{name: data}]\n"                                       \
	"images:\n"                                                       \
	"  - name: i\n"                                                   \
	"    root: " HEX "\n"                                             \
	"    volumes: [{name: data, path: /data}]\n"                      \
	"    provide_secrets: [told]\n"                                   \
	"    injection_files: [{path: /f, content: $$SCONE::pw$$}]\n"

static const char db[] =
	"name: shop/db\nversion: \"1.0\"\n"
	"services:\n"
	"  - {name: db, image_name: i, command: [/x, \"@@1\"], "
	"attestation: {mrenclave: " HEX "}}\n"
	"  - {name: other, image_name: i, command: [/x], "
	"instances: {max: 1}, attestation: {mrenclave: " HEX "}}\n" REST;
static const char one[] = "name: shop/one\nversion: \"1.0\"\n"
			  "services:\n"
			  "  - {name: db, image_name: i, command: [/x], "
			  "attestation: {mrenclave: " HEX "}}\n" REST
			  "security: {singleton_enclaves: true, "
			  "service_access_token: letmein}\n";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	in = data;
	left = size;
	has_acked = false;
	memset(acked, 0, sizeof(acked));
	memset(ids, 0, sizeof(ids));
	memset(tokens, 0, sizeof(tokens));
	case_start(&c);
	case_put_yaml(&c, db);
	case_put_yaml(&c, one);
	for (unsigned i = 0; i < PEERS; i++)
		peers[i] = case_peer(&c);
	for (unsigned i = 0; i < ROUNDS_MAX && left > 0; i++)
		step();
	for (unsigned i = 0; i < PEERS; i++)
		engine_peer_free(peers[i]);
	case_reply_fini(&reply);
	case_stop(&c);
	return 0;
}
