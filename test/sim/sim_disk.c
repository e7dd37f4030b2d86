/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Disks: each write makes a new state, and no state is ever gone, so the host
 * can bring any of them back, whole or in parts.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "test/sim/sim.h"

struct blob {
	struct blob *next; /* of this run */
	size_t size;
	uint8_t data[];
};

struct row {
	uint8_t name[STORE_ROW_NAME_SIZE];
	struct blob *data;
};

struct state {
	unsigned rows;
	uint64_t last; /* record */
	struct row row[SIM_ROWS];
	struct blob *record[SIM_RECORDS + 1]; /* by seq; NULL: none */
};

struct sim_disk {
	struct sim_disk *next;
	unsigned state;
	bool dead;
};

static struct state *states[SIM_STATES];
static unsigned state_count;
static struct blob *blobs;
static struct sim_disk *disks;

void sim_disk_reset(void)
{
	for (unsigned i = 0; i < state_count; i++)
		free(states[i]);
	while (blobs) {
		struct blob *next = blobs->next;

		free(blobs);
		blobs = next;
	}
	while (disks) {
		struct sim_disk *next = disks->next;

		free(disks);
		disks = next;
	}
	states[0] = calloc(1, sizeof(struct state));
	state_count = 1;
}

unsigned sim_disk_states(void)
{
	return state_count;
}

struct sim_disk *sim_disk_new(unsigned state)
{
	struct sim_disk *d = calloc(1, sizeof(*d));

	d->state = state;
	d->next = disks;
	disks = d;
	return d;
}

void sim_disk_kill(struct sim_disk *d)
{
	d->dead = true;
}

unsigned sim_disk_state(const struct sim_disk *d)
{
	return d->state;
}

static struct blob *new_blob(const void *data, size_t size)
{
	struct blob *b = malloc(sizeof(*b) + size);

	b->next = blobs;
	b->size = size;
	memcpy(b->data, data, size);
	blobs = b;
	return b;
}

/* A copy that may be changed. NULL: there were too many. */
static struct state *copy_state(unsigned from)
{
	struct state *s;

	if (state_count == SIM_STATES) {
		sim_fail("more states of disks than this run can hold");
		return NULL;
	}
	s = malloc(sizeof(*s));
	*s = *states[from];
	states[state_count++] = s;
	return s;
}

/* ---- struct store_backend ---- */

static int disk_open(
	void *arg, const char *path, bool create, void **out, struct err *e)
{
	struct sim_disk *d = arg;
	bool empty = states[d->state]->last == 0 && states[d->state]->rows == 0;

	(void)path;
	if (create != empty)
		return err_setf(e, create ? -EEXIST : -ENOENT, "disk");
	*out = d;
	return 0;
}

static void disk_close(void *b)
{
	(void)b;
}

static int disk_rows(void *b, store_row_fn *each, void *arg, struct err *e)
{
	const struct state *s = states[((struct sim_disk *)b)->state];
	int rc = 0;

	(void)e;
	for (unsigned i = 0; rc == 0 && i < s->rows; i++)
		rc = each(arg, s->row[i].name, STORE_ROW_NAME_SIZE,
			s->row[i].data->data, s->row[i].data->size);
	return rc;
}

static int disk_records(void *b, uint64_t from, uint64_t until,
	store_blob_fn *each, void *arg, struct err *e)
{
	const struct state *s = states[((struct sim_disk *)b)->state];
	int rc = 0;

	(void)e;
	for (uint64_t i = from; rc == 0 && i <= until && i <= SIM_RECORDS; i++)
		if (s->record[i])
			rc = each(
				arg, i, s->record[i]->data, s->record[i]->size);
	return rc;
}

static int disk_last(void *b, uint64_t *seq, struct err *e)
{
	(void)e;
	*seq = states[((struct sim_disk *)b)->state]->last;
	return 0;
}

static void put_row(struct state *s, const struct store_write *w)
{
	unsigned i = 0;

	while (i < s->rows &&
		memcmp(s->row[i].name, w->name, STORE_ROW_NAME_SIZE) != 0)
		i++;
	if (!w->size) {
		if (i < s->rows)
			s->row[i] = s->row[--s->rows];
		return;
	}
	if (i == SIM_ROWS) {
		sim_fail("more rows than a disk can hold");
		return;
	}
	if (i == s->rows)
		s->rows++;
	memcpy(s->row[i].name, w->name, STORE_ROW_NAME_SIZE);
	s->row[i].data = new_blob(w->data, w->size);
}

static int disk_write(void *b, const struct store_group *g, struct err *e)
{
	struct sim_disk *d = b;
	struct state *s;

	if (d->dead)
		return err_setf(e, -EIO, "disk: the process is dead");
	/* An error before anything happened, or after all of it did. */
	if (!sim.healing && sim_chance(3))
		return err_setf(e, -EIO, "disk: trouble");
	if (g->seq > SIM_RECORDS)
		return err_setf(e, -ENOSPC, "disk: full");
	s = copy_state(d->state);
	if (!s)
		return -EIO;
	for (size_t i = 0; i < g->count; i++)
		put_row(s, &g->writes[i]);
	s->record[g->seq] = new_blob(g->record, g->record_size);
	if (g->seq > s->last)
		s->last = g->seq;
	d->state = state_count - 1;
	if (!sim.healing && sim_chance(3))
		return err_setf(e, -EIO, "disk: trouble afterwards");
	return 0;
}

const struct store_backend sim_backend = {
	.open = disk_open,
	.close = disk_close,
	.rows = disk_rows,
	.records = disk_records,
	.last = disk_last,
	.write = disk_write,
};

/* ---- the liar ---- */

static struct blob *flipped(const struct blob *b)
{
	struct blob *n = new_blob(b->data, b->size);

	n->data[sim_below((unsigned)b->size)] ^= (uint8_t)(1u << sim_below(8));
	return n;
}

/* Rows and records of two states, mixed; or one of them changed. */
unsigned sim_disk_attack(unsigned state)
{
	const struct state *other = states[sim_below(state_count)];
	struct state *s;
	unsigned i;

	if (state_count == SIM_STATES)
		return state;
	s = copy_state(state);
	sim.attacks++;
	if (!s || !s->rows || !s->last)
		return state_count - 1;
	i = sim_below(s->rows);
	switch (sim_below(7)) {
	case 0: /* a row's old content */
		for (unsigned j = 0; j < other->rows; j++)
			if (!memcmp(other->row[j].name, s->row[i].name,
				    STORE_ROW_NAME_SIZE))
				s->row[i].data = other->row[j].data;
		break;
	case 1: /* another row's content */
		s->row[i].data = s->row[sim_below(s->rows)].data;
		break;
	case 2:
		s->row[i] = s->row[--s->rows];
		break;
	case 3: /* old rows below new records */
		s->rows = other->rows;
		memcpy(s->row, other->row, sizeof(s->row));
		break;
	case 4: /* new rows, old records */
		s->last = other->last;
		memcpy(s->record, other->record, sizeof(s->record));
		break;
	case 5:
		s->row[i].data = flipped(s->row[i].data);
		break;
	default:
		if (s->record[s->last])
			s->record[s->last] = flipped(s->record[s->last]);
	}
	return state_count - 1;
}
