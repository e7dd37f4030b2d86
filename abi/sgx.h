/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The structures, leaf numbers and codes of Intel SGX, as the hardware and
 * the Linux interface define them.
 *
 * Source of every layout: Intel SDM volume 3D, chapters "Enclave Access
 * Control and Data Structures" and "SGX Instruction References". Integers are
 * little-endian, as on the only machines that have SGX. Sizes and the offsets
 * that matter are pinned below each structure.
 */
#pragma once

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

enum {
	SGX_PAGE_SIZE = 4096,
	SGX_CHUNK_SIZE = 256, /* what one EEXTEND measures */
	SGX_HASH_SIZE = 32,
	SGX_KEY_SIZE = 16,
	SGX_MAC_SIZE = 16,
	SGX_RSA_SIZE = 384,
};

/* ENCLS leaves (supervisor, in EAX). */
enum sgx_encls {
	SGX_ECREATE = 0x00,
	SGX_EADD = 0x01,
	SGX_EINIT = 0x02,
	SGX_EREMOVE = 0x03,
	SGX_EEXTEND = 0x06,
	SGX_EBLOCK = 0x09,
	SGX_ETRACK = 0x0c,
	SGX_EAUG = 0x0d,
	SGX_EMODPR = 0x0e,
	SGX_EMODT = 0x0f,
};

/* ENCLU leaves (user, in EAX). */
enum sgx_enclu {
	SGX_EREPORT = 0,
	SGX_EGETKEY = 1,
	SGX_EENTER = 2,
	SGX_ERESUME = 3,
	SGX_EEXIT = 4,
	SGX_EACCEPT = 5,
	SGX_EMODPE = 6,
	SGX_EACCEPTCOPY = 7,
};

/* Codes that leaves return in RAX. */
enum sgx_error {
	SGX_SUCCESS = 0,
	SGX_INVALID_SIG_STRUCT = 1,
	SGX_INVALID_ATTRIBUTE = 2,
	SGX_BLKSTATE = 3,
	SGX_INVALID_MEASUREMENT = 4,
	SGX_NOTBLOCKABLE = 5,
	SGX_PG_INVLD = 6,
	SGX_EPC_PAGE_CONFLICT = 7,
	SGX_INVALID_SIGNATURE = 8,
	SGX_MAC_COMPARE_FAIL = 9,
	SGX_PAGE_NOT_BLOCKED = 10,
	SGX_NOT_TRACKED = 11,
	SGX_VA_SLOT_OCCUPIED = 12,
	SGX_CHILD_PRESENT = 13,
	SGX_ENCLAVE_ACT = 14,
	SGX_ENTRYEPOCH_LOCKED = 15,
	SGX_INVALID_EINITTOKEN = 16,
	SGX_PREV_TRK_INCMPL = 17,
	SGX_PG_IS_SECS = 18,
	SGX_PAGE_ATTRIBUTES_MISMATCH = 19,
	SGX_PAGE_NOT_MODIFIABLE = 20,
	SGX_PAGE_NOT_DEBUGGABLE = 21,
	SGX_INVALID_CPUSVN = 32,
	SGX_INVALID_ISVSVN = 64,
	SGX_UNMASKED_EVENT = 128,
	SGX_INVALID_KEYNAME = 256,
};

/* Exception vectors that an enclave can meet. */
enum sgx_vector {
	SGX_VECTOR_DE = 0,
	SGX_VECTOR_DB = 1,
	SGX_VECTOR_BP = 3,
	SGX_VECTOR_BR = 5,
	SGX_VECTOR_UD = 6,
	SGX_VECTOR_GP = 13,
	SGX_VECTOR_PF = 14,
	SGX_VECTOR_MF = 16,
	SGX_VECTOR_AC = 17,
	SGX_VECTOR_XM = 19,
};

