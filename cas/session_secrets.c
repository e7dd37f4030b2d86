/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `secrets`. Which keys a secret may have depends on its kind, which may stand
 * behind them: they are read first and looked at when the map has ended.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>

#include "cas/base64.h"
#include "cas/session_read.h"
#include "cas/subst.h"
#include "lib/buf.h"
#include "lib/bytes.h"
#include "lib/fmt.h"
#include "lib/string.h"

/* A secret, and what its values are made of once the kind is known. */
struct draft {
	struct secret_spec spec; /* first */
	const char *text; /* value, if it is a scalar */
	const char *node; /* value in one spelling */
	bool plain_null;
	struct place value_at;
};

#define AT(field) offsetof(struct secret_spec, field)
#define IS(kind) (1u << (kind))

enum {
	PAIRS = IS(SECRET_X509) | IS(SECRET_X509_CA),
	KINDS_ALL = IS(SECRET_IMPORTED + 1) - 1,
	SIZED = IS(SECRET_ASCII) | IS(SECRET_BINARY),
	DEFAULT_SIZE = 20,
};

const char *const session_secret_kinds[SECRET_IMPORTED] = {"ascii", "binary",
	"private-key", "public-key", "x509", "x509-ca", "jwt",
	"config-fragment"};
const char *const session_key_types[KEY_RSA_3072 + 1] = {
	"P-256", "P-384", "Ed25519", "RSA-2048", "RSA-3072"};
const char *const session_endpoints[ENDPOINT_CLIENT + 1] = {
	NULL, "server", "client"};

/* ---- kind, key type ---- */

static int read_kind(struct reader *r, const char *key, void *at)
{
	static const char *const absent[] = {"aad-token", "pgp-key"};
	int ret = yaml_events_want(&r->y, YAML_SCALAR_EVENT, key);

	for (size_t i = 0; i < ARRAY_SIZE(absent) && ret == 0; i++)
		if (strcmp(yaml_events_text(&r->y), absent[i]) == 0)
			return yaml_events_fail(&r->y,
				"kind %s is not there; the kinds are ascii, "
				"binary, private-key, public-key, x509, "
				"x509-ca, jwt and config-fragment",
				absent[i]);
	return ret < 0 ? ret
		       : read_choice(r, key, session_secret_kinds,
				 ARRAY_SIZE(session_secret_kinds), at);
}

static int read_key_type(struct reader *r, const char *key, void *at)
{
	return read_choice(
		r, key, session_key_types, ARRAY_SIZE(session_key_types), at);
}

static int read_endpoint(struct reader *r, const char *key, void *at)
{
	return read_choice(
		r, key, session_endpoints, ARRAY_SIZE(session_endpoints), at);
}

static int read_size(struct reader *r, const char *key, void *at)
{
	return read_number(r, key, 1, SESSION_VALUE_MAX, at);
}

static int read_value(struct reader *r, const char *key, void *at)
{
	struct draft *d = at;

	d->value_at = reader_place(r);
	if (reader_is(r, YAML_SCALAR_EVENT)) {
		d->plain_null = reader_is_null(r);
		d->text = pool_text(&r->pool, yaml_events_text(&r->y),
			r->y.event.data.scalar.length);
		if (!d->text)
			return reader_no_memory(r);
	}
	(void)key;
	return session_read_node(r, &d->node);
}

/* Characters to choose from: each once, in order. */
static int read_charset(struct reader *r, const char *key, void *at)
{
	bool has[128] = {false};
	char set[96];
	size_t count = 0;
	const char *text;
	int ret = read_text(r, key, 2, 256, &text);

	if (ret < 0)
		return ret;
	for (; *text != '\0'; text++) {
		if (*text < 0x20 || *text > 0x7e)
			return yaml_events_fail(&r->y,
				"%s: wanted printable ASCII characters", key);
		has[(size_t)*text] = true;
	}
	for (size_t c = 0; c < ARRAY_SIZE(has); c++)
		if (has[c])
			set[count++] = (char)c;
	if (count < 2)
		return yaml_events_fail(&r->y,
			"%s: one character; wanted some to choose from", key);
	text = pool_text(&r->pool, set, count);
	memcpy(at, &text, sizeof(text));
	return text ? 0 : reader_no_memory(r);
}

