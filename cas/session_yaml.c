/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sessions as YAML text again. Whatever stands in a session can be written: a
 * text is quoted where it could be taken for something else. Defaults are left
 * out, but not those of access_policy, of which each depends on others.
 */
#include <openssl/evp.h>

#include "cas/base64.h"
#include "cas/session_read.h"
#include "lib/bytes.h"
#include "lib/cbor.h"
#include "lib/string.h"

/* ---- scalars ---- */

static bool is_safe(const char *text)
{
	static const char *const words[] = {
		"true", "false", "yes", "no", "on", "off", "null", "y", "n"};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (strcmp(words[i], text) == 0)
			return false;
	return *text != '\0' && !strchr("0123456789.-~", *text) &&
		text[strspn(text,
			"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
			"0123456789_./-~")] == '\0';
}

/* Texts in sessions are UTF-8: schema_decode() saw to it. */
static void put_text(struct buf *b, const char *text)
{
	if (is_safe(text)) {
		buf_text(b, text);
		return;
	}
	buf_text(b, "\"");
	if (buf_json(b, text, strlen(text)) < 0)
		b->failed = true;
	buf_text(b, "\"");
}

/* As a block: lines without anything that needs quotes. */
static bool is_block(const char *text)
{
	size_t len = strlen(text);

	if (!strchr(text, '\n') || text[0] == '\n' || text[0] == ' ' ||
		text[0] == '#' || strstr(text, " \n") || text[len - 1] == ' ')
		return false;
	if (len > 1 && text[len - 1] == '\n' && text[len - 2] == '\n')
		return false;
	for (const char *c = text; *c != '\0'; c++)
		if ((*c < ' ' && *c != '\n') || *c > '~')
			return false;
	return true;
}

static void put_indent(struct buf *b, unsigned indent)
{
	buf_format(b, "%*s", (int)indent, "");
}

/* Behind "key:". */
static void put_long(struct buf *b, unsigned indent, const char *text)
{
	const char *end;

	if (!is_block(text)) {
		buf_text(b, " ");
		put_text(b, text);
		return;
	}
	buf_text(b, text[strlen(text) - 1] == '\n' ? " |" : " |-");
	for (; *text != '\0'; text = *end ? end + 1 : end) {
		end = text + strcspn(text, "\n");
		buf_text(b, "\n");
		if (end > text)
			put_indent(b, indent);
		buf_add(b, text, (size_t)(end - text));
	}
}

static void put_key(struct buf *b, unsigned indent, const char *key)
{
	put_indent(b, indent);
	buf_format(b, "%s: ", key);
}

static void put_line(
	struct buf *b, unsigned indent, const char *key, const char *text)
{
	if (!text)
		return;
	put_key(b, indent, key);
	put_text(b, text);
	buf_text(b, "\n");
}

static void put_word(
	struct buf *b, unsigned indent, const char *key, const char *word)
{
	put_key(b, indent, key);
	buf_format(b, "%s\n", word);
}

static void put_number(
	struct buf *b, unsigned indent, const char *key, uint64_t v)
{
	put_key(b, indent, key);
	buf_format(b, "%llu\n", (unsigned long long)v);
}

static void put_hex(
	struct buf *b, unsigned indent, const char *key, struct bytes bytes)
{
	if (bytes.size == 0)
		return;
	put_key(b, indent, key);
	for (size_t i = 0; i < bytes.size; i++)
		buf_format(b, "%02x", bytes.data[i]);
	buf_text(b, "\n");
}

static void put_time(struct buf *b, uint64_t seconds)
{
	static const struct {
		char letter;
		uint32_t seconds;
	} units[] = {{'d', 86400}, {'h', 3600}, {'m', 60}, {'s', 1}};
	size_t i = 0;

	while (seconds % units[i].seconds)
		i++;
	buf_format(b, "%llu%c",
		(unsigned long long)(seconds / units[i].seconds),
		units[i].letter);
}