/* Page-fault error code. */
#define SGX_PFEC_P 0x0001u
#define SGX_PFEC_W 0x0002u
#define SGX_PFEC_U 0x0004u
#define SGX_PFEC_I 0x0010u
#define SGX_PFEC_SGX 0x8000u

/* ATTRIBUTES.FLAGS */
#define SGX_ATTR_INIT UINT64_C(0x001)
#define SGX_ATTR_DEBUG UINT64_C(0x002)
#define SGX_ATTR_MODE64BIT UINT64_C(0x004)
#define SGX_ATTR_PROVISIONKEY UINT64_C(0x010)
#define SGX_ATTR_EINITTOKENKEY UINT64_C(0x020)
#define SGX_ATTR_CET UINT64_C(0x040)
#define SGX_ATTR_KSS UINT64_C(0x080)
#define SGX_ATTR_AEXNOTIFY UINT64_C(0x400)

/* ATTRIBUTES.XFRM: a subset of XCR0; x87 and SSE are obligatory. */
#define SGX_XFRM_LEGACY UINT64_C(0x3)
#define SGX_XFRM_AVX UINT64_C(0x4)
#define SGX_XFRM_MPX UINT64_C(0x18)
#define SGX_XFRM_AVX512 UINT64_C(0xe0)
#define SGX_XFRM_PKRU UINT64_C(0x200)

#define SGX_MISC_EXINFO UINT32_C(0x1)

struct sgx_attributes {
	uint64_t flags;
	uint64_t xfrm;
};
static_assert(sizeof(struct sgx_attributes) == 16, "ATTRIBUTES");

struct sgx_secs {
	uint64_t size; /* bytes, a power of two */
	uint64_t base; /* aligned to size */
	uint32_t ssa_frame_pages; /* SSAFRAMESIZE */
	uint32_t miscselect;
	uint64_t cet_leg_bitmap_offset;
	uint8_t cet_attributes;
	uint8_t reserved1[15];
	struct sgx_attributes attributes;
	uint8_t mrenclave[SGX_HASH_SIZE];
	uint8_t reserved2[32];
	uint8_t mrsigner[SGX_HASH_SIZE];
	uint8_t reserved3[32];
	uint8_t configid[64];
	uint16_t isvprodid;
	uint16_t isvsvn;
	uint16_t configsvn;
	uint8_t reserved4[3834];
};
static_assert(sizeof(struct sgx_secs) == 4096, "SECS");
static_assert(offsetof(struct sgx_secs, attributes) == 48, "SECS");
static_assert(offsetof(struct sgx_secs, mrsigner) == 128, "SECS");
static_assert(offsetof(struct sgx_secs, configid) == 192, "SECS");
static_assert(offsetof(struct sgx_secs, configsvn) == 260, "SECS");

#define SGX_TCS_DBGOPTIN UINT64_C(0x1)
#define SGX_TCS_AEXNOTIFY UINT64_C(0x2)

struct sgx_tcs {
	uint64_t state; /* reserved to software, 0 at EADD */
	uint64_t flags;
	uint64_t ossa; /* offset of SSA frame 0 from the base */
	uint32_t cssa; /* 0 at EADD */
	uint32_t nssa;
	uint64_t oentry;
	uint64_t aep; /* reserved to software, 0 at EADD */
	uint64_t ofsbase;
	uint64_t ogsbase;
	uint32_t fslimit; /* low 12 bits set */
	uint32_t gslimit;
	uint8_t reserved[4024];
};
static_assert(sizeof(struct sgx_tcs) == 4096, "TCS");
static_assert(offsetof(struct sgx_tcs, oentry) == 32, "TCS");
static_assert(offsetof(struct sgx_tcs, ofsbase) == 48, "TCS");
static_assert(offsetof(struct sgx_tcs, reserved) == 72, "TCS");

