/* SPDX-License-Identifier: Apache-2.0 */
/* What many enclaves do with CAS at once. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/casload.h"
#include "cas/link.h"
#include "emu/keys.h"
#include "emu/qe_int.h"
#include "lib/bytes.h"
#include "lib/manifest_cas.h"
#include "lib/string.h"

#include <openssl/sha.h>

enum { LINKS_MAX = 512, NAME_SIZE = 256, TAG_SIZE = 32, DEPTH_MAX = 64 };

/* One enclave that would be there. */
struct client {
	struct link *link;
	char session[NAME_SIZE];
	uint8_t config_id[32];
	bool said; /* HELLO */
	bool ready; /* there is something to do */
	uint64_t began; /* of the start, or of each tag: by id */
	uint64_t sent_at[DEPTH_MAX], next, done;
	uint8_t tag[TAG_SIZE]; /* the last one sent */
};

static struct {
	const char *address;
	uint8_t key[32], mrenclave[32];
	struct emu_qe *qe;
	struct sgx_targetinfo target;
	struct load_times times;
	uint64_t end;
} load;

static void begin(char **argv)
{
	struct err e = {0};

	load.address = argv[0];
	if (!string_from_hex(argv[1], load.key, 32) ||
		!string_from_hex(argv[2], load.mrenclave, 32))
		load_die("KEY, MRENCLAVE: wanted 64 hexadecimal digits");
	if (emu_qe_new(&load.qe, &e))
		load_die("%s", e.text);
	emu_qe_target(load.qe, &load.target);
}

/* A session each: a volume has one writer. */
static void name_enclaves(struct client *n, size_t count, const char *session)
{
	static uint8_t manifest[MANIFEST_CAS_MAX];
	struct err e = {0};
	size_t size;

	for (size_t i = 0; i < count; i++) {
		snprintf(n[i].session, NAME_SIZE, "%s-%zu/s", session, i);
		if (manifest_for_cas(
			    load.key, n[i].session, NULL, manifest, &size, &e))
			load_die("%s", e.text);
		SHA256(manifest, size, n[i].config_id);
	}
}

/* What EREPORT says inside such an enclave, then the quote of it. */
static size_t quote(const struct client *n, const uint8_t data[64],
	uint8_t out[static EMU_QE_QUOTE_MAX])
{
	const struct emu_platform *p = &load.qe->platform;
	struct sgx_report r = {0};
	uint8_t key[SGX_KEY_SIZE];
	size_t size;

	memcpy(r.body.cpusvn, p->cpusvn, sizeof(r.body.cpusvn));
	r.body.attributes.flags = SGX_ATTR_INIT | SGX_ATTR_MODE64BIT |
		SGX_ATTR_KSS;
	r.body.attributes.xfrm = SGX_XFRM_LEGACY;
	memcpy(r.body.mrenclave, load.mrenclave, 32);
	memcpy(r.body.configid, n->config_id, 32);
	memcpy(r.body.reportdata, data, 64);
	memcpy(r.keyid, p->report_keyid, sizeof(r.keyid));
	if (keys_report(p, &load.target, r.keyid, key) ||
		keys_cmac(key, &r.body, sizeof(r.body), r.mac) ||
		emu_qe_quote(load.qe, &r, out, EMU_QE_QUOTE_MAX, &size))
		load_die("no quote");
	return size;
}

static void connect_enclave(struct client *n)
{
	struct err e = {0};

	link_free(n->link);
	n->link = NULL;
	n->said = false;
	n->began = load_now_ns();
	if (link_new(load.address, load.key, &n->link, &e))
		load_die("%s", e.text);
}

static void say_hello(struct client *n)
{
	static uint8_t evidence[EMU_QE_QUOTE_MAX];
	struct err e = {0};
	struct wire_request r = {.id = 1,
		.op = WIRE_HELLO,
		.session = n->session,
		.evidence = {
			evidence, quote(n, link_binding(n->link), evidence)}};

	n->said = true;
	if (link_send(n->link, &r, &e))
		load_die("%s", e.text);
}

static void refused(const char *what, const struct wire_reply *r)
{
	if (load.times.failed++ < 3)
		fprintf(stderr, "bench-casload: %s: refused: %s\n", what,
			r->error ? r->error : "");
}

/* The next reply, if it is there. */
static bool receive(struct client *n, struct wire_reply *r)
{
	struct err e = {0};
	int ret;

	if (!n->said) {
		ret = link_step(n->link, &e);
		if (ret > 0)
			say_hello(n);
		if (ret < 0)
			load_die("%s", e.text);
	}
	if (!n->said)
		return false;
	ret = link_receive(n->link, r, &e);
	if (ret < 0)
		load_die("%s: %s", n->session, e.text);
	return ret > 0;
}