/* ---- certificates ---- */

static int refer(
	struct reader *r, enum ref_kind kind, const char *key, void *at)
{
	const char **name = at;
	int ret = read_item_name(r, key, SESSION_ITEM_NAME_MAX, name);

	return ret < 0 ? ret : reader_refer(r, kind, key, *name);
}

static int read_private_key(struct reader *r, const char *key, void *at)
{
	return refer(r, REF_KEY, key, at);
}

static int read_issuer(struct reader *r, const char *key, void *at)
{
	return refer(r, REF_ISSUER, key, at);
}

static int read_common_name(struct reader *r, const char *key, void *at)
{
	return read_text(r, key, 1, 64, at);
}

static bool is_dns(const char *name)
{
	size_t len = strlen(name);

	if (string_has_prefix(name, "*."))
		name += 2;
	return len > 0 && len < 254 && *name != '\0' && *name != '.' &&
		*name != '-' && !strstr(name, "..") &&
		name[strspn(name,
			"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
			"0123456789-_.")] == '\0';
}

/* One spelling of an address; false: it is none. */
static bool address(const char *text, char out[static INET6_ADDRSTRLEN])
{
	uint8_t raw[16];
	int family = strchr(text, ':') ? AF_INET6 : AF_INET;

	return inet_pton(family, text, raw) == 1 &&
		inet_ntop(family, raw, out, INET6_ADDRSTRLEN);
}

static int put_name(
	struct reader *r, const char *kind, const char *name, const char **out)
{
	size_t size = strlen(kind) + strlen(name) + 1;
	char *text = pool_alloc(&r->pool, size);

	if (!text)
		return reader_no_memory(r);
	fmt_print(text, size, "%s%s", kind, name);
	*out = text;
	return 0;
}

static int read_name(struct reader *r, const char *key, void *at)
{
	char ip[INET6_ADDRSTRLEN];
	const char *text;
	int ret = read_text(r, key, 1, 300, &text);

	if (ret < 0)
		return ret;
	if (string_has_prefix(text, "dns:") && is_dns(text + 4))
		return put_name(r, "", text, at);
	if (string_has_prefix(text, "ip:") && address(text + 3, ip))
		return put_name(r, "ip:", ip, at);
	return yaml_events_fail(
		&r->y, "%s: '%.60s'; wanted dns:NAME or ip:ADDRESS", key, text);
}

static int read_san(struct reader *r, const char *key, void *at)
{
	return read_one_or_list(
		r, key, SESSION_LIST_MAX, sizeof(char *), read_name, at);
}

static int read_dns_name(struct reader *r, const char *key, void *at)
{
	const char *text;
	int ret = read_text(r, key, 1, 253, &text);

	if (ret < 0)
		return ret;
	if (!is_dns(text))
		return yaml_events_fail(&r->y,
			"%s: '%.60s'; wanted the name of a host", key, text);
	return put_name(r, "dns:", text, at);
}

static int read_dns(struct reader *r, const char *key, void *at)
{
	return read_one_or_list(
		r, key, SESSION_LIST_MAX, sizeof(char *), read_dns_name, at);
}

static int read_time(struct reader *r, const char *key, void *at)
{
	return read_duration(r, key, 60, at);
}

/* ---- jwt ---- */

static const char *const algorithms[] = {"ES256", "ES384", "EdDSA"};

static int read_algorithm(struct reader *r, const char *key, void *at)
{
	uint64_t i = 0;
	int ret = read_choice(r, key, algorithms, ARRAY_SIZE(algorithms), &i);

	memcpy(at, &algorithms[i], sizeof(char *));
	return ret;
}

static const struct key validity_keys[] = {
	{"for", read_time, AT(valid_for), KEY_NEEDED, NULL},
};

static int read_validity(struct reader *r, const char *key, void *at)
{
	struct seen seen;

	return read_map(
		r, key, validity_keys, ARRAY_SIZE(validity_keys), at, &seen);
}

