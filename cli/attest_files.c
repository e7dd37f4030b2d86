/* SPDX-License-Identifier: Apache-2.0 */
/* What options name that may be digits or a file. */
#include <errno.h>
#include <stdlib.h>

#include "cli/attest_cmd.h"
#include "lib/string.h"

static bool from_hex(const char *text, uint8_t data[64])
{
	size_t len = strnlen(text, 129);

	return len <= 128 && len % 2 == 0 &&
		string_from_hex(text, data, len / 2);
}

int attest_report_data(const struct options *o, uint8_t data[64], struct err *e)
{
	const char *text = o->value[ATTEST_REPORT_DATA];
	struct attest_file file;
	int ret;

	memset(data, 0, 64);
	if (text == NULL)
		return -ENOENT;
	if (from_hex(text, data))
		return 0;
	memset(data, 0, 64);
	ret = attest_file_read(&file, "--report-data", text, e);
	if (ret < 0)
		/* No file of that name: then digits were meant. */
		return ret != -ENOENT
			? ret
			: err_setf(e, -EINVAL,
				  "--report-data '%.60s': neither up to 128 "
				  "hexadecimal digits nor a file",
				  text);
	if (file.size > 64)
		ret = err_setf(e, -EFBIG,
			"--report-data %s: %zu bytes; wanted at most 64, a "
			"hash for what is longer",
			text, file.size);
	else
		memcpy(data, file.data, file.size);
	free(file.data);
	return ret;
}