/* The last bytes of an SSA frame. */
struct sgx_gprsgx {
	uint64_t rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi;
	uint64_t r8, r9, r10, r11, r12, r13, r14, r15;
	uint64_t rflags, rip;
	uint64_t ursp, urbp; /* the host's, at EENTER */
	uint32_t exitinfo;
	uint8_t reserved[3];
	uint8_t aexnotify;
	uint64_t fsbase, gsbase;
};
static_assert(sizeof(struct sgx_gprsgx) == 184, "GPRSGX");
static_assert(offsetof(struct sgx_gprsgx, rflags) == 128, "GPRSGX");
static_assert(offsetof(struct sgx_gprsgx, exitinfo) == 160, "GPRSGX");
static_assert(offsetof(struct sgx_gprsgx, fsbase) == 168, "GPRSGX");

/* EXITINFO: vector, kind of event, valid. */
#define SGX_EXITINFO_VECTOR UINT32_C(0xff)
#define SGX_EXITINFO_TYPE_HW (UINT32_C(3) << 8)
#define SGX_EXITINFO_TYPE_SW (UINT32_C(6) << 8)
#define SGX_EXITINFO_VALID (UINT32_C(1) << 31)

/* MISC component EXINFO, directly below GPRSGX when it is selected. */
struct sgx_exinfo {
	uint64_t maddr; /* 0 for #GP */
	uint32_t errcd;
	uint32_t reserved;
};
static_assert(sizeof(struct sgx_exinfo) == 16, "EXINFO");

/* SECINFO.FLAGS */
#define SGX_SECINFO_R UINT64_C(0x01)
#define SGX_SECINFO_W UINT64_C(0x02)
#define SGX_SECINFO_X UINT64_C(0x04)
#define SGX_SECINFO_RWX UINT64_C(0x07)
#define SGX_SECINFO_PENDING UINT64_C(0x08)
#define SGX_SECINFO_MODIFIED UINT64_C(0x10)
#define SGX_SECINFO_PR UINT64_C(0x20)
#define SGX_SECINFO_TYPE_SHIFT 8
#define SGX_SECINFO_TYPE UINT64_C(0xff00)

enum sgx_page_type {
	SGX_PT_SECS = 0,
	SGX_PT_TCS = 1,
	SGX_PT_REG = 2,
	SGX_PT_VA = 3,
	SGX_PT_TRIM = 4,
};

#define SGX_SECINFO_TCS (UINT64_C(1) << SGX_SECINFO_TYPE_SHIFT)
#define SGX_SECINFO_REG (UINT64_C(2) << SGX_SECINFO_TYPE_SHIFT)
#define SGX_SECINFO_TRIM (UINT64_C(4) << SGX_SECINFO_TYPE_SHIFT)

struct sgx_secinfo {
	uint64_t flags;
	uint8_t reserved[56];
} __attribute__((aligned(64)));
static_assert(sizeof(struct sgx_secinfo) == 64, "SECINFO");

struct sgx_pageinfo {
	uint64_t linaddr;
	uint64_t srcpge;
	uint64_t secinfo;
	uint64_t secs;
} __attribute__((aligned(32)));
static_assert(sizeof(struct sgx_pageinfo) == 32, "PAGEINFO");

/* Signed are bytes [0,128) and [900,1028). Big integers are little-endian. */
struct sgx_sigstruct {
	uint8_t header[16];
	uint32_t vendor;
	uint32_t date; /* BCD yyyymmdd */
	uint8_t header2[16];
	uint32_t swdefined;
	uint8_t reserved1[84];
	uint8_t modulus[SGX_RSA_SIZE];
	uint32_t exponent;
	uint8_t signature[SGX_RSA_SIZE];
	uint32_t miscselect;
	uint32_t miscmask;
	uint8_t cet_attributes;
	uint8_t cet_attributes_mask;
	uint8_t reserved2[2];
	uint8_t isvfamilyid[16];
	struct sgx_attributes attributes;
	struct sgx_attributes attributes_mask;
	uint8_t enclavehash[SGX_HASH_SIZE];
	uint8_t reserved3[16];
	uint8_t isvextprodid[16];
	uint16_t isvprodid;
	uint16_t isvsvn;
	uint8_t reserved4[12];
	uint8_t q1[SGX_RSA_SIZE];
	uint8_t q2[SGX_RSA_SIZE];
};
static_assert(sizeof(struct sgx_sigstruct) == 1808, "SIGSTRUCT");
static_assert(offsetof(struct sgx_sigstruct, modulus) == 128, "SIGSTRUCT");
static_assert(offsetof(struct sgx_sigstruct, miscselect) == 900, "SIGSTRUCT");
static_assert(offsetof(struct sgx_sigstruct, attributes) == 928, "SIGSTRUCT");
static_assert(offsetof(struct sgx_sigstruct, enclavehash) == 960, "SIGSTRUCT");
static_assert(offsetof(struct sgx_sigstruct, isvprodid) == 1024, "SIGSTRUCT");
static_assert(offsetof(struct sgx_sigstruct, q1) == 1040, "SIGSTRUCT");

