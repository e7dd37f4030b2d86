/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tables are one byte per opcode: what follows it (ModRM, immediates),
 * or that it is undefined. Everything that depends on more than the opcode is
 * spelled out in code below.
 */
#include "kernel/insn.h"

#include "lib/string.h"

enum {
	M = 0x01, /* ModRM */
	B = 0x02, /* imm8 */
	Z = 0x04, /* imm16 or imm32 by operand size */
	W = 0x08, /* imm16 */
	J = 0x10, /* relative branch; with B: rel8, else rel32 */
	X = 0x20, /* undefined */
	S = 0x40, /* special: see decode_special() */
	P = 0x80, /* prefix */
	MB = M | B,
	MZ = M | Z,
	JB = J | B,
};

/* clang-format off */
static const uint8_t one_byte[256] = {
	/* 00 */ M, M, M, M, B, Z, X, X, M, M, M, M, B, Z, X, S,
	/* 10 */ M, M, M, M, B, Z, X, X, M, M, M, M, B, Z, X, X,
	/* 20 */ M, M, M, M, B, Z, P, X, M, M, M, M, B, Z, P, X,
	/* 30 */ M, M, M, M, B, Z, P, X, M, M, M, M, B, Z, P, X,
	/* 40 */ P, P, P, P, P, P, P, P, P, P, P, P, P, P, P, P,
	/* 50 */ 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
	/* 60 */ X, X, S, M, P, P, P, P, Z, MZ, B, MB, 0, 0, 0, 0,
	/* 70 */ JB, JB, JB, JB, JB, JB, JB, JB,
	/* 78 */ JB, JB, JB, JB, JB, JB, JB, JB,
	/* 80 */ MB, MZ, X, MB, M, M, M, M, M, M, M, M, M, M, M, S,
	/* 90 */ 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, X, 0, 0, 0, 0, 0,
	/* a0 */ S, S, S, S, 0, 0, 0, 0, B, Z, 0, 0, 0, 0, 0, 0,
	/* b0 */ B, B, B, B, B, B, B, B, S, S, S, S, S, S, S, S,
	/* c0 */ MB, MB, W, 0, S, S, MB, MZ, W | B, 0, W, 0, 0, B, X, 0,
	/* d0 */ M, M, M, M, X, X, X, 0, M, M, M, M, M, M, M, M,
	/* e0 */ JB, JB, JB, JB, B, B, B, B, J, J, X, JB, 0, 0, 0, 0,
	/* f0 */ P, 0, P, P, 0, 0, M, M, 0, 0, 0, 0, 0, 0, M, M,
};

static const uint8_t two_byte[256] = {
	/* 00 */ M, M, M, M, X, 0, 0, 0, 0, 0, X, 0, X, M, 0, MB,
	/* 10 */ M, M, M, M, M, M, M, M, M, M, M, M, M, M, M, M,
	/* 20 */ S, S, S, S, X, X, X, X, M, M, M, M, M, M, M, M,
	/* 30 */ 0, 0, 0, 0, 0, 0, X, 0, S, X, S, X, X, X, X, X,
	/* 40 */ M, M, M, M, M, M, M, M, M, M, M, M, M, M, M, M,
	/* 50 */ M, M, M, M, M, M, M, M, M, M, M, M, M, M, M, M,
	/* 60 */ M, M, M, M, M, M, M, M, M, M, M, M, M, M, M, M,
	/* 70 */ MB, MB, MB, MB, M, M, M, 0, S, M, X, X, M, M, M, M,
	/* 80 */ J, J, J, J, J, J, J, J, J, J, J, J, J, J, J, J,
	/* 90 */ M, M, M, M, M, M, M, M, M, M, M, M, M, M, M, M,
	/* a0 */ 0, 0, 0, M, MB, M, M, M, 0, 0, 0, M, MB, M, M, M,
	/* b0 */ M, M, M, M, M, M, M, M, M, M, MB, M, M, M, M, M,
	/* c0 */ M, M, MB, M, MB, MB, MB, M, 0, 0, 0, 0, 0, 0, 0, 0,
	/* d0 */ M, M, M, M, M, M, M, M, M, M, M, M, M, M, M, M,
	/* e0 */ M, M, M, M, M, M, M, M, M, M, M, M, M, M, M, M,
	/* f0 */ M, M, M, M, M, M, M, M, M, M, M, M, M, M, M, M,
};
/* clang-format on */

