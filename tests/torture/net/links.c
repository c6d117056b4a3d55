/*
 * Preloaded into a worker of a tortured shop: whatever it connects to another replica goes through
 * the link from the one to the other, which tests/torture/net/proxy.c holds. Replicas at SHOP+80+i
 * reach those at SHOP+80+j by port SHOP+100+16*i+j.
 *
 *     TORTURE_SHOP=<the shop's port> TORTURE_SELF=<the worker's own, SHOP+80+i>
 */
#include <arpa/inet.h>
#include <dlfcn.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>

#define REPLICAS_MAX 16

static int (*next_connect)(int, const struct sockaddr *, socklen_t);
static unsigned first, self; /* 0: leave everything as it is */

static void __attribute__((constructor)) setup(void)
{
	const char *shop = getenv("TORTURE_SHOP"), *own = getenv("TORTURE_SELF");
	next_connect =
	    (int (*)(int, const struct sockaddr *, socklen_t))dlsym(RTLD_NEXT, "connect");
	if (shop == NULL || own == NULL)
		return;
	first = (unsigned)strtoul(shop, NULL, 10) + 80;
	self = (unsigned)strtoul(own, NULL, 10);
}

int
connect(int fd, const struct sockaddr *address, socklen_t len)
{
	struct sockaddr_in link;
	if (first == 0 || address->sa_family != AF_INET || len < sizeof(link))
		return next_connect(fd, address, len);
	link = *(const struct sockaddr_in *)address;
	unsigned port = ntohs(link.sin_port);
	if (port >= first && port < first + REPLICAS_MAX && port != self)
		link.sin_port =
		    htons((uint16_t)(first + 20 + REPLICAS_MAX * (self - first) + (port - first)));
	return next_connect(fd, (const struct sockaddr *)&link, sizeof(link));
}
