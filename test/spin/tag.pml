/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tag of one volume: services that run on it, CAS, its store, and the
 * witnesses as one register that never goes back (what witness.pml shows of
 * them). The host gives CAS and each service, at every start, any state of
 * store and volume that there ever was.
 *
 * A state of the volume is a number; parent[] says which one it was made from.
 * A program is told "done" when CAS has acknowledged the state.
 *
 * Checked: whoever starts gets a volume that has everything that programs were
 * told is done, and what they were told forms one chain.
 *
 * Broken variants, which SPIN must find: ACK_EARLY (CAS answers before the
 * witnesses have it), NO_FRESHNESS (CAS does not compare its store with what
 * the witnesses have), NO_COMPARE (CAS takes a tag whatever it comes from),
 * EARLY_READ (CAS tells a service what is not durable yet).
 */
#ifndef STEPS
#define STEPS 3 /* states of the volume that are made */
#endif
#define SERVICES 2
#define STARTS 3 /* of CAS */

byte parent[STEPS + 1];
byte made; /* so far; 0 is the new volume */
byte told; /* done, to some program */

/* CAS: what it holds in memory, what was written, what is witnessed. */
byte memory, witnessed;
byte pending; /* written, but not witnessed; made + 1 and above: none */
bool up, busy;
bool written[STEPS + 1]; /* states that some copy of the store ends with */
byte starts;

#define NONE (STEPS + 1)

/* is = a is b, or b was made from it. Children have higher numbers. */
inline leads(a, b, is)
{
	at = b;
	do
	:: at > a -> at = parent[at]
	:: else -> break
	od;
	is = (at == a);
	at = 0
}

/* CAS is down, and comes up with the copy that the host gives it. */
proctype cas()
{
	byte copy;

	do
	:: atomic { up && starts < STARTS ->
		up = false; busy = false; pending = NONE; memory = 0 }
	:: atomic { !up && starts < STARTS ->
		starts++;
		copy = 0;
		do
		:: copy < STEPS -> copy++
		:: break
		od;
		if
		:: !written[copy] -> copy = 0
		:: else
		fi;
#ifdef NO_FRESHNESS
		memory = copy; up = true; witnessed = copy
#else
		if
		:: copy == witnessed -> memory = copy; up = true
		/* A tail that was written and not witnessed: kept. */
		:: copy != witnessed && parent[copy] == witnessed && copy != 0 ->
			memory = copy; witnessed = copy; up = true
		:: else -> skip /* refused */
		fi
#endif
	   }
	/* The committer. */
	:: atomic { up && pending != NONE -> written[pending] = true;
		busy = true }
	:: atomic { up && busy && pending != NONE ->
		witnessed = pending; pending = NONE; busy = false }
	:: starts == STARTS && !up -> break
	:: atomic { made == STEPS && up && pending == NONE -> break }
	od
}

proctype service()
{
	byte tag, mine, want, at;
	bool is;

start:
	/* HELLO: the answer comes when what it shows is durable. */
	atomic {
#ifdef EARLY_READ
		up ->
#else
		up && pending == NONE ->
#endif
		tag = memory;
		/* The volume opens with that state or not at all, whatever
		 * the host puts there. */
		leads(told, tag, is);
		assert(is);
		told = tag; /* its program works with it, others may see that */
		mine = tag;
		is = false
	}
	do
	:: atomic { made < STEPS ->
		made++; parent[made] = mine; want = made }
	   /* TAG, from mine to want. */
	   if
#ifdef NO_COMPARE
	   :: atomic { up && pending == NONE ->
#else
	   :: atomic { up && pending == NONE && memory == mine ->
#endif
		memory = want; pending = want }
#ifndef NO_COMPARE
	   :: atomic { up && memory != mine -> goto start } /* ESTALE */
#endif
	   :: !up -> goto start
	   fi;
	   if
#ifdef ACK_EARLY
	   :: atomic { up && memory == want ->
#else
	   :: atomic { up && memory == want && witnessed == want ->
#endif
		leads(told, want, is);
		assert(is);
		told = want;
		mine = want;
		is = false }
	   :: !up -> goto start
	   :: up && memory != want -> goto start
	   fi
	:: made == STEPS -> break
	:: goto start
	od;
}

init {
	atomic {
		pending = NONE;
		written[0] = true;
		run cas();
		byte i = 0;
		do
		:: i < SERVICES -> run service(); i++
		:: else -> break
		od
	}
}
