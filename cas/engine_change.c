/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a change wants, whether it fits what is there, and who may make it.
 */
#include "cas/engine_change.h"
#include "cas/engine_board.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bytes.h"

static const char sealed_row[] = "root-sealed";

const char *change_name(enum change_kind kind)
{
	static const char *const names[] = {
		[CHANGE_CREATE] = "create",
		[CHANGE_UPDATE] = "update",
		[CHANGE_DELETE] = "delete",
	};

	return names[kind];
}

/* What is there: absence is no error here. */
static int look(
	struct engine *g, const char *name, struct held **out, struct err *e)
{
	int ret = engine_hold(g, name, out, e);

	return ret == -ENOENT ? 0 : ret;
}

static int change_look(struct change *ch, struct err *e)
{
	char parent[SESSION_NAME_MAX + 1];
	int ret = engine_name_check(ch->name, e);

	if (!ret)
		ret = look(ch->g, ch->name, &ch->old, e);
	if (!ret && ch->kind == CHANGE_CREATE &&
		engine_parent(ch->name, parent))
		ret = look(ch->g, parent, &ch->parent, e);
	return ret;
}

static int change_begin(struct change *ch, struct err *e)
{
	int ret;

	ch->name = strdup(ch->next->name);
	if (!ch->name)
		return err_setf(e, -ENOMEM, "no memory");
	ret = change_look(ch, e);
	if (ret)
		return ret;
	/* Who made it stays who made it. */
	if (ch->kind == CHANGE_UPDATE && ch->old &&
		ch->old->session->creator.size == 32)
		memcpy(ch->creator, ch->old->session->creator.data, 32);
	ch->next->creator = (struct bytes){ch->creator, 32};
	return session_hash(ch->next, ch->hash);
}

int change_parse(struct change *ch, struct engine *g, enum change_kind kind,
	const struct principal *who, const char *yaml, size_t size,
	struct err *e)
{
	int ret;

	*ch = (struct change){.g = g, .kind = kind};
	memcpy(ch->creator, who->key, 32);
	ret = session_parse("session", yaml, size, &ch->next, e);
	if (!ret)
		ret = engine_mask_check(ch->next, e);
	if (ret)
		return ret;
	if (ch->next->creator.size &&
		(ch->next->creator.size != 32 ||
			memcmp(ch->next->creator.data, who->key, 32) != 0) &&
		kind == CHANGE_CREATE)
		return err_setf(e, -EINVAL,
			"%s: creator is another key than the client's; leave "
			"it out",
			ch->next->name);
	return change_begin(ch, e);
}

int change_parse_any(struct change *ch, struct engine *g,
	const struct principal *who, const char *yaml, size_t size,
	struct err *e)
{
	int ret = change_parse(ch, g, CHANGE_UPDATE, who, yaml, size, e);

	if (ret || ch->old)
		return ret;
	change_fini(ch);
	return change_parse(ch, g, CHANGE_CREATE, who, yaml, size, e);
}

int change_decode(struct change *ch, struct engine *g, enum change_kind kind,
	const void *policy, size_t size, struct err *e)
{
	int ret;

	*ch = (struct change){.g = g, .kind = kind};
	ret = session_decode(policy, size, &ch->next, e);
	if (!ret && ch->next->creator.size != 32)
		ret = err_setf(e, -EBADMSG, "a proposal without its creator");
	if (ret)
		return ret;
	memcpy(ch->creator, ch->next->creator.data, 32);
	return change_begin(ch, e);
}

int change_named(struct change *ch, struct engine *g, enum change_kind kind,
	const char *name, struct err *e)
{
	*ch = (struct change){.g = g, .kind = kind};
	ch->name = strdup(name);
	if (!ch->name)
		return err_setf(e, -ENOMEM, "no memory");
	return change_look(ch, e);
}

int change_delete(
	struct change *ch, struct engine *g, const char *name, struct err *e)
{
	int ret = change_named(ch, g, CHANGE_DELETE, name, e);

	if (!ret && ch->old)
		memcpy(ch->hash, ch->old->hash, sizeof(ch->hash));
	return ret;
}

void change_fini(struct change *ch)
{
	if (!ch->g)
		return;
	session_free(ch->next);
	engine_unhold(ch->g, ch->old);
	engine_unhold(ch->g, ch->parent);
	free(ch->name);
	*ch = (struct change){0};
}

int change_message(const struct change *ch, struct buf *out)
{
	return engine_message(change_name(ch->kind), ch->name,
		ch->kind != CHANGE_CREATE && ch->old ? ch->old->hash : NULL,
		ch->hash, out);
}

/* ---- who may ---- */