static void put_texts(struct buf *b, const struct text_list *list)
{
	buf_text(b, "[");
	for (size_t i = 0; i < list->count; i++) {
		buf_text(b, i > 0 ? ", " : "");
		put_text(b, list->item[i]);
	}
	buf_text(b, "]");
}

static void put_list(struct buf *b, unsigned indent, const char *key,
	const struct text_list *list)
{
	if (list->count == 0)
		return;
	put_key(b, indent, key);
	put_texts(b, list);
	buf_text(b, "\n");
}

static void put_pairs(struct buf *b, unsigned indent, const char *key,
	const struct text_map *map)
{
	if (map->count == 0)
		return;
	put_indent(b, indent);
	buf_format(b, "%s:\n", key);
	for (size_t i = 0; i < map->count; i++) {
		put_indent(b, indent + 2);
		put_text(b, map->item[i].key);
		buf_text(b, ":");
		put_long(b, indent + 4, map->item[i].value);
		buf_text(b, "\n");
	}
}

/* ---- attestation ---- */

/* "V,V" ">=V" "V/M": session.h */
static void put_field(struct buf *b, const struct text_pair *f)
{
	const char *slash = strchr(f->value, '/');

	buf_format(b, "%s: ", f->key);
	if (string_has_prefix(f->value, ">="))
		buf_format(b, "{min: %s}", f->value + 2);
	else if (slash)
		buf_format(b, "{value: %.*s, mask: %s}",
			(int)(slash - f->value), f->value, slash + 1);
	else
		buf_format(b, "[%s]", f->value);
}

static void put_signer(struct buf *b, const struct attest_variant *v)
{
	buf_text(b, "signer: ");
	if (v->mrsigner[0] == '$') {
		put_text(b, v->mrsigner);
		return;
	}
	buf_format(b,
		"{mrsigner: %s, isvprodid: %llu, isvsvn_min: %llu, isvsvn_max: "
		"%llu}",
		v->mrsigner, (unsigned long long)v->isv_prod_id,
		(unsigned long long)v->isv_svn_min,
		(unsigned long long)v->isv_svn_max);
}

static void put_variant(struct buf *b, const struct attest_variant *v)
{
	static const char *const tees[] = {"sgx", "tdx", "snp"};
	bool named = v->tee != TEE_SGX || v->config_id || v->fields.count > 0;
	const char *between = "";

	if (v->variable) {
		put_text(b, v->variable);
		return;
	}
	if (named)
		buf_format(b, "{%s: ", tees[v->tee]);
	buf_text(b, "{");
	if (v->mrenclave.count > 0) {
		buf_text(b, "mrenclave: ");
		put_texts(b, &v->mrenclave);
		between = ", ";
	}
	if (v->has_signer) {
		buf_text(b, between);
		put_signer(b, v);
		between = ", ";
	}
	if (v->config_id) {
		buf_format(b, "%sconfig_id: %s", between, v->config_id);
		between = ", ";
	}
	for (size_t i = 0; i < v->fields.count; i++) {
		buf_text(b, between);
		put_field(b, &v->fields.item[i]);
		between = ", ";
	}
	buf_text(b, named ? "}}" : "}");
}

/* ---- services ---- */

static void put_signals(struct buf *b, unsigned indent, uint64_t signals)
{
	const char *between = "";

	put_key(b, indent, "signals");
	buf_text(b, "[");
	for (unsigned i = 0; i < ARRAY_SIZE(manifest_signal_names); i++)
		if (signals >> i & 1) {
			buf_format(
				b, "%s%s", between, manifest_signal_names[i]);
			between = ", ";
		}
	buf_text(b, "]\n");
}

static void put_limits(
	struct buf *b, unsigned indent, const struct manifest_limits *l)
{
	if (!l->cpus && !l->files && !l->memory && !l->threads)
		return;
	put_key(b, indent, "limits");
	buf_format(b,
		"{cpus: %llu, files: %llu, memory: %llu, threads: %llu}\n",
		(unsigned long long)l->cpus, (unsigned long long)l->files,
		(unsigned long long)l->memory, (unsigned long long)l->threads);
}