static void wait_for(struct client *n, size_t count)
{
	static struct pollfd p[LINKS_MAX];

	for (size_t i = 0; i < count; i++)
		p[i] = (struct pollfd){.fd = link_fd(n[i].link),
			.events = link_events(n[i].link)};
	if (poll(p, count, 10000) == 0)
		load_die("CAS says nothing for 10 s");
	for (size_t i = 0; i < count; i++)
		n[i].ready = p[i].revents != 0;
}

/* ---- starts ---- */

static void start_again(struct client *n, const struct wire_reply *r)
{
	if (r->status || !r->config.size)
		refused(n->session, r);
	else
		load_took(&load.times, load_now_ns() - n->began);
	connect_enclave(n);
}

int load_attest(int argc, char **argv)
{
	static struct client n[LINKS_MAX];
	size_t count = strtoul(argv[4], NULL, 10);
	uint64_t began;
	struct wire_reply r;

	if (count < 1 || count > LINKS_MAX)
		load_die("AT_ONCE: wanted 1 to %d", LINKS_MAX);
	begin(argv);
	name_enclaves(n, count, argv[3]);
	for (size_t i = 0; i < count; i++)
		connect_enclave(&n[i]);
	began = load_now_ns();
	load.end = began + strtoul(argv[5], NULL, 10) * 1000000000;
	while (load_now_ns() < load.end) {
		wait_for(n, count);
		for (size_t i = 0; i < count; i++)
			if (n[i].ready && receive(&n[i], &r))
				start_again(&n[i], &r);
	}
	load_print(&load.times, began);
	return 0;
}

/* ---- tags ---- */

static void send_tag(struct client *n)
{
	struct wire_request r = {
		.id = ++n->next, .op = WIRE_TAG, .volume = "data"};
	uint8_t from[TAG_SIZE];
	struct err e = {0};

	memcpy(from, n->tag, sizeof(from));
	memset(n->tag, 0x5a, sizeof(n->tag));
	memcpy(n->tag, &n->next, sizeof(n->next));
	r.from = (struct bytes){from, n->next > 1 ? TAG_SIZE : 0};
	r.to = (struct bytes){n->tag, TAG_SIZE};
	n->sent_at[n->next % DEPTH_MAX] = load_now_ns();
	if (link_send(n->link, &r, &e))
		load_die("%s", e.text);
}

static void tag_done(struct client *n, const struct wire_reply *r)
{
	uint64_t now = load_now_ns();

	n->done++;
	if (r->status)
		refused(n->session, r);
	else
		load_took(&load.times, now - n->sent_at[r->id % DEPTH_MAX]);
	if (now < load.end)
		send_tag(n);
}

static void start_all(struct client *n, size_t count)
{
	struct wire_reply r;
	struct err e = {0};

	for (size_t i = 0; i < count; i++) {
		connect_enclave(&n[i]);
		if (link_wait(n[i].link, 10000, &e) < 0)
			load_die("%s", e.text);
		say_hello(&n[i]);
		while (!receive(&n[i], &r))
			wait_for(&n[i], 1);
		if (r.status)
			load_die("%s: refused: %s", n[i].session, r.error);
	}
}

static bool all_done(const struct client *n, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (n[i].done < n[i].next)
			return false;
	return true;
}

int load_tags(int argc, char **argv)
{
	static struct client n[LINKS_MAX];
	size_t count = strtoul(argv[4], NULL, 10);
	size_t depth = strtoul(argv[5], NULL, 10);
	struct wire_reply r;
	struct err e = {0};
	uint64_t began;

	if (count < 1 || count > LINKS_MAX || depth < 1 || depth > DEPTH_MAX)
		load_die("SERVICES: wanted 1 to %d, DEPTH: 1 to %d", LINKS_MAX,
			DEPTH_MAX);
	begin(argv);
	name_enclaves(n, count, argv[3]);
	start_all(n, count);
	began = load_now_ns();
	load.end = began + strtoul(argv[6], NULL, 10) * 1000000000;
	for (size_t i = 0; i < count * depth; i++)
		send_tag(&n[i / depth]);
	for (size_t i = 0; i < count; i++)
		n[i].ready = true;
	while (!all_done(n, count)) {
		for (size_t i = 0; i < count; i++) {
			if (!n[i].ready)
				continue;
			while (receive(&n[i], &r))
				tag_done(&n[i], &r);
			if (link_step(n[i].link, &e) < 0)
				load_die("%s", e.text);
		}
		if (!all_done(n, count))
			wait_for(n, count);
	}
	load_print(&load.times, began);
	return 0;
}
