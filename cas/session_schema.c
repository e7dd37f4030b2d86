/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The canonical form of sessions, as tables. Rows stand in canonical order of
 * their keys: the shorter first. Changing a key, a bound or a kind changes
 * session hashes: test/policies/session-hash.json pins them.
 */
#include "cas/session_schema.h"

#include "lib/string.h"

#define AT(type, field) .offset = offsetof(struct type, field)
#define COUNT(fields) ARRAY_SIZE(fields)
#define TEXT SCHEMA_TEXT
#define UINT SCHEMA_UINT
#define OPT SCHEMA_OPTIONAL

static const struct schema_field ref_fields[] = {
	{"hash", SCHEMA_BYTES, OPT, AT(session_ref, hash), .max = 32},
	{"alias", TEXT, OPT, AT(session_ref, alias), .min = 1,
		.max = SESSION_ITEM_NAME_MAX},
	{"secret", TEXT, OPT, AT(session_ref, secret), .min = 1,
		.max = SESSION_ITEM_NAME_MAX},
	{"session", TEXT, OPT, AT(session_ref, session), .min = 1,
		.max = SESSION_NAME_MAX},
	{"namespace", TEXT, OPT, AT(session_ref, namespace), .min = 1,
		.max = SESSION_NAME_MAX},
	{"update_policy", UINT, 0, AT(session_ref, update_policy), .max = 2},
};
const struct schema session_ref_schema = {
	"ref", ref_fields, COUNT(ref_fields), sizeof(struct session_ref), NULL};

static const struct schema_field secret_fields[] = {
	{"san", SCHEMA_TEXT_LIST, OPT, AT(secret_spec, san), .min = 4,
		.max = 300},
	{"kind", UINT, 0, AT(secret_spec, kind), .max = SECRET_IMPORTED},
	{"name", TEXT, 0, AT(secret_spec, name), .min = 1,
		.max = SESSION_ITEM_NAME_MAX},
	{"size", UINT, 0, AT(secret_spec, size), .max = SESSION_VALUE_MAX},
	{"value", TEXT, OPT, AT(secret_spec, value),
		.max = 2 * SESSION_VALUE_MAX},
	{"import", SCHEMA_STRUCT_LIST, OPT, AT(secret_spec, import), .max = 1,
		.sub = &session_ref_schema},
	{"issuer", TEXT, OPT, AT(secret_spec, issuer), .min = 1,
		.max = SESSION_ITEM_NAME_MAX},
	{"charset", TEXT, OPT, AT(secret_spec, charset), .min = 2, .max = 95},
	{"exports", SCHEMA_STRUCT_LIST, OPT, AT(secret_spec, exports),
		.max = SESSION_LIST_MAX, .sub = &session_ref_schema},
	{"migrate", SCHEMA_BOOL, 0, AT(secret_spec, migrate)},
	{"payload", SCHEMA_TEXT_MAP, OPT, AT(secret_spec, payload),
		.max = 64 * 1024},
	{"writers", SCHEMA_TEXT_LIST, OPT, AT(secret_spec, writers), .min = 1,
		.max = SESSION_ITEM_NAME_MAX},
	{"endpoint", UINT, 0, AT(secret_spec, endpoint),
		.max = ENDPOINT_CLIENT},
	{"key_type", UINT, 0, AT(secret_spec, key_type), .max = KEY_RSA_3072},
	{"algorithm", TEXT, OPT, AT(secret_spec, algorithm), .min = 5,
		.max = 5},
	{"valid_for", UINT, 0, AT(secret_spec, valid_for),
		.max = SESSION_TIME_MAX},
	{"common_name", TEXT, OPT, AT(secret_spec, common_name), .min = 1,
		.max = 64},
	{"private_key", TEXT, OPT, AT(secret_spec, private_key), .min = 1,
		.max = SESSION_ITEM_NAME_MAX},
	{"rotate_every", UINT, 0, AT(secret_spec, rotate_every),
		.max = SESSION_TIME_MAX},
	{"rotate_grace", UINT, 0, AT(secret_spec, rotate_grace),
		.max = SESSION_TIME_MAX},
	{"export_public", SCHEMA_BOOL, 0, AT(secret_spec, export_public)},
};
const struct schema session_secret_schema = {"secret", secret_fields,
	COUNT(secret_fields), sizeof(struct secret_spec), NULL};

