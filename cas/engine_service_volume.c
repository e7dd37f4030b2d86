/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Volumes of instances: one writer at a time, and its tags.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cas/engine_service.h"
#include "lib/bytes.h"
#include "lib/fmt.h"
#include "lib/string.h"

char *service_volume_object(const struct volume_place *at)
{
	char *text = malloc(at->key_size + 1);
	char *nul;

	if (!text)
		return NULL;
	memcpy(text, at->key, at->key_size);
	text[at->key_size] = '\0';
	nul = memchr(text, '\0', at->key_size);
	if (nul)
		*nul = '/';
	return text;
}

/* Somebody else writes it, and is there to do so. */
static struct instance *writer_of(
	struct services *v, const struct volume_record *r)
{
	struct instance *i = r->has_holder ? instance_find(v, r->holder) : NULL;

	return i && i->peer && instance_is_live(v, i) ? i : NULL;
}

static int busy(const struct instance *w, const char *object, int64_t now,
	struct err *e)
{
	char id[2 * ENGINE_INSTANCE_SIZE + 1];

	bytes_to_hex(w->id, sizeof(w->id), id);
	return err_setf(e, -EBUSY,
		"volume %s belongs to instance %s of %s, which runs since "
		"%lld s; wanted: that one ends first, since a volume has one "
		"writer",
		object, id, w->state->name,
		(long long)(now - (int64_t)w->started));
}

void service_volumes_fence(struct services *v, const struct instance *i)
{
	for (size_t k = 0; k < i->volume_count; k++) {
		struct instance *old = i->volumes[k].had_writer
			? instance_find(v, i->volumes[k].writer)
			: NULL;

		if (old && old != i)
			old->fenced = true;
	}
}

/* The next volume of i becomes its own, in x. */
static int take(struct giver *s, struct instance *i, const char *name,
	struct volume_record *r, struct store_txn *x, struct err *e)
{
	struct instance_volume *vol = &i->volumes[i->volume_count];

	vol->object = service_volume_object(&vol->place);
	if (!vol->object || string_copy(vol->name, sizeof(vol->name), name) < 0)
		return err_setf(e, -ENOMEM, "no memory");
	i->volume_count++;
	vol->had_writer = r->has_holder;
	memcpy(vol->writer, r->holder, sizeof(vol->writer));
	r->term++;
	r->has_holder = true;
	memcpy(r->holder, i->id, sizeof(r->holder));
	vol->term = r->term;
	engine_volume_put(x, &vol->place, r);
	return 0;
}

/*
 * Readers hold nothing, but wait until nobody writes: what a writer gives up,
 * a reader would take for damage.
 */
static int take_or_read(struct giver *s, struct instance *i,
	const struct image_volume *iv, struct store_txn *x, struct err *e)
{
	const struct session_volume *sv = session_volume(s->session, iv->name);
	struct volume_place *at = &i->volumes[i->volume_count].place;
	struct volume_record r;
	struct instance *w;
	int ret;

	if (!sv)
		return err_setf(e, -EINVAL, "%s: there is no volume %s",
			s->session->name, iv->name);
	ret = engine_volume_place(s->g, s->session, s->held->hash, sv, at, e);
	if (ret < 0)
		return ret;
	ret = engine_volume_get(s->g, at, &r, NULL);
	if (ret < 0)
		return err_setf(e, ret, "%s: volume %s has no key in the store",
			s->session->name, iv->name);
	w = writer_of(s->g->services, &r);
	if (w)
		ret = busy(w, iv->name, engine_now(s->g), e);
	else if (!iv->ro && !service_volume_is_lent(at))
		ret = take(s, i, iv->name, &r, x, e);
	string_wipe(&r, sizeof(r));
	return ret;
}

bool service_volume_is_lent(const struct volume_place *at)
{
	return at->imported && at->update_policy == VOLUME_EPHEMERAL;
}

