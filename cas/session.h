/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A session: one policy, as its owner wrote it and CAS keeps it.
 *
 * People write YAML (doc/policy.md: SCONE's session language 0.3 to 0.3.12 and
 * our 1.0); session_parse() reads it into this structure, which has one
 * canonical CBOR form (tables as in lib/schema.h). The session hash is the
 * SHA-256 of that form, creator included, so it names what the policy means and
 * not how it was spelt. Names in references are absolute after parsing.
 *
 * Texts may hold $$SCONE::name:format$$ and @@n (cas/subst.h); where a value
 * must be known to judge something (hashes, keys), the text stays as written
 * and is resolved when it is used.
 */
#pragma once

#include "lib/buf.h"
#include "lib/manifest.h"

enum {
	SESSION_YAML_MAX = 1024 * 1024,
	SESSION_SIZE_MAX = 1024 * 1024, /* canonical form */
	SESSION_NAME_MAX = 1024, /* whole name; a segment: 512 */
	SESSION_HASH_SIZE = 32,
};

enum secret_kind {
	SECRET_ASCII,
	SECRET_BINARY,
	SECRET_PRIVATE_KEY,
	SECRET_PUBLIC_KEY,
	SECRET_X509,
	SECRET_X509_CA,
	SECRET_JWT,
	SECRET_CONFIG_FRAGMENT,
	SECRET_IMPORTED, /* the policy does not say: as in `import` */
};

enum key_type {
	KEY_P256,
	KEY_P384,
	KEY_ED25519,
	KEY_RSA_2048,
	KEY_RSA_3072,
};

enum x509_endpoint {
	ENDPOINT_ANY,
	ENDPOINT_SERVER,
	ENDPOINT_CLIENT,
};

/* Who may import, or from whom something is imported. */
struct session_ref {
	const char *session; /* absolute name; NULL: a name space */
	const char *namespace; /* absolute; NULL: a session */
	struct bytes hash; /* of the session or name space; none: any version */
	const char *secret; /* imports: its name there */
	const char *alias; /* exports of volumes: its name for the importer */
	uint64_t update_policy; /* of volumes: enum volume_tag_policy */
};

struct secret_spec {
	const char *name;
	uint64_t kind; /* enum secret_kind */
	uint64_t size; /* ascii: characters, binary: bytes; default 20; also of
			  values that are given */
	uint64_t key_type;
	const char *value; /* given, not generated; of binary: hexadecimal
			      digits; of keys and certificates: PEM; of
			      config-fragment: YAML */
	const char *charset; /* ascii, 1.0: characters to choose from */
	bool migrate; /* private keys survive updates */
	/* public-key, x509, x509-ca, jwt: names of other secrets */
	const char *private_key;
	const char *issuer; /* NULL: self-signed */
	const char *common_name;
	uint64_t endpoint;
	struct text_list san; /* "dns:...", "ip:..." */
	uint64_t valid_for; /* s; default 10 years; renewed after 2/3 of it */
	/* jwt */
	const char *algorithm; /* ES256, ES384, EdDSA */
	struct text_map payload;
	/* sharing */
	struct item_list exports; /* of struct session_ref */
	bool export_public;
	struct item_list import; /* of struct session_ref, at most one */
	/* 1.0 */
	uint64_t rotate_every; /* s; 0: never */
	uint64_t rotate_grace; /* s for which the previous value is told too */
	struct text_list writers; /* services that may write it */
};

struct session_volume {
	const char *name;
	bool authenticated_only;
	const char *key, *tag; /* hex or variable; NULL: CAS keeps them */
	struct item_list exports; /* of struct session_ref */
	struct item_list import; /* at most one; secret: the volume's name */
};

struct image_volume {
	const char *name; /* of a session_volume, own or imported */
	const char *path;
	uint64_t update_policy; /* enum volume_tag_policy */
	bool ro;
};

struct injection_file {
	const char *path;
	const char *content; /* NULL: the file of the root image with that
				path, with variables replaced */
	uint64_t mode; /* default 0700 */
};

struct session_image {
	const char *name;
	const char *root; /* 1.0: hash of the sealed root image, or NULL */
	struct item_list volumes; /* of struct image_volume */
	struct item_list files; /* of struct injection_file */
	struct text_list provide_secrets;
	/* 1.0: mounts beside "/", as in a manifest; of struct mount_spec */
	struct item_list mounts;
};

