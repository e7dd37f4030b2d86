/* SPDX-License-Identifier: Apache-2.0 */
/* The successor: cas/join.h. */
#include "cas/join.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "attest/verdict.h"
#include "cas/handover.h"
#include "cas/keys.h"
#include "cas/link.h"
#include "cas/verifier.h"
#include "lib/string.h"

enum { CONNECT_MS = 10000, ANSWER_MS = 60000 };

struct joining {
	struct server *server;
	const struct server_options *options;
	struct link *link;
	uint64_t id;
	struct verdict verdict;
	struct handover_grant grant;
	uint64_t size;
};

static int connect_to(struct joining *j, const char *from, struct err *e)
{
	char address[256] = "";
	const char *equals = strrchr(from, '=');
	size_t len = equals ? (size_t)(equals - from) : 0;
	uint8_t key[LINK_KEY_SIZE];
	int ret;

	if (!equals || len >= sizeof(address) ||
		!string_from_hex(equals + 1, key, sizeof(key)))
		return err_setf(e, -EINVAL,
			"--join %.80s: wanted ADDRESS:PORT=KEY, the port for "
			"enclaves and the hash of the key of the CAS that "
			"hands over",
			from);
	memcpy(address, from, len);
	ret = link_new(address, key, &j->link, e);
	if (!ret)
		ret = link_wait(j->link, CONNECT_MS, e);
	return ret < 0 ? ret : 0;
}

/* What gives its key away must be an enclave as good as this one. */
static int judge_giver(
	struct joining *j, const struct bytes *evidence, struct err *e)
{
	const struct server_options *o = j->options;
	const struct verdict *v = &j->verdict;
	const struct verdict_field *f;
	struct verifier *verifier;
	uint8_t wanted[64];
	int ret;

	if (!j->server->in_enclave || (!evidence->size && o->emulated))
		return 0;
	if (!evidence->size)
		return err_setf(e, -EKEYREJECTED,
			"it shows no evidence: its key is known to its host");
	ret = verifier_new(o->collateral, o->emulated, &verifier, e);
	if (ret)
		return ret;
	ret = verifier_check(verifier, evidence->data, evidence->size,
		(int64_t)time(NULL), &j->verdict, e);
	verifier_free(verifier);
	if (!ret)
		ret = giver_binding(link_binding(j->link), wanted);
	if (ret)
		return ret;
	f = verdict_field(v, "report_data");
	if (v->failure_count || !v->signature || !v->chain || v->debug ||
		(v->emulated && !o->emulated) || !f || f->size != 64 ||
		memcmp(f->bytes, wanted, 64) != 0)
		return err_setf(e, -EKEYREJECTED,
			"its evidence is not accepted: %s",
			v->failure_count   ? v->failures[0].rule
				: v->debug ? "a debug enclave"
				: v->emulated && !o->emulated
				? "an emulated platform"
				: "made for another connection");
	return 0;
}

static int ask(struct joining *j, struct err *e)
{
	struct handover_request request = {.version = SCONCE_VERSION};
	struct wire_request r = {.id = ++j->id, .op = WIRE_JOIN};
	struct wire_reply reply = {0};
	struct buf text = {0};
	void *evidence = NULL;
	size_t size = 0;
	int ret = handover_request_encode(&request, &text);

	if (!ret && j->server->in_enclave)
		ret = keys_quote(
			NULL, link_binding(j->link), &evidence, &size, e);
	if (!ret) {
		r.value = (struct bytes){text.data, text.size};
		r.evidence = (struct bytes){evidence, size};
		ret = link_call(j->link, &r, ANSWER_MS, &reply, e);
	}
	if (!ret && reply.status)
		ret = err_setf(e, -(int)reply.status, "%s",
			reply.error ? reply.error : "refused");
	if (!ret)
		ret = judge_giver(j, &reply.config, e);
	if (!ret)
		ret = handover_grant_decode(
			reply.value.data, reply.value.size, &j->grant, e);
	j->size = reply.lease;
	buf_fini(&text);
	free(evidence);
	return ret;
}

static int fetch(struct joining *j, int fd, struct err *e)
{
	uint64_t at = 0;

	for (;;) {
		struct wire_request r = {
			.id = ++j->id, .op = WIRE_COPY, .code = at};
		struct wire_reply reply = {0};
		int ret = link_call(j->link, &r, ANSWER_MS, &reply, e);

		if (ret)
			return ret;
		if (reply.status)
			return err_setf(e, -(int)reply.status, "%s",
				reply.error ? reply.error : "refused");
		if (!reply.config.size)
			return at == j->size ? 0
					     : err_setf(e, -EPROTO,
						       "the database ends too "
						       "early");
		if (reply.config.size > j->size - at)
			return err_setf(e, -EPROTO, "more than was announced");
		if (write(fd, reply.config.data, reply.config.size) !=
			(ssize_t)reply.config.size)
			return err_setf(
				e, -EIO, "the database: %s", strerror(errno));
		at += reply.config.size;
		/* It goes only when all is safe here. */
		if (at == j->size && fsync(fd))
			return err_setf(
				e, -errno, "the database: %s", strerror(errno));
	}
}

int join_run(struct server *s, const struct server_options *o, const char *from,
	const char *file, uint8_t key[static STORE_KEY_SIZE], struct err *e)
{
	struct joining *j = calloc(1, sizeof(*j));
	int fd, ret;

	if (!j)
		return err_setf(e, -ENOMEM, "join: no memory");
	j->server = s;
	j->options = o;
	ret = connect_to(j, from, e);
	if (!ret)
		ret = ask(j, e);
	if (!ret) {
		fd = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
		ret = fd < 0
			? err_setf(e, -errno, "%s: %s", file, strerror(errno))
			: fetch(j, fd, e);
		if (fd >= 0)
			close(fd);
	}
	if (!ret)
		memcpy(key, j->grant.key, STORE_KEY_SIZE);
	else
		err_prefix(e, "--join %.80s", from);
	link_free(j->link);
	string_wipe(j, sizeof(*j));
	free(j);
	return ret;
}
