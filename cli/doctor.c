/* SPDX-License-Identifier: Apache-2.0 */
/* `sconce doctor`: prints what host/probe.c found, for people or as JSON. */
#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "cli/cmd.h"
#include "host/probe.h"

static const char *const state_names[] = {"ok", "missing", "unknown"};
static const char *const need_names[] = {
	"nothing", "every mode", "emulated mode", "hardware mode"};

static const char *mode_name(const struct probe_report *report)
{
	return report->mode == LAUNCH_HARDWARE    ? "hardware"
		: report->mode == LAUNCH_EMULATED ? "emulated"
						  : "none";
}

static void print_people(const struct probe_report *report)
{
	for (size_t i = 0; i < report->count; i++) {
		const struct probe_result *r = &report->result[i];

		printf("%-8s %-32s %s\n", state_names[r->state], r->what,
			r->seen);
		if (r->state != PROBE_MISSING)
			continue;
		printf("         effect: %s%s%s\n", r->effect,
			r->need != PROBE_INFO ? "; needed for " : "",
			r->need != PROBE_INFO ? need_names[r->need] : "");
		printf("         cure:   %s\n", r->cure);
	}
	printf("\nmode: %s (%s)\n", mode_name(report), report->reason);
	if (report->mode == LAUNCH_EMULATED)
		printf("Emulated mode runs the same code without protection: "
		       "for development and tests.\n");
}

static int print_json(const struct probe_report *report)
{
	json_t *root = json_object(), *list = json_array();

	for (size_t i = 0; i < report->count; i++) {
		const struct probe_result *r = &report->result[i];

		json_array_append_new(list,
			json_pack("{ss ss ss ss ss ss ss}", "name", r->name,
				"what", r->what, "state", state_names[r->state],
				"needed_for", need_names[r->need], "seen",
				r->seen, "effect", r->effect, "cure", r->cure));
	}
	json_object_set_new(root, "checks", list);
	json_object_set_new(root, "hardware_possible",
		json_boolean(report->hardware_possible));
	json_object_set_new(root, "emulated_possible",
		json_boolean(report->emulated_possible));
	json_object_set_new(root, "mode", json_string(mode_name(report)));
	json_object_set_new(root, "reason", json_string(report->reason));
	json_dumpf(root, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(root);
	return 0;
}

void cmd_doctor_print_options(void)
{
	printf("\n      --json                   for programs\n\n"
	       "Exit status: 0: programs can be run, 1: in no mode.\n");
}

int cmd_doctor(int argc, char **argv)
{
	static struct probe_report report;
	bool json = argc > 1 && strcmp(argv[1], "--json") == 0;
	struct err e;

	if (argc > 2 || (argc == 2 && !json)) {
		err_setf(&e, 0, "doctor: unknown argument %s; wanted --json",
			argv[argc > 2 ? 2 : 1]);
		return cmd_fail(&e, CMD_FAILED);
	}
	fflush(stdout);
	probe_machine(&report);
	if (json)
		print_json(&report);
	else
		print_people(&report);
	return report.mode == LAUNCH_AUTO ? 1 : CMD_OK;
}