/* What 1.0 has more. */
static void put_bounds(struct buf *b, const struct session_service *s)
{
	if (s->instances || s->starts_per_hour) {
		put_key(b, 4, "instances");
		buf_text(b, "{");
		if (s->instances)
			buf_format(b, "max: %llu%s",
				(unsigned long long)s->instances,
				s->starts_per_hour ? ", " : "");
		if (s->starts_per_hour)
			buf_format(b, "rate: %llu/h",
				(unsigned long long)s->starts_per_hour);
		buf_text(b, "}\n");
	}
	if (s->lease != 60 || s->on_expiry != EXPIRY_KEEP) {
		put_key(b, 4, "lease");
		buf_text(b, "{ttl: ");
		put_time(b, s->lease);
		buf_format(b, ", on_expiry: %s}\n",
			session_expiries[s->on_expiry]);
	}
	if (!s->network)
		put_word(b, 4, "network", "false");
	put_limits(b, 4, &s->limits);
	put_line(b, 4, "hostname", s->hostname);
	if (s->signals != manifest_default_signals)
		put_signals(b, 4, s->signals);
}

static void put_service(struct buf *b, const struct session_service *s)
{
	const struct attest_variant *v = s->attestation.item;

	buf_text(b, "  - name: ");
	put_text(b, s->name);
	buf_text(b, "\n");
	put_list(b, 4, "command", &s->command);
	put_line(b, 4, "image_name", s->image_name);
	if (strcmp(s->pwd, "/") != 0)
		put_line(b, 4, "pwd", s->pwd);
	put_pairs(b, 4, "environment", &s->environment);
	if (s->attestation.count > 0)
		buf_text(b, "    attestation:\n");
	for (size_t i = 0; i < s->attestation.count; i++) {
		buf_text(b, "      - ");
		put_variant(b, &v[i]);
		buf_text(b, "\n");
	}
	put_list(b, 4, "platforms", &s->platforms);
	put_line(b, 4, "one_time_password_shared_secret", s->otp_secret);
	put_line(b, 4, "fspf_path", s->fspf_path);
	put_line(b, 4, "fspf_key", s->fspf_key);
	put_line(b, 4, "fspf_tag", s->fspf_tag);
	if (s->fspf_update_policy == VOLUME_NO_ROLLBACK_PROTECTION)
		put_word(b, 4, "fspf_update_policy",
			session_update_policies[s->fspf_update_policy]);
	put_bounds(b, s);
}

/* ---- secrets ---- */

static void put_ref(struct buf *b, const struct session_ref *r)
{
	buf_text(b, r->session ? "{session: " : "{namespace: ");
	put_text(b, r->session ? r->session : r->namespace);
	if (r->hash.size == 32) {
		char hex[65];

		bytes_to_hex(r->hash.data, 32, hex);
		buf_format(b, ", session_hash: %s", hex);
	}
}

static void put_import(
	struct buf *b, const char *item, const struct item_list *import)
{
	const struct session_ref *r = import->item;

	if (import->count == 0)
		return;
	buf_text(b, "    import: ");
	put_ref(b, r);
	buf_format(b, ", %s: ", item);
	put_text(b, r->secret);
	buf_text(b, "}\n");
}

static void put_exports(struct buf *b, const struct item_list *exports)
{
	const struct session_ref *r = exports->item;

	if (exports->count > 0)
		buf_text(b, "    export:\n");
	for (size_t i = 0; i < exports->count; i++) {
		buf_text(b, "      - ");
		put_ref(b, &r[i]);
		buf_text(b, "}\n");
	}
}

