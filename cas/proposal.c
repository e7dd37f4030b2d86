/* SPDX-License-Identifier: Apache-2.0 */
/* Proposals in the store and for people. */
#include "cas/proposal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cas/session.h"
#include "lib/bytes.h"
#include "lib/schema_encode.h"
#include "lib/string.h"

#define AT(type, field) .offset = offsetof(struct type, field)

static const struct schema_field vote_fields[] = {
	{"key", SCHEMA_BYTES, 0, AT(proposal_vote, key), .min = 32, .max = 32},
	{"yes", SCHEMA_BOOL, 0, AT(proposal_vote, yes)},
	{"spki", SCHEMA_BYTES, SCHEMA_OPTIONAL, AT(proposal_vote, spki),
		.max = 1024},
	{"time", SCHEMA_UINT, 0, AT(proposal_vote, time), .max = INT64_MAX},
	{"value", SCHEMA_BYTES, SCHEMA_OPTIONAL, AT(proposal_vote, value),
		.max = 1024},
	{"reason", SCHEMA_TEXT, 0, AT(proposal_vote, reason),
		.max = PROPOSAL_TEXT_MAX},
	{"by_signature", SCHEMA_BOOL, 0, AT(proposal_vote, by_signature)},
};
static const struct schema vote_schema = {"vote", vote_fields,
	ARRAY_SIZE(vote_fields), sizeof(struct proposal_vote), NULL};

static const struct schema_field fields[] = {
	{"id", SCHEMA_TEXT, 0, AT(proposal, id), .min = PROPOSAL_ID_SIZE,
		.max = PROPOSAL_ID_SIZE},
	{"diff", SCHEMA_TEXT, 0, AT(proposal, diff), .max = PROPOSAL_DIFF_MAX},
	{"hash", SCHEMA_BYTES, 0, AT(proposal, hash), .min = 32, .max = 32},
	{"state", SCHEMA_UINT, 0, AT(proposal, state),
		.max = PROPOSAL_STATES - 1},
	{"votes", SCHEMA_STRUCT_LIST, 0, AT(proposal, votes),
		.max = PROPOSAL_VOTES_MAX, .sub = &vote_schema},
	{"action", SCHEMA_UINT, 0, AT(proposal, action), .max = 2},
	{"opened", SCHEMA_UINT, 0, AT(proposal, opened), .max = INT64_MAX},
	{"opener", SCHEMA_BYTES, 0, AT(proposal, opener), .min = 32, .max = 32},
	{"policy", SCHEMA_BYTES, SCHEMA_OPTIONAL, AT(proposal, policy),
		.max = SESSION_SIZE_MAX},
	{"comment", SCHEMA_TEXT, 0, AT(proposal, comment),
		.max = PROPOSAL_TEXT_MAX},
	{"expires", SCHEMA_UINT, 0, AT(proposal, expires), .max = INT64_MAX},
	{"outcome", SCHEMA_TEXT, 0, AT(proposal, outcome), .max = 512},
	{"session", SCHEMA_TEXT, 0, AT(proposal, session), .min = 1,
		.max = SESSION_NAME_MAX},
	{"not_before", SCHEMA_UINT, 0, AT(proposal, not_before),
		.max = INT64_MAX},
	{"predecessor", SCHEMA_BYTES, SCHEMA_OPTIONAL,
		AT(proposal, predecessor), .max = 32},
};
static const struct schema schema = {
	"proposal", fields, ARRAY_SIZE(fields), sizeof(struct proposal), NULL};

const char *proposal_state_name(uint64_t state)
{
	static const char *const names[] = {
		[PROPOSAL_OPEN] = "open",
		[PROPOSAL_APPLIED] = "applied",
		[PROPOSAL_VETOED] = "vetoed",
		[PROPOSAL_EXPIRED] = "expired",
		[PROPOSAL_WITHDRAWN] = "withdrawn",
		[PROPOSAL_STALE] = "stale",
	};

	return state < PROPOSAL_STATES ? names[state] : "?";
}

int proposal_decode(
	struct proposal *p, const void *row, size_t size, struct err *e)
{
	struct arena arena;
	size_t room = SCHEMA_ARENA_SIZE(size);
	void *memory = malloc(room);
	int ret;

	*p = (struct proposal){0};
	if (!memory)
		return err_setf(e, -ENOMEM, "no memory");
	arena_init(&arena, memory, room);
	ret = schema_decode(&schema, p, row, size, &arena, e);
	p->memory = memory;
	return ret;
}

void proposal_fini(struct proposal *p)
{
	free(p->memory);
	*p = (struct proposal){0};
}

int proposal_encode(const struct proposal *p, struct buf *out)
{
	struct cbor_writer w;
	uint8_t *bytes;
	size_t size;

	cbor_writer_init(&w, NULL, 0);
	schema_encode(&schema, p, &w);
	size = w.len;
	bytes = malloc(size);
	if (!bytes)
		return -ENOMEM;
	cbor_writer_init(&w, bytes, size);
	schema_encode(&schema, p, &w);
	buf_add(out, bytes, size);
	string_wipe(bytes, size);
	free(bytes);
	return buf_check(out);
}

static json_t *hex(struct bytes b)
{
	char text[2 * 32 + 1];

	if (b.size != 32)
		return json_null();
	bytes_to_hex(b.data, b.size, text);
	return json_string(text);
}

static json_t *votes_json(const struct proposal *p)
{
	const struct proposal_vote *v = p->votes.item;
	json_t *list = json_array();

	for (size_t i = 0; i < p->votes.count; i++)
		json_array_append_new(list,
			json_pack("{so sb sb ss sI}", "key", hex(v[i].key),
				"yes", v[i].yes, "signed", v[i].by_signature,
				"reason", v[i].reason, "time",
				(json_int_t)v[i].time));
	return list;
}

json_t *proposal_json_short(const struct proposal *p, const char *action)
{
	return json_pack("{ss ss ss ss so so so ss sI sI sI ss}", "id", p->id,
		"session", p->session, "action", action, "state",
		proposal_state_name(p->state), "predecessor",
		hex(p->predecessor), "hash", hex(p->hash), "opener",
		hex(p->opener), "comment", p->comment, "opened",
		(json_int_t)p->opened, "not_before", (json_int_t)p->not_before,
		"expires", (json_int_t)p->expires, "outcome", p->outcome);
}

json_t *proposal_json(const struct proposal *p, const char *action,
	const char *message, const char *reject, const char *yaml)
{
	json_t *j = proposal_json_short(p, action);

	if (!j)
		return NULL;
	if (!json_object_set_new(j, "votes", votes_json(p)) &&
		!json_object_set_new(j, "differences", json_string(p->diff)) &&
		!json_object_set_new(j, "message", json_string(message)) &&
		!json_object_set_new(
			j, "message_reject", json_string(reject)) &&
		(!yaml || !json_object_set_new(j, "policy", json_string(yaml))))
		return j;
	json_decref(j);
	return NULL;
}
