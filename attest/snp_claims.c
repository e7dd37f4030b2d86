/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The extensions of a VCEK or VLEK, 1.3.6.1.4.1.3704.1.*: AMD 57230, "VCEK
 * Certificate Definition". Each is a DER value, except that the chip's number
 * is raw in what AMD's KDS gives and an OCTET STRING in other places.
 */
#include "attest/snp_int.h"

#include "lib/fmt.h"
#include "lib/string.h"

#define AMD "1.3.6.1.4.1.3704.1."

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

static bool read_level(const struct x509_cert *leaf, unsigned number,
	bool wanted, uint8_t *out)
{
	char oid[sizeof(AMD) + 8];
	const uint8_t *der;
	size_t size;

	fmt_print(oid, sizeof(oid), AMD "3.%u", number);
	if (!x509_cert_extension(leaf, oid, &der, &size))
		return !wanted;
	return read_byte(der, size, out);
}

/* "Milan-B0" is Milan. */
static bool read_product(
	const struct x509_cert *leaf, struct snp_claims *claims)
{
	const uint8_t *der, *p;
	size_t size, len = 0;

	if (!x509_cert_extension(leaf, AMD "2", &der, &size))
		return false;
	p = der_value(der, size, TAG_IA5, &len);
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

static bool read_hwid(const struct x509_cert *leaf, struct snp_claims *claims)
{
	const uint8_t *p;
	size_t size;

	if (!x509_cert_extension(leaf, AMD "4", &p, &size))
		return true;
	if (!is_hwid_size(size)) {
		p = der_value(p, size, TAG_OCTETS, &size);
		if (!p || !is_hwid_size(size))
			return false;
	}
	memcpy(claims->hwid, p, size);
	claims->hwid_size = size;
	return true;
}

void snp_claims_read(const struct x509_cert *leaf, struct snp_claims *claims)
{
	const uint8_t *der;
	size_t size;

	memset(claims, 0, sizeof(*claims));
	claims->csp = x509_cert_extension(leaf, AMD "5", &der, &size);
	if (!read_product(leaf, claims))
		claims->wrong = "productName is missing or malformed";
	if (!read_hwid(leaf, claims))
		claims->wrong = "hwID is malformed";
	for (unsigned i = 1; i < SNP_SPL_COUNT; i++) {
		/* 4 to 7 are reserved. */
		bool wanted = i == SNP_SPL_FMC ? claims->product == SNP_TURIN
					       : i < SNP_SPL_4 || i > SNP_SPL_7;

		if (!read_level(leaf, i, wanted, &claims->spl[i]))
			claims->wrong = "a patch level is missing or malformed";
	}
}