static void put_value(struct buf *b, const struct secret_spec *s)
{
	if (!s->value)
		return;
	if (s->kind == SECRET_CONFIG_FRAGMENT) {
		put_word(b, 4, "value", s->value);
		return;
	}
	put_indent(b, 4);
	buf_text(b, "value:");
	put_long(b, 6, s->value);
	buf_text(b, "\n");
}

/* How CAS makes it. */
static void put_making(struct buf *b, const struct secret_spec *s)
{
	if (s->kind == SECRET_ASCII || s->kind == SECRET_BINARY)
		put_number(b, 4, "size", s->size);
	put_line(b, 4, "charset", s->charset);
	if (s->kind == SECRET_PRIVATE_KEY)
		put_word(b, 4, "key_type", session_key_types[s->key_type]);
	put_line(b, 4, "issuer", s->issuer);
	put_line(b, 4, "common_name", s->common_name);
	if (s->endpoint != ENDPOINT_ANY)
		put_word(b, 4, "endpoint", session_endpoints[s->endpoint]);
	put_list(b, 4, "san", &s->san);
	if (s->kind == SECRET_X509 || s->kind == SECRET_X509_CA) {
		put_key(b, 4, "valid_for");
		put_time(b, s->valid_for);
		buf_text(b, "\n");
	}
	if (s->kind == SECRET_JWT) {
		put_line(b, 4, "alg", s->algorithm);
		buf_text(b, "    validity: {for: ");
		put_time(b, s->valid_for);
		buf_text(b, "}\n");
		put_pairs(b, 4, "payload", &s->payload);
	}
	if (s->rotate_every) {
		buf_text(b, "    rotate: {every: ");
		put_time(b, s->rotate_every);
		if (s->rotate_grace) {
			buf_text(b, ", grace: ");
			put_time(b, s->rotate_grace);
		}
		buf_text(b, "}\n");
	}
}

static void put_secret(struct buf *b, const struct secret_spec *s)
{
	buf_text(b, "  - name: ");
	put_text(b, s->name);
	buf_text(b, "\n");
	if (s->kind != SECRET_IMPORTED)
		put_word(b, 4, "kind", session_secret_kinds[s->kind]);
	if (s->import.count > 0) {
		put_import(b, "secret", &s->import);
		return;
	}
	put_line(b, 4, s->kind == SECRET_JWT ? "signer" : "private_key",
		s->private_key);
	if (s->value)
		put_value(b, s);
	else
		put_making(b, s);
	if (s->migrate)
		put_word(b, 4, "migrate", "true");
	put_list(b, 4, "write", &s->writers);
	put_exports(b, &s->exports);
	if (s->export_public)
		put_word(b, 4, "export_public", "true");
}

/* ---- volumes, images ---- */

static void put_volume(struct buf *b, const struct session_volume *v)
{
	const struct session_ref *r = v->exports.item;

	buf_text(b, "  - name: ");
	put_text(b, v->name);
	buf_text(b, "\n");
	if (v->authenticated_only)
		put_word(b, 4, "files", "authenticated-only");
	put_line(b, 4, "fspf_key", v->key);
	put_line(b, 4, "fspf_tag", v->tag);
	put_import(b, "volume", &v->import);
	if (v->exports.count > 0)
		buf_text(b, "    export:\n");
	for (size_t i = 0; i < v->exports.count; i++) {
		buf_text(b, "      - {to: ");
		put_ref(b, &r[i]);
		buf_format(b, "}, update_policy: %s",
			session_update_policies[r[i].update_policy]);
		if (r[i].alias) {
			buf_text(b, ", volume_alias: ");
			put_text(b, r[i].alias);
		}
		buf_text(b, "}\n");
	}
}

static void put_files(struct buf *b, const struct item_list *list)
{
	const struct injection_file *f = list->item;

	if (list->count > 0)
		buf_text(b, "    injection_files:\n");
	for (size_t i = 0; i < list->count; i++) {
		buf_text(b, "      - path: ");
		put_text(b, f[i].path);
		buf_format(b, "\n        permission: 0o%llo\n",
			(unsigned long long)f[i].mode);
		if (!f[i].content)
			continue;
		buf_text(b, "        content:");
		put_long(b, 10, f[i].content);
		buf_text(b, "\n");
	}
}