/* The value of a claim: a text, or one variable and nothing else. */
static int read_claim(struct reader *r, const char *key, const char **value)
{
	int ret;

	if (!reader_is(r, YAML_SCALAR_EVENT) ||
		!strstr(yaml_events_text(&r->y), "$$SCONE::"))
		return read_text(r, key, 0, 64 * 1024, value);
	if (strcmp(yaml_events_text(&r->y),
		    "$$SCONE::self::software_identity$$") == 0)
		return read_text(r, key, 1, SESSION_VARIABLE_MAX, value);
	ret = read_template(r, key, 1, SESSION_VARIABLE_MAX, value);
	if (ret == 0 && !subst_is_variable(*value))
		return yaml_events_fail(&r->y,
			"%s: a variable within a text; wanted the variable "
			"alone",
			key);
	return ret;
}

static int read_pair(struct reader *r, struct text_pair *pair)
{
	static const char *const reserved[] = {"iat", "nbf", "exp"};
	int ret = read_text(r, "payload", 1, 128, &pair->key);

	for (size_t i = 0; i < ARRAY_SIZE(reserved) && ret == 0; i++)
		if (strcmp(pair->key, reserved[i]) == 0)
			return yaml_events_fail(&r->y,
				"payload: %s is set from `validity`; leave it "
				"out",
				pair->key);
	if (ret == 0)
		ret = yaml_events_next(&r->y);
	return ret < 0 ? ret : read_claim(r, pair->key, &pair->value);
}

static int read_payload(struct reader *r, const char *key, void *at)
{
	return session_read_pairs(r, key, read_pair, at);
}

/* ---- rotation, writers ---- */

static const struct key rotate_keys[] = {
	{"every", read_time, AT(rotate_every), KEY_NEEDED, NULL},
	{"grace", read_time, AT(rotate_grace), 0, NULL},
};

static int read_rotate(struct reader *r, const char *key, void *at)
{
	struct secret_spec *s = at;
	struct place start = reader_place(r);
	struct seen seen;
	int ret = read_map(
		r, key, rotate_keys, ARRAY_SIZE(rotate_keys), s, &seen);

	if (ret == 0 && s->rotate_grace >= s->rotate_every)
		return reader_fail_at(r, start,
			"%s: grace %llu s; wanted less than every (%llu s)",
			key, (unsigned long long)s->rotate_grace,
			(unsigned long long)s->rotate_every);
	return ret;
}

static int read_service_name(struct reader *r, const char *key, void *at)
{
	return refer(r, REF_SERVICE, key, at);
}

static const struct key writer_keys[] = {
	{"service", read_service_name, 0, KEY_NEEDED, NULL},
};

static int read_writer(struct reader *r, const char *key, void *at)
{
	struct seen seen;

	if (!reader_is(r, YAML_MAPPING_START_EVENT))
		return read_service_name(r, key, at);
	return read_map(
		r, key, writer_keys, ARRAY_SIZE(writer_keys), at, &seen);
}

static int read_writers(struct reader *r, const char *key, void *at)
{
	return read_one_or_list(
		r, key, SESSION_LIST_MAX, sizeof(char *), read_writer, at);
}

static int read_secret_name(struct reader *r, const char *key, void *at)
{
	return read_item_name(r, key, SESSION_ITEM_NAME_MAX, at);
}

/* ---- the table ---- */

static const char akv[] = "values are not kept in an Azure key vault; CAS "
			  "keeps them";
static const char aad[] = "it belongs to kind aad-token";

enum {
	K_NAME,
	K_KIND,
	K_SIZE,
	K_VALUE,
	K_KEY_TYPE,
	K_MIGRATE,
	K_PRIVATE_KEY,
	K_SIGNER,
	K_ISSUER,
	K_COMMON_NAME,
	K_ENDPOINT,
	K_SAN,
	K_DNS,
	K_VALID_FOR,
	K_ALG,
	K_VALIDITY,
	K_PAYLOAD,
	K_EXPORT,
	K_EXPORT_PUBLIC,
	K_IMPORT,
	K_CHARSET,
	K_ROTATE,
	K_WRITE,
	K_COUNT,
};