/* One alternative of `attestation`; all of its parts must hold. */
struct attest_variant {
	const char *variable; /* the whole variant is that secret's value */
	uint64_t tee; /* enum attest_tee */
	struct text_list mrenclave; /* hex or variable, any of them */
	const char *mrsigner; /* hex, or a variable for all of `signer` */
	bool has_signer;
	uint64_t isv_prod_id;
	uint64_t isv_svn_min, isv_svn_max;
	/* SGX: CONFIGID. NULL: the manifest that `sconce run --cas` makes for
	 * this session of this CAS; else 64 or 128 hex digits */
	const char *config_id;
	/* 1.0, other fields of evidence (attest/appraise.h): mrtd, rtmr0,
	 * measurement, host_data, ... => "V[,V...]": one of these values;
	 * ">=V": at least; "V/M": V where the mask M has ones. V and M:
	 * hexadecimal digits, or decimal where the field is a number. */
	struct text_map fields;
};

enum attest_tee {
	TEE_SGX,
	TEE_TDX,
	TEE_SNP,
};

enum lease_expiry {
	EXPIRY_KEEP, /* it goes on without CAS */
	EXPIRY_STOP,
};

struct session_service {
	const char *name;
	struct text_list command; /* split; [0] is the program */
	struct text_map environment;
	const char *pwd; /* default "/" */
	const char *image_name;
	struct item_list attestation; /* of struct attest_variant */
	struct text_list platforms; /* "INTEL_QE_ID:hex" */
	const char *otp_secret;
	/* Older way to name the root file system: path is "/" or empty. */
	const char *fspf_path, *fspf_key, *fspf_tag;
	uint64_t fspf_update_policy; /* enum volume_tag_policy */
	/* 1.0 */
	uint64_t instances; /* at most so many at a time, 0: any number */
	uint64_t starts_per_hour; /* 0: any number */
	uint64_t lease; /* s; default 60 */
	uint64_t on_expiry; /* enum lease_expiry */
	bool network; /* default true; 0.3: always */
	struct manifest_limits limits;
	const char *hostname;
	uint64_t signals;
};

/* attestation.mode */
enum attest_mode {
	MODE_HARDWARE,
	MODE_EMULATED, /* 1.0: hardware or emulated */
	MODE_NONE, /* evidence is not wanted */
};

/* attestation.tolerate */
enum session_tolerate {
	TOLERATE_DEBUG = 1,
	TOLERATE_HYPERTHREADING = 2, /* CONFIGURATION_NEEDED */
	TOLERATE_INSECURE_IGPU = 4,
	TOLERATE_SW_HARDENING = 8,
	TOLERATE_AEPIC_LEAK = 16,
	TOLERATE_CONFIGURATION = 32,
	TOLERATE_OUTDATED_TCB = 64,
	TOLERATE_EMULATED = 128,
};

struct session_security {
	bool singleton; /* one-time token for each start */
	const char *access_token;
	const char *attestation; /* variable: rules are that secret's value */
	uint64_t mode, tolerate;
	struct text_list ignore_advisories; /* "*": any */
	const char *otp_secret;
};

enum principal_kind {
	PRINCIPAL_CREATOR,
	PRINCIPAL_KEY, /* SHA-256 of a TLS client key's SPKI */
	PRINCIPAL_SIGNER, /* whose signature counts: spki and its hash, or a
			     variable that has a key as PEM */
	PRINCIPAL_ANY,
	PRINCIPAL_NONE,
	PRINCIPAL_AT_LEAST, /* `need` of `rules` */
	PRINCIPAL_VARIABLE,
};

/* A rule of access_policy: trees, kept as a list in which the children of
 * rule i stand behind it, each with its own below it (pre-order). Any tree of
 * the list suffices. */
struct access_rule {
	uint64_t kind; /* enum principal_kind */
	uint64_t need, count; /* AT_LEAST: of so many children */
	struct bytes key; /* SHA-256 of DER SubjectPublicKeyInfo */
	struct bytes spki; /* SIGNER: the key itself, DER */
	const char *variable;
	const char *organisation; /* 1.0: at most one of each counts; or NULL */
};

