/* SPDX-License-Identifier: Apache-2.0 */
/* AES-128-CMAC: RFC 4493, section 4; every length against OpenSSL's. */
#include "unit.h"

#include <openssl/cmac.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/cmac.h"

static const uint8_t key[16] = {0x2b, 0x7e, 0x15, 0x16, 0x28, 0xae, 0xd2, 0xa6,
	0xab, 0xf7, 0x15, 0x88, 0x09, 0xcf, 0x4f, 0x3c};

static void test_rfc(void **state)
{
	static const uint8_t message[64] = {0x6b, 0xc1, 0xbe, 0xe2, 0x2e, 0x40,
		0x9f, 0x96, 0xe9, 0x3d, 0x7e, 0x11, 0x73, 0x93, 0x17, 0x2a,
		0xae, 0x2d, 0x8a, 0x57, 0x1e, 0x03, 0xac, 0x9c, 0x9e, 0xb7,
		0x6f, 0xac, 0x45, 0xaf, 0x8e, 0x51, 0x30, 0xc8, 0x1c, 0x46,
		0xa3, 0x5c, 0xe4, 0x11, 0xe5, 0xfb, 0xc1, 0x19, 0x1a, 0x0a,
		0x52, 0xef, 0xf6, 0x9f, 0x24, 0x45, 0xdf, 0x4f, 0x9b, 0x17,
		0xad, 0x2b, 0x41, 0x7b, 0xe6, 0x6c, 0x37, 0x10};
	static const struct {
		size_t size;
		const char *mac;
	} cases[] = {
		{0, "bb1d6929e95937287fa37d129b756746"},
		{16, "070a16b46b4d4144f79bdd9dd04a287c"},
		{40, "dfa66747de9ae63030ca32611497c827"},
		{64, "51f0bebf7e3b9d92fc49741779363cfe"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint8_t mac[16];
		char text[33];

		cmac_aes128(key, message, cases[i].size, mac);
		for (int k = 0; k < 16; k++)
			snprintf(text + 2 * k, 3, "%02x", mac[k]);
		assert_string_equal(text, cases[i].mac);
	}
}

/* A body of 384 bytes, as under the MAC of a report. */
static void test_report(void **state)
{
	static const uint8_t want[16] = {0xed, 0x3c, 0x97, 0xec, 0x73, 0xee,
		0x99, 0x89, 0x6c, 0x1c, 0xd8, 0xb8, 0x89, 0x9f, 0x3f, 0x56};
	uint8_t body[384], k[16], mac[16];

	for (int i = 0; i < 384; i++)
		body[i] = (uint8_t)(3 * i + 5);
	for (int i = 0; i < 16; i++)
		k[i] = (uint8_t)i;
	cmac_aes128(k, body, sizeof(body), mac);
	assert_memory_equal(mac, want, 16);
}

static void test_openssl(void **state)
{
	uint8_t data[500], k[16], mac[16], want[EVP_MAX_MD_SIZE];
	size_t n;

	srandom(1);
	for (size_t size = 0; size < sizeof(data); size++) {
		for (size_t i = 0; i < sizeof(data); i++)
			data[i] = (uint8_t)(random() >> 8);
		memcpy(k, data + 100, sizeof(k));
		assert_non_null(EVP_Q_mac(NULL, "CMAC", NULL, "AES-128-CBC",
			NULL, k, 16, data, size, want, sizeof(want), &n));
		assert_int_equal(n, 16);
		cmac_aes128(k, data, size, mac);
		assert_memory_equal(mac, want, 16);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rfc),
		cmocka_unit_test(test_report),
		cmocka_unit_test(test_openssl),
	};

	return cmocka_run_group_tests_name("cmac", tests, NULL, NULL);
}
