/* SPDX-License-Identifier: Apache-2.0 */
/*
 * insn-oracle: compare the instruction length decoder with Zydis over the
 * executable sections of ELF files.
 *
 *   insn-oracle [-t SECONDS] [-m MEGABYTES] [-n SHOWN] FILE|DIR...
 *
 * Exit status 1 if any length or property differs or anything is missed.
 */
#include "tools/oracle.h"

#include <fts.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct oracle o = {.show = 40};
	const struct oracle_sum *sum = &o.sum;
	FTSENT *e;
	FTS *fts;
	int c;

	while ((c = getopt(argc, argv, "t:m:n:")) != -1) {
		if (c == 't')
			o.deadline = time(NULL) + atoi(optarg);
		else if (c == 'm')
			o.byte_limit = strtoull(optarg, NULL, 10) << 20;
		else if (c == 'n')
			o.show = (unsigned int)strtoul(optarg, NULL, 10);
		else
			return 2;
	}
	if (optind == argc) {
		fputs("usage: insn-oracle [-t SECONDS] [-m MEGABYTES] "
		      "[-n SHOWN] FILE|DIR...\n",
			stderr);
		return 2;
	}
	fts = fts_open(
		argv + optind, FTS_PHYSICAL | FTS_COMFOLLOW | FTS_XDEV, NULL);
	if (!fts)
		return 2;
	while (!oracle_finished(&o) && (e = fts_read(fts)))
		if (e->fts_info == FTS_F)
			oracle_scan_file(&o, e->fts_accpath);
	fts_close(fts);
	printf("%lu files, %.1f MB, %lu instructions: %lu length mismatches, "
	       "%lu missed, %lu other differences; %lu bytes not decodable, "
	       "%lu of them let through\n",
		sum->files, (double)sum->bytes / 1e6, sum->insns, sum->length,
		sum->missed, sum->property, sum->undecodable, sum->lenient);
	return sum->length || sum->missed || sum->property;
}