static void put_mounts(struct buf *b, const struct item_list *list)
{
	static const char *const types[] = {"host", "tmpfs", "proc", "dev"};
	const struct mount_spec *m = list->item;

	if (list->count > 0)
		buf_text(b, "    mounts:\n");
	for (size_t i = 0; i < list->count; i++) {
		buf_format(b, "      - {type: %s, target: ", types[m[i].type]);
		put_text(b, m[i].target);
		if (m[i].source) {
			buf_text(b, ", source: ");
			put_text(b, m[i].source);
		}
		if (m[i].size)
			buf_format(b, ", size: %llu",
				(unsigned long long)m[i].size);
		buf_text(b, m[i].ro ? ", ro: true}\n" : "}\n");
	}
}

static void put_image(struct buf *b, const struct session_image *m)
{
	const struct image_volume *v = m->volumes.item;

	buf_text(b, "  - name: ");
	put_text(b, m->name);
	buf_text(b, "\n");
	put_line(b, 4, "root", m->root);
	if (m->volumes.count > 0)
		buf_text(b, "    volumes:\n");
	for (size_t i = 0; i < m->volumes.count; i++) {
		buf_text(b, "      - {name: ");
		put_text(b, v[i].name);
		buf_text(b, ", path: ");
		put_text(b, v[i].path);
		buf_format(b, ", update_policy: %s%s}\n",
			session_update_policies[v[i].update_policy],
			v[i].ro ? ", ro: true" : "");
	}
	put_files(b, &m->files);
	put_list(b, 4, "provide_secrets", &m->provide_secrets);
	put_mounts(b, &m->mounts);
}

/* ---- access ---- */

static void put_base64(struct buf *b, struct bytes bytes)
{
	char text[BASE64_TEXT(SPKI_MAX)];

	if (bytes.size > SPKI_MAX) {
		b->failed = true;
		return;
	}
	EVP_EncodeBlock((uint8_t *)text, bytes.data, (int)bytes.size);
	buf_format(b, "\"%s\"", text);
}

/* The rule and all below it; the next one. */
static const struct access_rule *put_rule(
	struct buf *b, const struct access_rule *rule)
{
	const struct access_rule *next = rule + 1;
	char hex[65];

	switch (rule->kind) {
	case PRINCIPAL_CREATOR:
		buf_text(b, "CREATOR");
		break;
	case PRINCIPAL_ANY:
		buf_text(b, "ANY");
		break;
	case PRINCIPAL_NONE:
		buf_text(b, "NONE");
		break;
	case PRINCIPAL_VARIABLE:
		put_text(b, rule->variable);
		break;
	case PRINCIPAL_KEY:
		bytes_to_hex(rule->key.data, 32, hex);
		buf_text(b, hex);
		break;
	case PRINCIPAL_SIGNER:
		buf_text(b, "{signer: ");
		if (rule->variable)
			put_text(b, rule->variable);
		else
			put_base64(b, rule->spki);
		if (rule->organisation) {
			buf_text(b, ", organisation: ");
			put_text(b, rule->organisation);
		}
		buf_text(b, "}");
		break;
	default:
		if (rule->need == rule->count)
			buf_text(b, "{require-all: [");
		else
			buf_format(b, "{require-at-least-%llu: [",
				(unsigned long long)rule->need);
		for (uint64_t i = 0; i < rule->count; i++) {
			buf_text(b, i > 0 ? ", " : "");
			next = put_rule(b, next);
		}
		buf_text(b, "]}");
	}
	return next;
}

