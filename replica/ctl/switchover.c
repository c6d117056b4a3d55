/* bazarctl switchover: the primary hands its office over; nothing is lost and no request fails. */
#include <getopt.h>
#include <stdio.h>

#include "replica/ctl/operate.h"
#include "replica/ctl/report.h"

static int
refused(const struct node *primary, const struct node *heir, enum core_told result)
{
	if (result == TOLD_NOT_IN_SYNC)
		return ctl_fail("%s is not in sync, so it may lack writes; wait until `bazarctl "
				"status` shows it in sync, then try again",
		    heir->name);
	if (result == TOLD_INVALID)
		return ctl_fail(
		    "%s is no member of the replica set; `bazarctl member add` makes it "
		    "one",
		    heir->name);
	return operate_refused(primary, result);
}

int
operate_hand_over(struct ctl *ctl, const struct node *primary, const struct node *heir)
{
	enum core_told result;
	json_t *command =
	    json_pack("{s:s, s:I}", "command", "hand-over", "id", (json_int_t)heir->id);
	if (!operate_command(ctl, primary, command, &result))
		return CTL_FAILED;
	if (result != TOLD_DONE)
		return refused(primary, heir, result);
	if (!operate_await_primary(ctl, heir))
		return CTL_FAILED;
	operate_follow(ctl, heir);
	printf("%s is primary of %s now, %s a backup.\n", heir->name,
	    node_service_name(heir->service), primary->name);
	return CTL_OK;
}

int
command_switchover(struct ctl *ctl, int argc, char **argv)
{
	enum node_service service;
	if (!ctl_takes(argc, argv, 2))
		return CTL_USAGE;
	if (!ctl_service(argv[optind], &service))
		return CTL_FAILED;
	const struct node *heir = ctl_node(ctl, argv[optind + 1]);
	if (heir == NULL)
		return CTL_FAILED;
	if (heir->service != service)
		return ctl_fail("%s is no replica of %s", heir->name, node_service_name(service));
	const struct node *primary = ctl_primary(ctl, service);
	if (primary == NULL)
		return CTL_FAILED;
	if (primary == heir) {
		operate_follow(ctl, heir);
		printf("%s is primary already.\n", heir->name);
		return CTL_OK;
	}
	return operate_hand_over(ctl, primary, heir);
}