enum access_right {
	ACCESS_READ,
	ACCESS_UPDATE,
	ACCESS_CREATE_SESSIONS,
	ACCESS_LIST_SESSIONS,
	ACCESS_DELETE, /* 1.0, default: as update; before: nobody */
	ACCESS_RIGHTS,
};

/* 1.0: how changes are decided on in CAS itself. */
struct session_board {
	uint64_t open_for; /* s until a proposal expires; default 7 days */
	uint64_t open_at_least; /* s before which nothing takes effect */
	struct item_list veto; /* of struct access_rule */
};

/* 1.0: what CAS must be like to keep this session. */
struct session_requirements {
	uint64_t rollback; /* 0 any, 1 TPM or quorum, 2 quorum */
};

struct session {
	const char *name; /* without leading '/'; "/" is the root */
	const char *version; /* "0.3.11", "1.0" */
	struct bytes predecessor; /* hash; not part of the session hash */
	struct bytes namespace_hash;
	struct bytes salt;
	struct bytes creator; /* SHA-256 of SPKI, set by CAS */
	struct item_list services; /* of struct session_service */
	struct item_list secrets; /* of struct secret_spec */
	struct item_list volumes; /* of struct session_volume */
	struct item_list images; /* of struct session_image */
	struct item_list access[ACCESS_RIGHTS]; /* of struct access_rule */
	/* The whole access_policy is that secret's value; access is as without
	 * a policy. */
	const char *access_variable;
	struct session_security security;
	struct session_board board;
	struct session_requirements requirements;
	struct bytes audit_key; /* 1.0: X25519, 32 bytes: reads the details */
	void *memory; /* everything it points to; session_free */
};

/*
 * Reads YAML. name stands before ":LINE:COLUMN" in messages. -EINVAL: unknown
 * or doubled keys (with the nearest known one), values out of bounds, names
 * that nothing has, features that are not there (named as such); -ENOMEM.
 * *out is freed with session_free().
 */
must_check int session_parse(const char *name, const char *text, size_t size,
	struct session **out, struct err *e);
void session_free(struct session *s); /* NULL is fine */

/* The policy as YAML text, appended: session_parse() gives the same session.
 * Values that CAS makes are not in it; given ones are. */
must_check int session_yaml(const struct session *s, struct buf *out);

/* The canonical form, appended; and back. */
must_check int session_encode(const struct session *s, struct buf *out);
must_check int session_decode(
	const void *data, size_t size, struct session **out, struct err *e);
/* SHA-256 of the canonical form without predecessor. */
must_check int session_hash(
	const struct session *s, uint8_t hash[static SESSION_HASH_SIZE]);

/*
 * Values of config-fragments that stand in the place of rules: YAML of the
 * shape that a policy has there, without variables.
 */
struct session_rules {
	struct item_list attestation; /* of struct attest_variant */
	struct session_security security;
	struct text_list texts;
	void *memory; /* session_rules_free */
};

/* One variant of `attestation`, or a list of them. Errors as session_parse();
 * each of these three fills its own part of *out. */
must_check int session_parse_attestation(const char *name, const char *text,
	size_t size, struct session_rules *out, struct err *e);
/* The map behind `security.attestation`: mode, tolerate, ... */
must_check int session_parse_security(const char *name, const char *text,
	size_t size, struct session_rules *out, struct err *e);
/* A text or a list of texts, such as hashes. */
must_check int session_parse_texts(const char *name, const char *text,
	size_t size, struct session_rules *out, struct err *e);
void session_rules_free(struct session_rules *r); /* frees memory only */

/* Lookups; NULL: there is none. */
const struct session_service *session_service(
	const struct session *s, const char *name);
const struct secret_spec *session_secret(
	const struct session *s, const char *name);
const struct session_volume *session_volume(
	const struct session *s, const char *name);
const struct session_image *session_image(
	const struct session *s, const char *name);

/*
 * What a change means, one line for each effect, for people and for those who
 * sign: which service gains or loses which secret, which measurement may
 * start, who may read or update, what is regenerated. old NULL: a new session.
 */
must_check int session_diff(const struct session *old,
	const struct session *changed, struct buf *out);
