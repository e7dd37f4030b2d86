/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The extensions of a VCEK or VLEK, 1.3.6.1.4.1.3704.1.*: AMD 57230, "VCEK
 * Certificate Definition". Each stands at most once; each is a DER value,
 * except that the chip's number is raw in what AMD's KDS gives and an OCTET
 * STRING in other places.
 */
#include "attest/snp_int.h"

#include "lib/string.h"

static const uint8_t amd_oid[] = {
	0x2b, 0x06, 0x01, 0x04, 0x01, 0x9c, 0x78, 0x01};

enum { STRUCT_VERSION = 1, PRODUCT = 2, SPL = 3, HWID = 4, CSP = 5 };
enum { TAG_INTEGER = 2, TAG_OCTETS = 4, TAG_IA5 = 22 };

/* A DER value of up to 127 bytes; NULL: something else, or more than that. */
static const uint8_t *der_value(
	const uint8_t *der, size_t size, uint8_t tag, size_t *len)
{
	if (size < 2 || der[0] != tag || der[1] > 127 || der[1] != size - 2)
		return NULL;
	*len = der[1];
	return der + 2;
}

/* An INTEGER of 0 to 255. */
static bool read_byte(const uint8_t *der, size_t size, uint8_t *out)
{
	size_t len = 0;
	const uint8_t *p = der_value(der, size, TAG_INTEGER, &len);

	if (!p || len < 1 || len > 2 || p[0] & 0x80)
		return false;
	if (len == 2 && (p[0] || !(p[1] & 0x80)))
		return false;
	*out = p[len - 1];
	return true;
}

/* "Milan-B0" is Milan. */
static bool read_product(
	const uint8_t *der, size_t size, struct snp_claims *claims)
{
	size_t len = 0;
	const uint8_t *p = der_value(der, size, TAG_IA5, &len);

	if (!p || len < 1 || len >= sizeof(claims->product_name) ||
		memchr(p, 0, len))
		return false;
	memcpy(claims->product_name, p, len);
	for (enum snp_product i = SNP_MILAN; i <= SNP_TURIN; i++) {
		const char *name = snp_product_name(i);
		size_t n = strlen(name);

		if (len >= n && !memcmp(p, name, n) &&
			(len == n || p[n] == '-'))
			claims->product = i;
	}
	return true;
}

static bool is_hwid_size(size_t size)
{
	return size == SNP_CHIP_ID_SIZE || size == SNP_TURIN_HWID_SIZE;
}

static bool read_hwid(
	const uint8_t *der, size_t size, struct snp_claims *claims)
{
	const uint8_t *p = der;

	if (!is_hwid_size(size)) {
		p = der_value(der, size, TAG_OCTETS, &size);
		if (!p || !is_hwid_size(size))
			return false;
	}
	memcpy(claims->hwid, p, size);
	claims->hwid_size = size;
	return true;
}

/* NULL, or what is wrong with the extension amd_oid.path. */
static const char *read_extension(const uint8_t *path, size_t path_size,
	const uint8_t *der, size_t size, struct snp_claims *claims)
{
	uint8_t version;
	size_t len;

	if (path_size == 2 && path[0] == SPL && path[1] >= 1 &&
		path[1] < SNP_SPL_COUNT)
		return read_byte(der, size, &claims->spl[path[1]])
			? NULL
			: "patch level not 0 to 255";
	if (path_size != 1)
		return NULL;
	switch (path[0]) {
	case STRUCT_VERSION:
		return read_byte(der, size, &version) ? NULL : "structVersion";
	case PRODUCT:
		return read_product(der, size, claims) ? NULL : "productName";
	case HWID:
		return read_hwid(der, size, claims) ? NULL : "hwID";
	case CSP:
		claims->csp = true;
		return der_value(der, size, TAG_IA5, &len) ? NULL : "cspID";
	}
	return NULL;
}

/* A bit for each extension there is; 0: of no meaning here. */
static uint32_t extension_bit(const uint8_t *path, size_t size)
{
	if (size == 1 && path[0] <= CSP)
		return UINT32_C(1) << path[0];
	if (size == 2 && path[0] == SPL && path[1] < SNP_SPL_COUNT)
		return UINT32_C(1) << (8 + path[1]);
	return 0;
}

static void check_present(struct snp_claims *claims, uint32_t seen)
{
	enum {
		ALWAYS = 1 << PRODUCT | 1 << (8 + SNP_SPL_BL) |
			1 << (8 + SNP_SPL_TEE) | 1 << (8 + SNP_SPL_SNP) |
			1 << (8 + SNP_SPL_UCODE),
		TURIN = 1 << (8 + SNP_SPL_FMC),
	};

	if ((seen & ALWAYS) != ALWAYS)
		claims->wrong = "productName or a patch level is missing";
	else if (claims->product == SNP_TURIN && !(seen & TURIN))
		claims->wrong = "fmcSPL is missing";
	else if (claims->csp && claims->hwid_size)
		claims->wrong = "both hwID and cspID";
}

void snp_claims_read(const X509 *vek, struct snp_claims *claims)
{
	uint32_t seen = 0;

	memset(claims, 0, sizeof(*claims));
	for (int i = 0; i < X509_get_ext_count(vek); i++) {
		X509_EXTENSION *ext = X509_get_ext(vek, i);
		const ASN1_OBJECT *oid = X509_EXTENSION_get_object(ext);
		const ASN1_STRING *value = X509_EXTENSION_get_data(ext);
		const uint8_t *path = OBJ_get0_data(oid);
		size_t size = OBJ_length(oid);
		uint32_t bit;

		if (size <= sizeof(amd_oid) ||
			memcmp(path, amd_oid, sizeof(amd_oid)))
			continue;
		path += sizeof(amd_oid);
		size -= sizeof(amd_oid);
		bit = extension_bit(path, size);
		if (seen & bit)
			claims->wrong = "an extension stands twice";
		seen |= bit;
		if (!claims->wrong)
			claims->wrong = read_extension(path, size,
				ASN1_STRING_get0_data(value),
				(size_t)ASN1_STRING_length(value), claims);
	}
	if (!claims->wrong)
		check_present(claims, seen);
}