struct sgx_report_body {
	uint8_t cpusvn[16];
	uint32_t miscselect;
	uint8_t cet_attributes;
	uint8_t reserved1[11];
	uint8_t isvextprodid[16];
	struct sgx_attributes attributes;
	uint8_t mrenclave[SGX_HASH_SIZE];
	uint8_t reserved2[32];
	uint8_t mrsigner[SGX_HASH_SIZE];
	uint8_t reserved3[32];
	uint8_t configid[64];
	uint16_t isvprodid;
	uint16_t isvsvn;
	uint16_t configsvn;
	uint8_t reserved4[42];
	uint8_t isvfamilyid[16];
	uint8_t reportdata[64];
};
static_assert(sizeof(struct sgx_report_body) == 384, "REPORT body");
static_assert(offsetof(struct sgx_report_body, isvfamilyid) == 304, "REPORT");

/* The MAC covers the body only; KEYID enters the key. */
struct sgx_report {
	struct sgx_report_body body;
	uint8_t keyid[32];
	uint8_t mac[SGX_MAC_SIZE];
};
static_assert(sizeof(struct sgx_report) == 432, "REPORT");

struct sgx_targetinfo {
	uint8_t mrenclave[SGX_HASH_SIZE];
	struct sgx_attributes attributes;
	uint8_t cet_attributes;
	uint8_t reserved1;
	uint16_t configsvn;
	uint32_t miscselect;
	uint8_t reserved2[8];
	uint8_t configid[64];
	uint8_t reserved3[384];
};
static_assert(sizeof(struct sgx_targetinfo) == 512, "TARGETINFO");
static_assert(offsetof(struct sgx_targetinfo, configid) == 64, "TARGETINFO");

enum sgx_keyname {
	SGX_KEY_EINITTOKEN = 0,
	SGX_KEY_PROVISION = 1,
	SGX_KEY_PROVISION_SEAL = 2,
	SGX_KEY_REPORT = 3,
	SGX_KEY_SEAL = 4,
};

#define SGX_KEYPOLICY_MRENCLAVE 0x01u
#define SGX_KEYPOLICY_MRSIGNER 0x02u
#define SGX_KEYPOLICY_NOISVPRODID 0x04u
#define SGX_KEYPOLICY_CONFIGID 0x08u
#define SGX_KEYPOLICY_ISVFAMILYID 0x10u
#define SGX_KEYPOLICY_ISVEXTPRODID 0x20u

struct sgx_keyrequest {
	uint16_t keyname;
	uint16_t keypolicy;
	uint16_t isvsvn;
	uint16_t reserved1;
	uint8_t cpusvn[16];
	struct sgx_attributes attributes_mask;
	uint8_t keyid[32];
	uint32_t miscmask;
	uint16_t configsvn;
	uint8_t reserved2[434];
};
static_assert(sizeof(struct sgx_keyrequest) == 512, "KEYREQUEST");
static_assert(offsetof(struct sgx_keyrequest, miscmask) == 72, "KEYREQUEST");
