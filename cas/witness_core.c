/* SPDX-License-Identifier: Apache-2.0 */
#include "cas/witness_core.h"

#include <errno.h>
#include <stdlib.h>

#include "lib/string.h"

struct slot {
	uint8_t cluster[WITNESS_HASH_SIZE];
	struct witness_view view;
};

struct witness_core {
	uint32_t count, max;
	struct slot slots[];
};

int witness_core_new(uint32_t clusters, struct witness_core **out)
{
	struct witness_core *w = NULL;

	if (clusters > 0 && clusters <= WITNESS_CLUSTERS_MAX)
		w = calloc(1, sizeof(*w) + clusters * sizeof(w->slots[0]));
	if (w)
		w->max = clusters;
	*out = w;
	return w ? 0 : -ENOMEM;
}

void witness_core_free(struct witness_core *w)
{
	free(w);
}

uint32_t witness_core_count(const struct witness_core *w)
{
	return w->count;
}

/* Connections keep the slot, so this is once for each of them. */
static uint32_t find(const struct witness_core *w, const uint8_t *cluster)
{
	for (uint32_t i = 0; i < w->count; i++)
		if (!memcmp(w->slots[i].cluster, cluster, WITNESS_HASH_SIZE))
			return i;
	return WITNESS_NO_SLOT;
}

int witness_core_load(struct witness_core *w,
	const uint8_t cluster[static WITNESS_HASH_SIZE],
	const struct witness_view *view)
{
	struct slot *s;

	if (find(w, cluster) != WITNESS_NO_SLOT)
		return -EEXIST;
	if (w->count == w->max)
		return -ENOSPC;
	s = &w->slots[w->count++];
	memcpy(s->cluster, cluster, WITNESS_HASH_SIZE);
	s->view = *view;
	return 0;
}

static enum witness_result take(
	struct witness_view *v, const struct witness_request *r)
{
	v->accepted = r->term;
	v->seq = r->to_seq;
	memcpy(v->head, r->to, WITNESS_HASH_SIZE);
	return WITNESS_OK;
}

static bool same(const uint8_t *a, const uint8_t *b)
{
	return memcmp(a, b, WITNESS_HASH_SIZE) == 0;
}

static enum witness_result append(
	struct witness_view *v, const struct witness_request *r)
{
	if (r->term == 0 || r->term != v->promised)
		return WITNESS_REFUSED;
	if (r->to_seq < r->from_seq)
		return WITNESS_REFUSED;
	if (v->accepted != r->term)
		return take(v, r);
	if (r->to_seq == v->seq)
		return same(r->to, v->head) ? WITNESS_OK : WITNESS_REFUSED;
	if (r->to_seq < v->seq)
		return WITNESS_REFUSED;
	if (r->from_seq == v->seq && !same(r->from, v->head))
		return WITNESS_REFUSED;
	return take(v, r);
}

static enum witness_result decide(
	struct witness_view *v, const struct witness_request *r)
{
	switch (r->op) {
	case WITNESS_READ:
		return WITNESS_OK;
	case WITNESS_OPEN:
		if (r->term <= v->promised)
			return WITNESS_REFUSED;
		v->promised = r->term;
		return WITNESS_OK;
	case WITNESS_APPEND:
		return append(v, r);
	default:
		return WITNESS_REFUSED;
	}
}

bool witness_core_answer(struct witness_core *w,
	const uint8_t cluster[static WITNESS_HASH_SIZE],
	const struct witness_request *r, struct witness_reply *reply,
	uint32_t *slot)
{
	struct witness_view view = {0}, old;

	if (*slot == WITNESS_NO_SLOT)
		*slot = find(w, cluster);
	if (*slot != WITNESS_NO_SLOT)
		view = w->slots[*slot].view;
	old = view;
	*reply = (struct witness_reply){
		.id = r->id, .status = decide(&view, r)};
	if (*slot == WITNESS_NO_SLOT && reply->status == WITNESS_OK &&
		r->op != WITNESS_READ) {
		if (witness_core_load(w, cluster, &old) < 0) {
			reply->status = WITNESS_FULL;
			return false;
		}
		*slot = w->count - 1;
	}
	reply->view = view;
	if (memcmp(&view, &old, sizeof(view)) == 0)
		return false;
	w->slots[*slot].view = view;
	return true;
}