static void put_rules(struct buf *b, unsigned indent, const char *key,
	const struct item_list *list)
{
	const struct access_rule *rule = list->item, *end;
	const char *between = "";

	if (list->count == 0)
		return;
	end = rule + list->count;
	put_key(b, indent, key);
	buf_text(b, "[");
	while (rule < end) {
		buf_text(b, between);
		rule = put_rule(b, rule);
		between = ", ";
	}
	buf_text(b, "]\n");
}

static void put_access(struct buf *b, const struct session *s)
{
	if (s->access_variable) {
		put_line(b, 0, "access_policy", s->access_variable);
		return;
	}
	buf_text(b, "access_policy:\n");
	for (size_t i = 0; i < ACCESS_RIGHTS; i++)
		if (i != ACCESS_DELETE || strcmp(s->version, "1.0") == 0)
			put_rules(b, 2, session_rights[i], &s->access[i]);
}

/* ---- the rest ---- */

static void put_tolerate(struct buf *b, uint64_t tolerate)
{
	const char *between = "";

	put_key(b, 4, "tolerate");
	buf_text(b, "[");
	for (size_t i = 0; i < ARRAY_SIZE(session_tolerances); i++)
		if (tolerate >> i & 1) {
			buf_format(b, "%s%s", between, session_tolerances[i]);
			between = ", ";
		}
	buf_text(b, "]\n");
}

static void put_security(struct buf *b, const struct session_security *s)
{
	bool any = s->ignore_advisories.count == 1 &&
		strcmp(s->ignore_advisories.item[0], "*") == 0;

	buf_format(b, "security:\n  singleton_enclaves: %s\n",
		s->singleton ? "true" : "false");
	put_line(b, 2, "service_access_token", s->access_token);
	if (s->attestation) {
		put_line(b, 2, "attestation", s->attestation);
		return;
	}
	buf_format(b, "  attestation:\n    mode: %s\n", session_modes[s->mode]);
	if (s->tolerate)
		put_tolerate(b, s->tolerate);
	if (any)
		buf_text(b, "    ignore_advisories: \"*\"\n");
	else
		put_list(b, 4, "ignore_advisories", &s->ignore_advisories);
	put_line(b, 4, "one_time_password_shared_secret", s->otp_secret);
}

static void put_board(struct buf *b, const struct session_board *board)
{
	buf_text(b, "board:\n  open_for: ");
	put_time(b, board->open_for);
	if (board->open_at_least) {
		buf_text(b, "\n  open_at_least: ");
		put_time(b, board->open_at_least);
	}
	buf_text(b, "\n");
	put_rules(b, 2, "veto", &board->veto);
}

#define PUT_ALL(b, s, key, list, type, put)                     \
	do {                                                    \
		const struct type *item_ = (s)->list.item;      \
                                                                \
		if ((s)->list.count > 0)                        \
			buf_text(b, key ":\n");                 \
		for (size_t i_ = 0; i_ < (s)->list.count; i_++) \
			put(b, &item_[i_]);                     \
	} while (0)

int session_yaml(const struct session *s, struct buf *b)
{
	put_line(b, 0, "name", s->name);
	buf_format(b, "version: \"%s\"\n", s->version);
	put_hex(b, 0, "predecessor", s->predecessor);
	put_hex(b, 0, "namespace_hash", s->namespace_hash);
	put_hex(b, 0, "salt", s->salt);
	put_hex(b, 0, "creator", s->creator);
	PUT_ALL(b, s, "services", services, session_service, put_service);
	PUT_ALL(b, s, "secrets", secrets, secret_spec, put_secret);
	PUT_ALL(b, s, "volumes", volumes, session_volume, put_volume);
	PUT_ALL(b, s, "images", images, session_image, put_image);
	put_access(b, s);
	put_security(b, &s->security);
	if (strcmp(s->version, "1.0") == 0) {
		put_board(b, &s->board);
		buf_format(b, "cas_requirements: {rollback: %s}\n",
			session_rollbacks[s->requirements.rollback]);
		put_hex(b, 0, "audit_key", s->audit_key);
	}
	return buf_check(b);
}