static const struct key secret_keys[] = {
	[K_NAME] = {"name", read_secret_name, AT(name), KEY_NEEDED, NULL},
	[K_KIND] = {"kind", read_kind, AT(kind), 0, NULL},
	[K_SIZE] = {"size", read_size, AT(size), 0, NULL},
	[K_VALUE] = {"value", read_value, 0, 0, NULL},
	[K_KEY_TYPE] = {"key_type", read_key_type, AT(key_type), 0, NULL},
	[K_MIGRATE] = {"migrate", read_bool, AT(migrate), 0, NULL},
	[K_PRIVATE_KEY] = {"private_key", read_private_key, AT(private_key), 0,
		NULL},
	[K_SIGNER] = {"signer", read_private_key, AT(private_key), 0, NULL},
	[K_ISSUER] = {"issuer", read_issuer, AT(issuer), 0, NULL},
	[K_COMMON_NAME] = {"common_name", read_common_name, AT(common_name), 0,
		NULL},
	[K_ENDPOINT] = {"endpoint", read_endpoint, AT(endpoint), 0, NULL},
	[K_SAN] = {"san", read_san, AT(san), 0, NULL},
	[K_DNS] = {"dns", read_dns, AT(san), KEY_OLD, "write san: [dns:NAME]"},
	[K_VALID_FOR] = {"valid_for", read_time, AT(valid_for), 0, NULL},
	[K_ALG] = {"alg", read_algorithm, AT(algorithm), 0, NULL},
	[K_VALIDITY] = {"validity", read_validity, 0, 0, NULL},
	[K_PAYLOAD] = {"payload", read_payload, AT(payload), 0, NULL},
	[K_EXPORT] = {"export", session_read_exports, AT(exports), 0, NULL},
	[K_EXPORT_PUBLIC] = {"export_public", read_bool, AT(export_public), 0,
		NULL},
	[K_IMPORT] = {"import", session_read_secret_import, AT(import), 0,
		NULL},
	[K_CHARSET] = {"charset", read_charset, AT(charset), KEY_NEW, NULL},
	[K_ROTATE] = {"rotate", read_rotate, 0, KEY_NEW, NULL},
	[K_WRITE] = {"write", read_writers, AT(writers), KEY_NEW, NULL},
	[K_COUNT] = {"import_akv", NULL, 0, KEY_ABSENT, akv},
	{"tenant_id", NULL, 0, KEY_ABSENT, aad},
	{"client_id", NULL, 0, KEY_ABSENT, aad},
	{"application_secret", NULL, 0, KEY_ABSENT, aad},
	{"certificate_thumbprint", NULL, 0, KEY_ABSENT, aad},
};

/* For which kinds each key is. */
static const unsigned kinds_of[K_COUNT] = {
	[K_NAME] = KINDS_ALL,
	[K_KIND] = KINDS_ALL,
	[K_SIZE] = SIZED,
	[K_VALUE] = KINDS_ALL & ~(IS(SECRET_JWT) | IS(SECRET_IMPORTED)),
	[K_KEY_TYPE] = IS(SECRET_PRIVATE_KEY),
	[K_MIGRATE] = IS(SECRET_PRIVATE_KEY),
	[K_PRIVATE_KEY] = PAIRS | IS(SECRET_PUBLIC_KEY),
	[K_SIGNER] = IS(SECRET_JWT),
	[K_ISSUER] = PAIRS,
	[K_COMMON_NAME] = PAIRS,
	[K_ENDPOINT] = IS(SECRET_X509),
	[K_SAN] = PAIRS,
	[K_DNS] = PAIRS,
	[K_VALID_FOR] = PAIRS,
	[K_ALG] = IS(SECRET_JWT),
	[K_VALIDITY] = IS(SECRET_JWT),
	[K_PAYLOAD] = IS(SECRET_JWT),
	[K_EXPORT] = KINDS_ALL & ~IS(SECRET_IMPORTED),
	[K_EXPORT_PUBLIC] = KINDS_ALL & ~IS(SECRET_IMPORTED),
	[K_IMPORT] = KINDS_ALL,
	[K_CHARSET] = IS(SECRET_ASCII),
	[K_ROTATE] = SIZED,
	[K_WRITE] = SIZED,
};