/* 0F 38: bit n of word w says that opcode 16*w+n is defined. */
static const uint16_t map38[16] = {0x0fff, 0x7fb1, 0x3f3f, 0xffff, 0x0003, 0, 0,
	0, 0x0007, 0, 0, 0, 0xbf00, 0xf900, 0, 0x1f63};

/* 0F 3A likewise; all of them have ModRM and imm8. */
static const uint16_t map3a[16] = {0xff00, 0x00f0, 0x0007, 0, 0x0017, 0, 0x000f,
	0, 0, 0, 0, 0, 0xd000, 0x8000, 0, 0x0001};

enum { MAP_1, MAP_0F, MAP_0F38, MAP_0F3A, MAP_OTHER };

struct dec {
	const uint8_t *code;
	size_t avail;
	size_t pos;
	uint8_t rex;
	uint8_t opsize; /* 66 seen */
	uint8_t addr32; /* 67 seen */
	uint8_t rep; /* last of f2, f3 */
	uint8_t lock;
	uint8_t map;
	uint8_t op;
	uint8_t modrm;
	uint8_t rip_pos;
	uint8_t vex; /* VEX, EVEX or XOP encoded */
};

static int take(struct dec *d, uint8_t *byte)
{
	if (d->pos >= d->avail)
		return 0;
	*byte = d->code[d->pos++];
	return 1;
}

/* Legacy prefixes and REX; a REX that is not last is ignored. */
static int decode_prefixes(struct dec *d)
{
	uint8_t c;

	for (;;) {
		if (!take(d, &c))
			return 0;
		if ((c & 0xf0) == 0x40) {
			d->rex = c;
			continue;
		}
		if (!(one_byte[c] & P))
			break;
		d->rex = 0;
		if (c == 0x66)
			d->opsize = 1;
		else if (c == 0x67)
			d->addr32 = 1;
		else if (c == 0xf0)
			d->lock = 1;
		else if (c == 0xf2 || c == 0xf3)
			d->rep = c;
	}
	d->op = c;
	return 1;
}

/* ModRM, SIB and displacement. */
static int decode_modrm(struct dec *d)
{
	uint8_t mod, rm, sib;
	size_t disp = 0;

	if (!take(d, &d->modrm))
		return 0;
	mod = d->modrm >> 6;
	rm = d->modrm & 7;
	if (mod == 3)
		return 1;
	if (rm == 4) {
		if (!take(d, &sib))
			return 0;
		if (mod == 0 && (sib & 7) == 5)
			disp = 4;
	} else if (mod == 0 && rm == 5) {
		disp = 4;
		d->rip_pos = (uint8_t)d->pos;
	}
	if (mod == 1)
		disp = 1;
	else if (mod == 2)
		disp = 4;
	if (d->avail - d->pos < disp)
		return 0;
	d->pos += disp;
	return 1;
}

/* Immediate size of a VEX or EVEX opcode in maps 0F, 0F38, 0F3A. */
static size_t vex_imm(uint8_t map, uint8_t op)
{
	if (map == 3)
		return 1;
	if (map != 1)
		return 0;
	return (op >= 0x70 && op <= 0x73) || op == 0xc2 ||
		(op >= 0xc4 && op <= 0xc6);
}

/*
 * VEX (c4, c5), EVEX (62) and XOP (8f) carry their own map; 66, f2, f3, lock
 * and REX before them are undefined.
 */
static int decode_vex(struct dec *d, size_t *imm)
{
	uint8_t p0, p1, p2, map;

	d->vex = 1;
	if (d->rex || d->opsize || d->rep || d->lock)
		return 0;
	if (!take(d, &p0))
		return 0;
	if (d->op == 0xc5) {
		map = 1;
	} else {
		if (!take(d, &p1))
			return 0;
		map = p0 & 0x1f;
	}
	if (d->op == 0x62) {
		/* Bit 3 of the first byte is 0, bit 2 of the second is 1. */
		if ((p0 & 0x08) || !(p1 & 0x04) || !take(d, &p2))
			return 0;
		map = p0 & 7;
		if (map == 0 || map == 4 || map == 7)
			return 0;
	} else if (d->op == 0x8f) {
		if (map < 8 || map > 10)
			return 0;
	} else if (map < 1 || map > 3) {
		return 0;
	}
	uint8_t lead = d->op;
	if (!take(d, &d->op))
		return 0;
	d->map = MAP_OTHER;
	if (lead == 0x8f) {
		*imm = map == 8 ? 1 : map == 10 ? 4 : 0;
		return decode_modrm(d);
	}
	if (map == 1 && (d->op & 0xf0) == 0x80)
		return 0; /* only Knights Corner had these */
	*imm = vex_imm(map, d->op);
	if (map == 1 && d->op == 0x77 && lead != 0x62)
		return 1; /* vzeroupper, vzeroall */
	return decode_modrm(d);
}