static const struct schema_field volume_fields[] = {
	{"key", TEXT, OPT, AT(session_volume, key), .min = 1,
		.max = SESSION_VARIABLE_MAX},
	{"tag", TEXT, OPT, AT(session_volume, tag), .min = 1,
		.max = SESSION_VARIABLE_MAX},
	{"name", TEXT, 0, AT(session_volume, name), .min = 1, .max = 64},
	{"import", SCHEMA_STRUCT_LIST, OPT, AT(session_volume, import),
		.max = 1, .sub = &session_ref_schema},
	{"exports", SCHEMA_STRUCT_LIST, OPT, AT(session_volume, exports),
		.max = SESSION_LIST_MAX, .sub = &session_ref_schema},
	{"authenticated_only", SCHEMA_BOOL, 0,
		AT(session_volume, authenticated_only)},
};
const struct schema session_volume_schema = {"volume", volume_fields,
	COUNT(volume_fields), sizeof(struct session_volume), NULL};

static const struct schema_field image_volume_fields[] = {
	{"ro", SCHEMA_BOOL, 0, AT(image_volume, ro)},
	{"name", TEXT, 0, AT(image_volume, name), .min = 1, .max = 64},
	{"path", TEXT, SCHEMA_ABSOLUTE, AT(image_volume, path), .min = 1,
		.max = MANIFEST_PATH_MAX},
	{"update_policy", UINT, 0, AT(image_volume, update_policy), .max = 2},
};
const struct schema session_image_volume_schema = {"image volume",
	image_volume_fields, COUNT(image_volume_fields),
	sizeof(struct image_volume), NULL};

static const struct schema_field file_fields[] = {
	{"mode", UINT, 0, AT(injection_file, mode), .max = 07777},
	{"path", TEXT, SCHEMA_ABSOLUTE, AT(injection_file, path), .min = 2,
		.max = MANIFEST_PATH_MAX},
	{"content", TEXT, OPT, AT(injection_file, content),
		.max = SESSION_SIZE_MAX},
};
const struct schema session_file_schema = {"injection file", file_fields,
	COUNT(file_fields), sizeof(struct injection_file), NULL};

static const struct schema_field image_fields[] = {
	{"name", TEXT, 0, AT(session_image, name), .min = 1,
		.max = SESSION_ITEM_NAME_MAX},
	{"root", TEXT, OPT, AT(session_image, root), .min = 64, .max = 64},
	{"files", SCHEMA_STRUCT_LIST, OPT, AT(session_image, files),
		.max = SESSION_LIST_MAX, .sub = &session_file_schema},
	{"mounts", SCHEMA_STRUCT_LIST, OPT, AT(session_image, mounts),
		.max = MANIFEST_MOUNTS_MAX, .sub = &mount_schema},
	{"volumes", SCHEMA_STRUCT_LIST, OPT, AT(session_image, volumes),
		.max = MANIFEST_VOLUMES_MAX,
		.sub = &session_image_volume_schema},
	{"provide_secrets", SCHEMA_TEXT_LIST, OPT,
		AT(session_image, provide_secrets), .min = 1,
		.max = SESSION_ITEM_NAME_MAX},
};
const struct schema session_image_schema = {"image", image_fields,
	COUNT(image_fields), sizeof(struct session_image), NULL};

static const struct schema_field variant_fields[] = {
	{"tee", UINT, 0, AT(attest_variant, tee), .max = TEE_SNP},
	{"fields", SCHEMA_TEXT_MAP, OPT, AT(attest_variant, fields), .min = 1,
		.max = 16 * 130},
	{"mrsigner", TEXT, OPT, AT(attest_variant, mrsigner), .min = 1,
		.max = SESSION_VARIABLE_MAX},
	{"variable", TEXT, OPT, AT(attest_variant, variable), .min = 1,
		.max = SESSION_VARIABLE_MAX},
	{"config_id", TEXT, OPT, AT(attest_variant, config_id), .min = 64,
		.max = 128},
	{"mrenclave", SCHEMA_TEXT_LIST, OPT, AT(attest_variant, mrenclave),
		.min = 1, .max = SESSION_VARIABLE_MAX},
	{"has_signer", SCHEMA_BOOL, 0, AT(attest_variant, has_signer)},
	{"isv_prod_id", UINT, 0, AT(attest_variant, isv_prod_id), .max = 65535},
	{"isv_svn_max", UINT, 0, AT(attest_variant, isv_svn_max), .max = 65535},
	{"isv_svn_min", UINT, 0, AT(attest_variant, isv_svn_min), .max = 65535},
};
const struct schema session_variant_schema = {"attestation", variant_fields,
	COUNT(variant_fields), sizeof(struct attest_variant), NULL};