struct held *change_ruler(const struct change *ch, enum access_right *right)
{
	static const enum access_right rights[] = {
		[CHANGE_CREATE] = ACCESS_CREATE_SESSIONS,
		[CHANGE_UPDATE] = ACCESS_UPDATE,
		[CHANGE_DELETE] = ACCESS_DELETE,
	};

	*right = rights[ch->kind];
	return ch->kind == CHANGE_CREATE ? ch->parent : ch->old;
}

/* Without a root session: "/" to the first who comes, top-level names to
 * everybody, nothing below names that are not there. */
static int allow_open(const struct change *ch,
	const struct access_keys *present, struct err *e)
{
	bool root = strcmp(ch->name, "/") == 0;

	if (!present->count)
		return err_setf(e, -EACCES,
			"no client certificate; its key would be the creator");
	if (!root && strchr(ch->name, '/'))
		return err_setf(e, -EACCES,
			"%s: its name space is not there, or not for this key; "
			"create it first",
			ch->name);
	if (root && !ch->old &&
		store_get(ch->g->store, STORE_META, sealed_row,
			strlen(sealed_row), &(const void *){0}, &(size_t){0},
			NULL))
		return err_setf(e, -EPERM,
			"/: other sessions were created first, so that the "
			"root is nobody's for ever");
	return 0;
}

int change_allow(const struct change *ch, const struct access_keys *present,
	const struct access_keys *signed_by, struct err *e)
{
	enum access_right right;
	struct held *ruler = change_ruler(ch, &right);

	if (ruler)
		return engine_may_keys(
			ch->g, ruler, right, present, signed_by, e);
	if (ch->kind != CHANGE_CREATE)
		return err_setf(e, -EACCES, "%s: no such session", ch->name);
	return allow_open(ch, present, e);
}

bool change_may_know(const struct change *ch, const struct principal *who)
{
	enum access_right right;
	struct held *ruler = change_ruler(ch, &right);

	return ruler && !engine_may(ch->g, ruler, ACCESS_READ, who, NULL);
}

int change_direct(const struct change *ch, struct err *e)
{
	enum access_right right;
	struct held *ruler = change_ruler(ch, &right);

	if (!ruler ||
		(!ruler->session->board.veto.count &&
			!ruler->session->board.open_at_least))
		return 0;
	return err_setf(e, -EPERM,
		"%s: its board decides in proposals (%s); open one: `sconce "
		"proposal open`",
		ruler->name,
		ruler->session->board.veto.count ? "members have a veto"
						 : "open_at_least");
}

int change_fits(const struct change *ch, struct err *e)
{
	struct bytes before = {0};
	char hex[2 * 32 + 1];

	if (ch->next)
		before = ch->next->predecessor;
	if (ch->kind == CHANGE_CREATE) {
		if (ch->old)
			return err_setf(e, -EEXIST,
				"%s: there is such a session; to change it, "
				"update it",
				ch->name);
		if (before.size)
			return err_setf(e, -EINVAL,
				"%s: a predecessor, but it is created; leave "
				"it out",
				ch->name);
		return 0;
	}
	if (!ch->old)
		return err_setf(e, -ENOENT, "%s: no such session", ch->name);
	if (ch->kind == CHANGE_DELETE)
		return 0;
	bytes_to_hex(ch->old->hash, 32, hex);
	if (before.size != 32)
		return err_setf(e, -EINVAL,
			"%s: no predecessor; wanted predecessor: %s, the "
			"present version",
			ch->name, hex);
	if (memcmp(before.data, ch->old->hash, 32) != 0)
		return err_setf(e, -ESTALE,
			"%s: its predecessor is not the present version; "
			"wanted %s; read that, and change it again",
			ch->name, hex);
	return 0;
}

int change_signers(const struct change *ch,
	const struct signature_list *signatures, uint8_t (*keys)[32],
	size_t *count, struct err *e)
{
	const struct board_step step = {ch->kind, ch->name,
		ch->kind != CHANGE_CREATE && ch->old ? ch->old->hash : NULL,
		ch->hash};
	struct buf message = {0};
	int ret;

	*count = 0;
	if (!signatures || !signatures->count)
		return 0;
	if (signatures->count > ENGINE_SIGNATURES_MAX)
		return err_setf(e, -EINVAL, "%zu signatures; wanted at most %d",
			signatures->count, (int)ENGINE_SIGNATURES_MAX);
	ret = change_message(ch, &message);
	for (size_t i = 0; !ret && i < signatures->count; i++) {
		ret = access_verify(&signatures->item[i], message.data,
			message.size, keys[*count], e);
		if (!ret && board_rejected(ch->g, &step, keys[*count]))
			ret = err_setf(e, -EPERM,
				"signature: of a key that voted against this "
				"change");
		if (!ret)
			(*count)++;
		else if (ret != -ENOMEM)
			ret = 0;
	}
	buf_fini(&message);
	return ret;
}