/* Opcodes whose form is not in the table. */
static int decode_special(struct dec *d, size_t *imm)
{
	if (d->map == MAP_1) {
		switch (d->op) {
		case 0xa0 ... 0xa3: /* moffs */
			*imm = d->addr32 ? 4 : 8;
			return 1;
		case 0xb8 ... 0xbf: /* mov reg, imm */
			*imm = d->rex & 8 ? 8 : d->opsize ? 2 : 4;
			return 1;
		case 0x8f: /* pop r/m, or XOP */
			if (d->pos < d->avail && (d->code[d->pos] & 0x1f) >= 8)
				return decode_vex(d, imm);
			return decode_modrm(d) && !(d->modrm & 0x38);
		default: /* 62, c4, c5 */
			return decode_vex(d, imm);
		}
	}
	switch (d->op) {
	case 0x20 ... 0x23: /* control and debug registers: mod is ignored */
		return take(d, &d->modrm);
	default: /* 78: vmread, or SSE4a extrq, insertq with two imm8 */
		if (d->opsize || d->rep == 0xf2)
			*imm = 2;
		return decode_modrm(d) && !(*imm && d->modrm < 0xc0);
	}
}

static int decode_opcode(struct dec *d, size_t *imm)
{
	uint8_t form;

	d->map = MAP_1;
	form = one_byte[d->op];
	if (d->op == 0x0f) {
		if (!take(d, &d->op))
			return 0;
		d->map = MAP_0F;
		form = two_byte[d->op];
		if (d->op == 0x38 || d->op == 0x3a) {
			const uint16_t *defined = d->op == 0x38 ? map38 : map3a;

			form = d->op == 0x38 ? M : MB;
			d->map = d->op == 0x38 ? MAP_0F38 : MAP_0F3A;
			if (!take(d, &d->op))
				return 0;
			if (!(defined[d->op >> 4] >> (d->op & 15) & 1))
				return 0;
		}
	}
	if (form & X)
		return 0;
	if (form & S)
		return decode_special(d, imm);
	if ((form & M) && !decode_modrm(d))
		return 0;
	if (form & J)
		*imm = form & B ? 1 : 4;
	else
		*imm = (form & B ? 1 : 0) + (form & W ? 2 : 0);
	if (form & Z)
		*imm = d->opsize && !(d->rex & 8) ? 2 : 4;
	return 1;
}

/* Groups: immediates and undefined members that depend on ModRM.reg. */
static int decode_group(struct dec *d, size_t *imm)
{
	unsigned int reg = (d->modrm >> 3) & 7;
	int mem = d->modrm < 0xc0;

	if (d->map == MAP_1) {
		switch (d->op) {
		case 0xf6:
			if (reg < 2)
				*imm = 1;
			return 1;
		case 0xf7:
			if (reg < 2)
				*imm = d->opsize && !(d->rex & 8) ? 2 : 4;
			return 1;
		case 0xc6:
		case 0xc7:
			return reg == 0 || d->modrm == 0xf8;
		case 0x8d:
			return mem;
		case 0x8c:
			return reg < 6;
		case 0x8e:
			return reg < 6 && reg != 1;
		case 0xfe:
			return reg < 2;
		case 0xff:
			return reg != 7 && (mem || (reg != 3 && reg != 5));
		}
		return 1;
	}
	if (d->map == MAP_0F) {
		switch (d->op) {
		case 0xa6: /* VIA PadLock */
			return (d->modrm & 0xc7) == 0xc0 && reg < 3;
		case 0xa7:
			return (d->modrm & 0xc7) == 0xc0 && reg < 6;
		case 0xba:
			return reg >= 4;
		case 0xb8:
			return d->rep == 0xf3;
		case 0xc3:
		case 0xb2:
		case 0xb4:
		case 0xb5:
			return mem;
		case 0x71:
		case 0x72:
		case 0x73:
			return !mem;
		}
	}
	return 1;
}