static const char *kind_name(const struct secret_spec *s)
{
	return s->kind == SECRET_IMPORTED ? "another session's"
					  : session_secret_kinds[s->kind];
}

static bool has(const struct seen *seen, int key)
{
	return seen->mask >> key & 1;
}

static int check_keys(
	struct reader *r, const struct secret_spec *s, const struct seen *seen)
{
	/* What an importer says beside where it comes from. */
	const uint64_t with_import = 1u << K_NAME | 1u << K_KIND |
		1u << K_IMPORT;

	for (int i = 0; i < K_COUNT; i++) {
		if (!has(seen, i))
			continue;
		if (!(kinds_of[i] >> s->kind & 1))
			return reader_fail_at(r, seen->at[i],
				"secret %s: %s is not for kind %s", s->name,
				secret_keys[i].name, kind_name(s));
		if (has(seen, K_IMPORT) && !(with_import >> i & 1))
			return reader_fail_at(r, seen->at[i],
				"secret %s: imported, so %s is the exporter's",
				s->name, secret_keys[i].name);
	}
	if (has(seen, K_SAN) && has(seen, K_DNS))
		return reader_fail_at(r, seen->at[K_DNS],
			"secret %s: dns beside san; write dns:NAME in san",
			s->name);
	return 0;
}

static int missing(struct reader *r, const struct secret_spec *s,
	const struct seen *seen, const char *key)
{
	return reader_fail_at(r, seen->start,
		"secret %s: key '%s' is missing; kind %s wants it", s->name,
		key, kind_name(s));
}

/* ---- given values ---- */

static int bad_value(
	struct reader *r, const struct draft *d, const char *wanted)
{
	return reader_fail_at(r, d->value_at, "secret %s: value; wanted %s",
		d->spec.name, wanted);
}

static int hex_of(
	struct reader *r, struct draft *d, const uint8_t *data, size_t size)
{
	char *text = pool_alloc(&r->pool, 2 * size + 1);

	if (!text)
		return reader_no_memory(r);
	bytes_to_hex(data, size, text);
	d->spec.value = text;
	d->spec.size = size;
	return 0;
}

/* Hexadecimal digits, or base64 behind "base64:". */
static int set_binary(struct reader *r, struct draft *d)
{
	static const char wanted[] =
		"hexadecimal digits, or base64 behind 'base64:', of 1 to "
		"65536 bytes";
	size_t len = strlen(d->text), size = len / 2;
	uint8_t *data = pool_alloc(&r->pool, len + 4);

	if (!data)
		return reader_no_memory(r);
	if (string_has_prefix(d->text, "base64:")) {
		if (base64_decode(d->text + 7, data, &size) < 0)
			return bad_value(r, d, wanted);
	} else if (len % 2 || !string_from_hex(d->text, data, size)) {
		return bad_value(r, d, wanted);
	}
	if (size == 0 || size > SESSION_VALUE_MAX)
		return bad_value(r, d, wanted);
	return hex_of(r, d, data, size);
}

