/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Terms and appends: instances of CAS, witnesses, and a host that gives each
 * instance whatever copy of the store it likes, at every start.
 *
 * A record is a number; parent[] makes them chains. A store is named by its
 * last record. Requests are lost and delayed (an instance rests between any
 * two of them); instances crash at any step and start again.
 * Everything a witness does is durable: that is what witness_disk.c is for.
 *
 * Checked: what is acknowledged forms one chain for ever, and whoever takes
 * charge has all of it. The rules are those of cas/witness_core.c and
 * cas/witness_quorum.c; QOPEN says how many promises taking charge wants.
 *
 * Broken variants, which SPIN must find: NO_TERM (witnesses take appends of
 * any term), ACK_EARLY (one witness is enough), NO_CHAIN_CHECK (the store is
 * not compared with what witnesses have), ORDER_BY_LENGTH (the longest chain
 * counts, whatever its term). With ROLLBACK one witness is restored from an
 * old copy: holds with QOPEN = N only, as doc/witness.md says.
 */
#ifndef N
#define N 3
#endif
#ifndef CAS
#define CAS 2
#endif
#ifndef STARTS
#define STARTS 3 /* of all instances together */
#endif
#ifndef RECORDS
#define RECORDS 2
#endif
#define QUORUM (N / 2 + 1)
#ifndef QOPEN
#define QOPEN QUORUM
#endif

byte promised[N], accepted[N], head[N];
byte parent[RECORDS + 1], length[RECORDS + 1];
byte records; /* made so far; 0 is the empty chain */
byte last; /* acknowledged */
byte starts;
#ifdef ROLLBACK
byte old_promised, old_accepted, old_head;
#endif

/* is = a is b, or before b */
inline before(a, b, is)
{
	at = b;
	do
	:: at != a && at != 0 -> at = parent[at]
	:: else -> break
	od;
	is = (at == a);
	at = 0
}

#ifdef ORDER_BY_LENGTH
#define LATER(w) (length[head[w]] > length[best] || \
	(length[head[w]] == length[best] && head[w] < best))
#else
#define LATER(w) (accepted[w] > best_term || \
	(accepted[w] == best_term && length[head[w]] > length[best]))
#endif

#ifdef NO_TERM
#define MAY_APPEND(w, r) (true)
#else
/* Within a term only forward. */
#define MAY_APPEND(w, r) (promised[w] == term && \
	(accepted[w] != term || length[r] > length[head[w]] || head[w] == r))
#endif

#if N == 3
#define OVERTAKEN \
	(promised[0] > term || promised[1] > term || promised[2] > term)
#else
#define OVERTAKEN (promised[0] > term || promised[1] > term || \
	promised[2] > term || promised[3] > term || promised[4] > term)
#endif

/* The record goes to witnesses in turn, each of which may miss it. */
inline append(r)
{
	n = 0;
	w = 0;
	do
	:: w < N ->
		if
		:: atomic {
			MAY_APPEND(w, r) ->
			accepted[w] = term;
			head[w] = r;
			n++
		}
		:: true
		fi;
		w++
	:: else -> break
	od
}

proctype instance()
{
	byte term, tip, best, best_term, w, n, at;
	bool is;

start:
	atomic {
		term = 0; best = 0; best_term = 0; w = 0; n = 0; is = false; tip = 0;
		if
		:: starts == STARTS -> goto end
		:: else -> starts++
		fi
	}
	/* The host chooses the copy. */
	atomic {
		do
		:: tip < records -> tip++
		:: break
		od
	}
	/* One above what some witnesses say. */
	atomic {
		do
		:: w < N ->
			if
			:: promised[w] > term -> term = promised[w]
			:: true
			fi;
			w++
		:: else -> break
		od;
		term++;
		w = 0
	}
	do
	:: w < N ->
		if
		:: atomic {
			promised[w] < term ->
			promised[w] = term;
			n++;
			if
			:: LATER(w) -> best = head[w]; best_term = accepted[w]
			:: else
			fi
		}
		:: true
		fi;
		w++
	:: else -> break
	od;
	if
	:: n < QOPEN -> goto start
	:: else
	fi;
#ifndef NO_CHAIN_CHECK
	atomic {
		before(best, tip, is);
		if
		:: !is -> goto start /* rolled back, or forked: refused */
		:: else
		fi
	}
#endif
	if
	:: best != 0 ->
		append(best);
		if
		:: n < QUORUM -> goto start
		:: else
		fi
	:: else
	fi;
#ifndef NO_CHAIN_CHECK
	/* What follows may be dropped, or kept. */
	if
	:: tip = best
	:: true
	fi;
#endif
	atomic {
		before(last, tip, is);
		assert(is || OVERTAKEN);
		best = 0;
		best_term = 0;
		n = 0;
		w = 0;
		is = false
	}
	do
	:: atomic {
		records < RECORDS ->
		records++;
		parent[records] = tip;
		length[records] = length[tip] + 1;
		tip = records
	   }
	   append(tip);
	   if
#ifdef ACK_EARLY
	   :: atomic { n >= 1 ->
#else
	   :: atomic { n >= QUORUM ->
#endif
		before(last, tip, is);
		if
		:: is -> last = tip
		:: else ->
			/* Its successor has adopted it, and gone on, before
			 * the answers were here. Anything else is a fork, or
			 * something acknowledged was lost. */
			before(tip, last, is);
			assert(is)
		fi
	      }
	   :: goto start
	   fi;
	   atomic { n = 0; w = 0; is = false }
	:: goto start /* it crashed */
	:: records == RECORDS -> break
	od;
end:
	skip
}

#ifdef ROLLBACK
/* Witness 0: copied at some time, restored once, later. */
proctype disk()
{
	atomic {
		old_promised = promised[0];
		old_accepted = accepted[0];
		old_head = head[0]
	}
	atomic {
		promised[0] = old_promised;
		accepted[0] = old_accepted;
		head[0] = old_head
	}
}
#endif

init {
	atomic {
		byte i = 0;
		do
		:: i < CAS -> run instance(); i++
		:: else -> break
		od;
#ifdef ROLLBACK
		run disk()
#endif
	}
}
