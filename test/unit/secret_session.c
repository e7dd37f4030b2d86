/* SPDX-License-Identifier: Apache-2.0 */
#include "test/unit/secret_session.h"

#include <string.h>

#include "lib/types.h"

static struct text_pair claims[] = {{"aud", "shop"},
	{"who", "J\xc3\xbcrgen \"quoted\""}, {"pw", "$$SCONE::pw$$"}};

static const char *server_san[] = {"dns:db.shop.example", "dns:*.db.local",
	"ip:10.0.0.7", "ip:2001:db8::1"};

static const struct secret_spec all[] = {
	/* Before what it is made of: the order is CAS's to find. */
	{.name = "srv",
		.kind = SECRET_X509,
		.private_key = "srv_key",
		.issuer = "sub",
		.endpoint = ENDPOINT_SERVER,
		.san = {server_san, ARRAY_SIZE(server_san)},
		.valid_for = 30 * 86400},
	{.name = "srv_key", .kind = SECRET_PRIVATE_KEY, .key_type = KEY_P256},
	{.name = "sub",
		.kind = SECRET_X509_CA,
		.private_key = "sub_key",
		.issuer = "ca",
		.common_name = "Shop issuing CA"},
	{.name = "sub_key",
		.kind = SECRET_PRIVATE_KEY,
		.key_type = KEY_ED25519},
	{.name = "ca",
		.kind = SECRET_X509_CA,
		.private_key = "ca_key",
		.common_name = "Shop CA",
		.export_public = true},
	{.name = "ca_key",
		.kind = SECRET_PRIVATE_KEY,
		.key_type = KEY_P384,
		.migrate = true},
	{.name = "client",
		.kind = SECRET_X509,
		.key_type = KEY_RSA_2048,
		.issuer = "ca",
		.endpoint = ENDPOINT_CLIENT,
		.common_name = "client of the shop"},
	{.name = "self", .kind = SECRET_X509, .key_type = KEY_P256},
	{.name = "pub", .kind = SECRET_PUBLIC_KEY, .private_key = "srv_key"},
	{.name = "rsa", .kind = SECRET_PRIVATE_KEY, .key_type = KEY_RSA_3072},
	{.name = "rsa_pub", .kind = SECRET_PUBLIC_KEY, .private_key = "rsa"},
	{.name = "ed_pub", .kind = SECRET_PUBLIC_KEY, .private_key = "sub_key"},
	{.name = "pw", .kind = SECRET_ASCII, .size = 32},
	{.name = "digits",
		.kind = SECRET_ASCII,
		.size = 12,
		.charset = "0123456789"},
	{.name = "raw", .kind = SECRET_BINARY, .size = 33},
	{.name = "given", .kind = SECRET_ASCII, .value = "in the policy"},
	{.name = "given_raw", .kind = SECRET_BINARY, .value = "00ff10"},
	{.name = "fragment",
		.kind = SECRET_CONFIG_FRAGMENT,
		.value = "[a, b]\n"},
	{.name = "token",
		.kind = SECRET_JWT,
		.private_key = "srv_key",
		.algorithm = "ES256",
		.payload = {claims, ARRAY_SIZE(claims)},
		.valid_for = 3600},
	{.name = "token384",
		.kind = SECRET_JWT,
		.private_key = "ca_key",
		.payload = {claims, 1}},
	{.name = "token_ed",
		.kind = SECRET_JWT,
		.private_key = "sub_key",
		.algorithm = "EdDSA",
		.payload = {claims, 2}},
};

struct session *secret_session(struct secret_spec *list, size_t count)
{
	static struct session s;

	s = (struct session){
		.name = "shop/db", .version = "1.0", .secrets = {list, count}};
	return &s;
}

struct session *secret_session_all(void)
{
	static struct secret_spec list[ARRAY_SIZE(all)];

	memcpy(list, all, sizeof(all));
	return secret_session(list, ARRAY_SIZE(all));
}