static const struct schema_field service_fields[] = {
	{"pwd", TEXT, SCHEMA_ABSOLUTE, AT(session_service, pwd), .min = 1,
		.max = MANIFEST_PATH_MAX},
	{"name", TEXT, 0, AT(session_service, name), .min = 1,
		.max = SESSION_ITEM_NAME_MAX},
	{"image", TEXT, OPT, AT(session_service, image_name), .min = 1,
		.max = SESSION_ITEM_NAME_MAX},
	{"lease", UINT, 0, AT(session_service, lease), .max = SESSION_TIME_MAX},
	{"limits", SCHEMA_STRUCT, 0, AT(session_service, limits),
		.sub = &manifest_limits_schema},
	{"command", SCHEMA_TEXT_LIST, 0, AT(session_service, command),
		.max = MANIFEST_TEXT_MAX},
	{"network", SCHEMA_BOOL, 0, AT(session_service, network)},
	{"signals", SCHEMA_FLAGS, 0, AT(session_service, signals), .max = 31,
		.names = manifest_signal_names},
	{"fspf_key", TEXT, OPT, AT(session_service, fspf_key), .min = 1,
		.max = SESSION_VARIABLE_MAX},
	{"fspf_tag", TEXT, OPT, AT(session_service, fspf_tag), .min = 1,
		.max = SESSION_VARIABLE_MAX},
	{"hostname", TEXT, OPT, AT(session_service, hostname), .min = 1,
		.max = 64},
	{"fspf_path", TEXT, OPT | SCHEMA_ABSOLUTE,
		AT(session_service, fspf_path), .min = 1,
		.max = MANIFEST_PATH_MAX},
	{"instances", UINT, 0, AT(session_service, instances),
		.max = UINT32_MAX},
	{"on_expiry", UINT, 0, AT(session_service, on_expiry),
		.max = EXPIRY_STOP},
	{"platforms", SCHEMA_TEXT_LIST, OPT, AT(session_service, platforms),
		.min = 1, .max = SESSION_VARIABLE_MAX},
	{"otp_secret", TEXT, OPT, AT(session_service, otp_secret), .min = 1,
		.max = SESSION_VARIABLE_MAX},
	{"attestation", SCHEMA_STRUCT_LIST, OPT,
		AT(session_service, attestation), .max = SESSION_LIST_MAX,
		.sub = &session_variant_schema},
	{"environment", SCHEMA_TEXT_MAP, OPT, AT(session_service, environment),
		.max = MANIFEST_TEXT_MAX},
	{"starts_per_hour", UINT, 0, AT(session_service, starts_per_hour),
		.max = UINT32_MAX},
	{"fspf_update_policy", UINT, 0, AT(session_service, fspf_update_policy),
		.max = 2},
};
const struct schema session_service_schema = {"service", service_fields,
	COUNT(service_fields), sizeof(struct session_service), NULL};

static const struct schema_field rule_fields[] = {
	{"key", SCHEMA_BYTES, OPT, AT(access_rule, key), .max = 32},
	{"kind", UINT, 0, AT(access_rule, kind), .max = PRINCIPAL_VARIABLE},
	{"need", UINT, 0, AT(access_rule, need), .max = SESSION_LIST_MAX},
	{"spki", SCHEMA_BYTES, OPT, AT(access_rule, spki), .max = 128},
	{"count", UINT, 0, AT(access_rule, count), .max = SESSION_LIST_MAX},
	{"variable", TEXT, OPT, AT(access_rule, variable), .min = 1,
		.max = SESSION_VARIABLE_MAX},
	{"organisation", TEXT, OPT, AT(access_rule, organisation), .min = 1,
		.max = 128},
};
const struct schema session_rule_schema = {"access rule", rule_fields,
	COUNT(rule_fields), sizeof(struct access_rule), NULL};