static void classify_one(const struct dec *d, struct insn *out)
{
	unsigned int reg = (d->modrm >> 3) & 7;

	switch (d->op) {
	case 0x70 ... 0x7f:
	case 0xe0 ... 0xe3:
		out->flow = INSN_JCC;
		break;
	case 0xc7:
		if (d->modrm == 0xf8)
			out->flow = INSN_JCC; /* xbegin */
		break;
	case 0xc6:
		if (d->modrm == 0xf8)
			out->kind = INSN_PRIVATE;
		break;
	case 0xe8:
		out->flow = INSN_CALL;
		break;
	case 0xe9:
	case 0xeb:
		out->flow = INSN_JMP;
		break;
	case 0xc2:
	case 0xc3:
	case 0xca:
	case 0xcb:
	case 0xcf:
		out->flow = INSN_RET;
		break;
	case 0xcd:
		if (d->code[d->pos - 1] == 0x80)
			out->kind = INSN_INT80;
		out->flow = INSN_TRAP;
		break;
	case 0xcc:
	case 0xf1:
	case 0xf4:
		out->flow = INSN_TRAP;
		break;
	case 0xff:
		if (reg == 2 || reg == 3)
			out->flow = INSN_CALL_IND;
		else if (reg == 4 || reg == 5)
			out->flow = INSN_JMP_IND;
		break;
	}
}

static void classify_two(const struct dec *d, struct insn *out)
{
	switch (d->op) {
	case 0x05:
		out->kind = INSN_SYSCALL;
		break;
	case 0xa2:
		out->kind = INSN_CPUID;
		break;
	case 0x31:
		out->kind = INSN_RDTSC;
		break;
	case 0x34:
		out->kind = INSN_SYSENTER;
		break;
	case 0x01:
		if (d->modrm == 0xf9)
			out->kind = INSN_RDTSCP;
		else if (d->modrm >= 0xc0)
			out->kind = INSN_PRIVATE; /* enclu, xtest, ... */
		break;
	case 0x1e:
		if (d->rep == 0xf3 && (d->modrm & 0xfe) == 0xfa)
			out->kind = INSN_PRIVATE; /* endbr64, endbr32 */
		break;
	case 0x07:
	case 0x35:
		out->flow = INSN_RET;
		break;
	case 0x0b:
	case 0xb9:
	case 0xff:
		out->flow = INSN_TRAP;
		break;
	case 0x80 ... 0x8f:
		out->flow = INSN_JCC;
		break;
	}
}

/* The branch displacement is always the last field. */
static void read_rel(struct insn *out, const struct dec *d, size_t imm)
{
	const uint8_t *p = d->code + d->pos - imm;

	out->has_rel = 1;
	if (imm == 1) /* NOLINTNEXTLINE(bugprone-signed-char-misuse) */
		out->rel = (int8_t)p[0];
	else if (imm == 2)
		out->rel = (int16_t)(p[0] | p[1] << 8);
	else
		out->rel = (int32_t)((uint32_t)p[0] | (uint32_t)p[1] << 8 |
			(uint32_t)p[2] << 16 | (uint32_t)p[3] << 24);
}

size_t insn_decode(const uint8_t *code, size_t avail, struct insn *out)
{
	struct dec d = {.code = code, .avail = avail};
	size_t imm = 0;
	bool plain;

	memset(out, 0, sizeof(*out));
	if (d.avail > INSN_MAX)
		d.avail = INSN_MAX;
	if (!decode_prefixes(&d) || !decode_opcode(&d, &imm))
		return 0;
	/* Half of all instructions: neither group nor branch. */
	plain = d.map == MAP_1 && d.op < 0x8c && (d.op & 0xf0) != 0x70;
	if (!plain && !d.vex && !decode_group(&d, &imm))
		return 0;
	if (d.avail - d.pos < imm)
		return 0;
	d.pos += imm;
	out->len = (uint8_t)d.pos;
	out->rip_pos = d.rip_pos;
	out->addr32 = d.addr32;
	if (plain)
		return d.pos;
	if (d.map == MAP_1)
		classify_one(&d, out);
	else if (d.map == MAP_0F)
		classify_two(&d, out);
	if (out->flow >= INSN_JCC && out->flow <= INSN_CALL)
		read_rel(out, &d, imm);
	return d.pos;
}