int service_volumes_take(struct giver *s, struct instance *i,
	const struct session_service *service, struct store_txn *x,
	struct err *e)
{
	const struct session_image *image = service->image_name
		? session_image(s->session, service->image_name)
		: NULL;
	const struct image_volume *iv = image ? image->volumes.item : NULL;
	size_t count = image ? image->volumes.count : 0;
	int ret = 0;

	i->volumes = calloc(count + 1, sizeof(*i->volumes));
	if (!i->volumes)
		return err_setf(e, -ENOMEM, "no memory");
	for (size_t k = 0; ret == 0 && k < count; k++)
		if (iv[k].update_policy == VOLUME_ROLLBACK_PROTECTED)
			ret = take_or_read(s, i, &iv[k], x, e);
	return ret;
}

/* ---- tags ---- */

static struct instance_volume *find(struct instance *i, const char *name)
{
	for (size_t k = 0; name && k < i->volume_count; k++)
		if (strcmp(i->volumes[k].name, name) == 0)
			return &i->volumes[k];
	return NULL;
}

/* from and to are what a tag may be. */
static bool tags_fit(const struct wire_request *r)
{
	return r->to.size == VOL_TAG_SIZE &&
		(r->from.size == 0 || r->from.size == VOL_TAG_SIZE);
}

static void refuse_stale(const struct request *q,
	const struct instance_volume *vol, const struct volume_record *now,
	const char *why)
{
	char text[SERVICE_ADVICE_MAX], tag[2 * VOL_TAG_SIZE + 1] = "none";

	if (now && now->has_tag)
		bytes_to_hex(now->tag, VOL_TAG_SIZE, tag);
	fmt_print(text, sizeof(text), "volume %s: %s%s%s", vol->name, why,
		now ? "; CAS has tag " : "", now ? tag : "");
	service_refuse(q, -ESTALE, text);
}

static void take_tag(const struct request *q, struct instance *i,
	struct instance_volume *vol, struct volume_record *now)
{
	const struct wire_request *r = q->r;
	struct store_txn *x;
	struct pending *p = pending_new(q);

	if (!p)
		return;
	x = store_begin(q->g->store);
	store_audit(x,
		&(struct audit_event){
			.what = "volume.tag",
			.object = vol->object,
			.actor = i->measured,
			.before = now->has_tag ? now->tag : NULL,
			.after = r->to.data,
		});
	memcpy(now->tag, r->to.data, VOL_TAG_SIZE);
	now->has_tag = true;
	engine_volume_put(x, &vol->place, now);
	if (pending_submit(q, p, x))
		q->g->counts.tags++;
}

void service_tag(const struct request *q)
{
	struct instance *i = q->peer->instance;
	struct instance_volume *vol = find(i, q->r->volume);
	struct volume_record now;
	struct pending *p;
	uint64_t seq;

	if (!vol || !tags_fit(q->r)) {
		service_refuse(q, -EINVAL,
			!vol ? "this instance holds no volume of that name"
			     : "tags have 32 bytes; only the first one comes "
			       "from none");
		return;
	}
	if (engine_volume_get(q->g, &vol->place, &now, &seq) < 0) {
		refuse_stale(q, vol, NULL, "it is no longer there");
		return;
	}
	if (now.term != vol->term || !now.has_holder ||
		memcmp(now.holder, i->id, sizeof(now.holder)) != 0) {
		i->fenced = true;
		refuse_stale(q, vol, NULL,
			"another instance took it over; wanted: this one ends");
	} else if (now.has_tag &&
		memcmp(now.tag, q->r->to.data, VOL_TAG_SIZE) == 0) {
		/* Told before, and the answer was lost. */
		p = pending_new(q);
		if (p)
			pending_after(q, p, seq);
	} else if (now.has_tag
			? q->r->from.size == 0 ||
				memcmp(now.tag, q->r->from.data, VOL_TAG_SIZE)
			: !bytes_zero(q->r->from.data, q->r->from.size)) {
		refuse_stale(q, vol, &now,
			"its state is not the one that this change is from");
	} else {
		take_tag(q, i, vol, &now);
	}
	string_wipe(&now, sizeof(now));
}