static const struct schema_field security_fields[] = {
	{"mode", UINT, 0, AT(session_security, mode), .max = MODE_NONE},
	{"tolerate", UINT, 0, AT(session_security, tolerate), .max = 255},
	{"singleton", SCHEMA_BOOL, 0, AT(session_security, singleton)},
	{"otp_secret", TEXT, OPT, AT(session_security, otp_secret), .min = 1,
		.max = SESSION_VARIABLE_MAX},
	{"attestation", TEXT, OPT, AT(session_security, attestation), .min = 1,
		.max = SESSION_VARIABLE_MAX},
	{"access_token", TEXT, OPT, AT(session_security, access_token),
		.min = 1, .max = 1024},
	{"ignore_advisories", SCHEMA_TEXT_LIST, OPT,
		AT(session_security, ignore_advisories), .min = 1, .max = 23},
};
static const struct schema security_schema = {"security", security_fields,
	COUNT(security_fields), sizeof(struct session_security), NULL};

static const struct schema_field board_fields[] = {
	{"veto", SCHEMA_STRUCT_LIST, OPT, AT(session_board, veto),
		.max = SESSION_LIST_MAX, .sub = &session_rule_schema},
	{"open_for", UINT, 0, AT(session_board, open_for),
		.max = SESSION_TIME_MAX},
	{"open_at_least", UINT, 0, AT(session_board, open_at_least),
		.max = SESSION_TIME_MAX},
};
static const struct schema board_schema = {"board", board_fields,
	COUNT(board_fields), sizeof(struct session_board), NULL};

static const struct schema_field requirements_fields[] = {
	{"rollback", UINT, 0, AT(session_requirements, rollback), .max = 2},
};
static const struct schema requirements_schema = {"cas_requirements",
	requirements_fields, COUNT(requirements_fields),
	sizeof(struct session_requirements), NULL};

#define RULES(key, right)                                                    \
	{                                                                    \
		key, SCHEMA_STRUCT_LIST, 0, AT(session, access[right]),      \
			.max = SESSION_LIST_MAX, .sub = &session_rule_schema \
	}

static const struct schema_field session_fields[] = {
	{"name", TEXT, 0, AT(session, name), .min = 1, .max = SESSION_NAME_MAX},
	RULES("read", ACCESS_READ),
	{"salt", SCHEMA_BYTES, OPT, AT(session, salt), .max = 16},
	{"board", SCHEMA_STRUCT, 0, AT(session, board), .sub = &board_schema},
	RULES("delete", ACCESS_DELETE),
	{"images", SCHEMA_STRUCT_LIST, 0, AT(session, images),
		.max = SESSION_LIST_MAX, .sub = &session_image_schema},
	RULES("update", ACCESS_UPDATE),
	{"creator", SCHEMA_BYTES, OPT, AT(session, creator), .max = 32},
	{"secrets", SCHEMA_STRUCT_LIST, 0, AT(session, secrets),
		.max = SESSION_SECRETS_MAX, .sub = &session_secret_schema},
	{"version", TEXT, 0, AT(session, version), .min = 3, .max = 6},
	{"volumes", SCHEMA_STRUCT_LIST, 0, AT(session, volumes),
		.max = SESSION_LIST_MAX, .sub = &session_volume_schema},
	{"security", SCHEMA_STRUCT, 0, AT(session, security),
		.sub = &security_schema},
	{"services", SCHEMA_STRUCT_LIST, 0, AT(session, services),
		.max = SESSION_LIST_MAX, .sub = &session_service_schema},
	{"audit_key", SCHEMA_BYTES, OPT, AT(session, audit_key), .max = 32},
	{"predecessor", SCHEMA_BYTES, OPT, AT(session, predecessor), .max = 32},
	{"list_sessions", SCHEMA_STRUCT_LIST, 0,
		AT(session, access[ACCESS_LIST_SESSIONS]),
		.max = SESSION_LIST_MAX, .sub = &session_rule_schema},
	{"namespace_hash", SCHEMA_BYTES, OPT, AT(session, namespace_hash),
		.max = 32},
	{"access_variable", TEXT, OPT, AT(session, access_variable), .min = 1,
		.max = SESSION_VARIABLE_MAX},
	{"create_sessions", SCHEMA_STRUCT_LIST, 0,
		AT(session, access[ACCESS_CREATE_SESSIONS]),
		.max = SESSION_LIST_MAX, .sub = &session_rule_schema},
	{"cas_requirements", SCHEMA_STRUCT, 0, AT(session, requirements),
		.sub = &requirements_schema},
};
const struct schema session_schema = {"session", session_fields,
	COUNT(session_fields), sizeof(struct session), NULL};
