/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What may never happen. Each version of an object (a volume's tag, a secret)
 * has one parent; whatever clients were told must lie on one path for ever.
 */
#include "test/sim/sim.h"

enum { VERSIONS = 8192 };

static uint64_t parent[VERSIONS];
static unsigned object_of[VERSIONS];
static uint64_t made;
static uint64_t floor_of[SIM_OBJECTS]; /* told to somebody, the newest */

void sim_check_reset(void)
{
	made = 0;
	for (unsigned i = 0; i < SIM_OBJECTS; i++)
		floor_of[i] = 0;
}

uint64_t sim_check_propose(unsigned object, uint64_t from)
{
	if (made + 1 == VERSIONS) {
		sim_fail("more versions than the checker can hold");
		return 0;
	}
	made++;
	parent[made] = from;
	object_of[made] = object;
	return made;
}

/* a is b, or b was made from it. Children have higher numbers. */
static bool leads_to(uint64_t a, uint64_t b)
{
	while (b > a)
		b = parent[b];
	return a == b;
}

static bool is_known(unsigned object, uint64_t version)
{
	if (version == 0 || (version <= made && object_of[version] == object))
		return true;
	sim_fail("object %u has version %llu, which nobody made", object,
		(unsigned long long)version);
	return false;
}

void sim_check_acknowledged(unsigned object, uint64_t version)
{
	uint64_t *f = &floor_of[object];

	sim.acks++;
	if (!is_known(object, version))
		return;
	if (leads_to(*f, version))
		*f = version;
	else if (!leads_to(version, *f))
		sim_fail("object %u: %llu was acknowledged, then %llu, which "
			 "does not come from it",
			object, (unsigned long long)*f,
			(unsigned long long)version);
}

uint64_t sim_check_floor(unsigned object)
{
	return floor_of[object];
}

void sim_check_read(unsigned object, uint64_t floor, uint64_t version)
{
	sim.reads++;
	if (!is_known(object, version))
		return;
	if (!leads_to(floor, version))
		sim_fail("object %u: %llu was told, and then %llu was read",
			object, (unsigned long long)floor,
			(unsigned long long)version);
	/* Who was given a secret, or a tag, relies on it. */
	if (leads_to(floor_of[object], version))
		floor_of[object] = version;
	else if (!leads_to(version, floor_of[object]))
		sim_fail("object %u: %llu and %llu were both told", object,
			(unsigned long long)floor_of[object],
			(unsigned long long)version);
}