static int set_value(struct reader *r, struct draft *d)
{
	struct secret_spec *s = &d->spec;
	uint64_t type = 0;

	if (s->kind == SECRET_CONFIG_FRAGMENT) {
		s->value = d->node;
		return strlen(d->node) > SESSION_VALUE_MAX
			? bad_value(r, d, "at most 65536 bytes")
			: 0;
	}
	if (!d->text || d->plain_null)
		return bad_value(r, d, "a text");
	if (strstr(d->text, "$$SCONE::"))
		return bad_value(r, d,
			"a text without variables: values are taken as they "
			"are");
	if (strlen(d->text) > SESSION_VALUE_MAX)
		return bad_value(r, d, "at most 65536 bytes");
	if (s->kind == SECRET_BINARY)
		return set_binary(r, d);
	s->value = d->text;
	if (s->kind == SECRET_ASCII) {
		s->size = strlen(d->text);
		return 0;
	}
	if (session_key_pem(d->text, (enum secret_kind)s->kind, &type) < 0)
		return bad_value(r, d,
			s->kind == SECRET_PRIVATE_KEY
				? "a private key as PEM without passphrase: "
				  "P-256, P-384, Ed25519, RSA-2048 or RSA-3072"
				: s->kind == SECRET_PUBLIC_KEY
				? "a public key as PEM: P-256, P-384, "
				  "Ed25519, RSA-2048 or RSA-3072"
				: "a certificate as PEM");
	s->key_type = type;
	return 0;
}

static int check_given(
	struct reader *r, struct draft *d, const struct seen *seen)
{
	static const int generated[] = {K_SIZE, K_CHARSET, K_KEY_TYPE, K_ISSUER,
		K_COMMON_NAME, K_ENDPOINT, K_SAN, K_DNS, K_VALID_FOR, K_ROTATE};

	for (size_t i = 0; i < ARRAY_SIZE(generated); i++)
		if (has(seen, generated[i]))
			return reader_fail_at(r, seen->at[generated[i]],
				"secret %s: %s is for values that CAS makes; "
				"this one is given",
				d->spec.name, secret_keys[generated[i]].name);
	return set_value(r, d);
}

/* ---- what a kind needs ---- */

static int check_jwt(
	struct reader *r, struct secret_spec *s, const struct seen *seen)
{
	if (!has(seen, K_SIGNER))
		return missing(r, s, seen, "signer");
	if (!has(seen, K_VALIDITY))
		return missing(r, s, seen, "validity");
	if (!s->algorithm)
		s->algorithm = "ES384";
	return 0;
}

static int check_generated(
	struct reader *r, struct secret_spec *s, const struct seen *seen)
{
	unsigned kind = IS(s->kind);

	if ((kind & (PAIRS | IS(SECRET_PUBLIC_KEY))) && !s->private_key)
		return missing(r, s, seen, "private_key");
	if (kind & IS(SECRET_CONFIG_FRAGMENT))
		return missing(r, s, seen, "value");
	if ((kind & SIZED) && s->export_public)
		return reader_fail_at(r, seen->at[K_EXPORT_PUBLIC],
			"secret %s: a value that CAS makes is never public; "
			"give it with 'value', or leave out export_public",
			s->name);
	if ((kind & PAIRS) && s->valid_for == 0)
		s->valid_for = 3650ull * 86400;
	if ((kind & SIZED) && s->size == 0)
		s->size = DEFAULT_SIZE;
	return s->kind == SECRET_JWT ? check_jwt(r, s, seen) : 0;
}

static int read_secret(struct reader *r, const char *key, void *at)
{
	struct draft *d = pool_alloc(&r->pool, sizeof(*d));
	struct secret_spec *s = &d->spec;
	struct place start = reader_place(r);
	struct seen seen;
	int ret;

	(void)key;
	if (!d)
		return reader_no_memory(r);
	ret = read_map(
		r, "secret", secret_keys, ARRAY_SIZE(secret_keys), d, &seen);
	if (ret < 0)
		return ret;
	if (has(&seen, K_IMPORT) && !has(&seen, K_KIND))
		s->kind = SECRET_IMPORTED;
	ret = check_keys(r, s, &seen);
	if (ret == 0 && has(&seen, K_VALUE))
		ret = check_given(r, d, &seen);
	else if (ret == 0 && !has(&seen, K_IMPORT))
		ret = check_generated(r, s, &seen);
	if (ret < 0)
		return ret;
	memcpy(at, s, sizeof(*s));
	return reader_define(r, DEF_SECRET, s->name, start);
}

int session_read_secrets(struct reader *r, const char *key, void *at)
{
	return read_list(r, key, SESSION_SECRETS_MAX,
		sizeof(struct secret_spec), read_secret, at);
}
