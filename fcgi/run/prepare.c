#include "fcgi/run/prepare.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fcgi/nodes.h"
#include "fcgi/run/logs.h"
#include "fcgi/run/nginx.h"
#include "fcgi/run/process.h"

/* Replicas' ports are above the stack's. */
#define OFFSET_FIRST 80
#define OFFSET_LAST 99

/* ---- The run directory ---- */

/* mkdir -p; the last one is for its owner only. */
static int
make_directories(const char *path)
{
	char part[STACK_PATH];
	snprintf(part, sizeof(part), "%s", path);
	for (char *slash = strchr(part + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(part, 0755) != 0 && errno != EEXIST)
			return -1;
		*slash = '/';
	}
	return mkdir(part, 0700) != 0 && errno != EEXIST ? -1 : 0;
}

int
prepare_run(struct stack *stack)
{
	struct stat info;
	if (make_directories(stack->run) != 0)
		return fail("Cannot create %s: %s.", stack->run, strerror(errno));
	if (stat(stack->run, &info) != 0 || !S_ISDIR(info.st_mode))
		return fail("%s is no directory.", stack->run);
	if (stack_canonical(stack) != 0)
		return fail("Cannot use %s.", stack->run);
	if (access(stack->run, W_OK | X_OK) != 0)
		return fail("Cannot write in %s: %s.", stack->run, strerror(errno));
	if ((info.st_mode & 077) != 0)
		return fail("%s is open to other users; say: chmod 700 %s", stack->run, stack->run);
	return 0;
}

/* ---- Checks ---- */

static bool
is_loopback(const struct sockaddr *address)
{
	if (address->sa_family == AF_INET) {
		const struct sockaddr_in *v4 = (const struct sockaddr_in *)address;
		return ntohl(v4->sin_addr.s_addr) >> 24 == 127;
	}
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)address;
	return address->sa_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);
}

/* Without a token everybody is an administrator: then only this machine may call. */
static int
check_listen(const struct settings *settings)
{
	struct addrinfo *found, wanted = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
	if (getaddrinfo(settings->listen, NULL, &wanted, &found) != 0)
		return fail(
		    "BAZAR_LISTEN: \"%s\" is no address of this machine.", settings->listen);
	bool loopback = true;
	for (struct addrinfo *a = found; a != NULL; a = a->ai_next)
		loopback = loopback && is_loopback(a->ai_addr);
	freeaddrinfo(found);
	if (!loopback && settings->admin_token[0] == '\0')
		return fail(
		    "BAZAR_LISTEN=%s is reachable from outside and needs BAZAR_ADMIN_TOKEN.",
		    settings->listen);
	return 0;
}

/* Can `host`:`port` be listened on? Says why not. */
static int
check_port(const char *host, unsigned port)
{
	char service[8];
	int yes = 1;
	struct addrinfo *found, wanted = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
	snprintf(service, sizeof(service), "%u", port);
	if (getaddrinfo(host, service, &wanted, &found) != 0)
		return fail("%s is no address of this machine.", host);
	int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool free_to_use = fd >= 0 &&
			   setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) == 0 &&
			   bind(fd, found->ai_addr, found->ai_addrlen) == 0 && listen(fd, 1) == 0;
	int why = errno;
	freeaddrinfo(found);
	if (fd >= 0)
		close(fd);
	if (free_to_use)
		return 0;
	if (why == EADDRINUSE)
		return fail("Port %u is in use; choose another stack of ports with PORT=n.", port);
	return fail("Cannot listen on %s port %u: %s.", host, port, strerror(why));
}

static int
check_ports(const struct stack *stack, const struct settings *settings, const struct nodes *nodes)
{
	char host[NODE_ADDRESS];
	if (check_port(settings->listen, stack->port) != 0)
		return -1;
	for (size_t i = 0; i < nodes->count; i++) {
		const char *address = nodes->node[i].address;
		snprintf(
		    host, sizeof(host), "%.*s", (int)(strrchr(address, ':') - address), address);
		if (check_port(host, node_port(&nodes->node[i])) != 0)
			return -1;
	}
	return 0;
}

/* ---- Files ---- */

/* Replace RUN/<name> as a whole. 0, or -1 after saying why not. */
static int __attribute__((format(printf, 3, 4)))
write_file(const struct stack *stack, const char *name, const char *format, ...)
{
	char path[STACK_PATH], fresh[STACK_PATH];
	va_list args;
	stack_path(path, stack->run, "%s", name);
	stack_path(fresh, stack->run, "%s.new", name);
	int fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return fail("Cannot write in %s: %s.", stack->run, strerror(errno));
	va_start(args, format);
	bool good = vdprintf(fd, format, args) > 0;
	va_end(args);
	good = close(fd) == 0 && good && rename(fresh, path) == 0;
	return good ? 0 : fail("Cannot write %s: %s.", path, strerror(errno));
}

static unsigned
read_port(const struct stack *stack)
{
	char path[STACK_PATH], line[32] = "";
	stack_path(path, stack->run, "port");
	FILE *file = fopen(path, "re");
	if (file != NULL && fgets(line, sizeof(line), file) == NULL)
		line[0] = '\0';
	if (file != NULL)
		fclose(file);
	return (unsigned)strtoul(line, NULL, 10);
}

/* Replicas of this host move with the stack's port. */
static void
move_node(struct node *n, unsigned from, unsigned to)
{
	static const char here[] = "127.0.0.1:";
	unsigned port = node_port(n);
	if (strncmp(n->address, here, strlen(here)) == 0 && port >= from + OFFSET_FIRST &&
	    port <= from + OFFSET_LAST)
		snprintf(n->address, sizeof(n->address), "%s%u", here, port - from + to);
}

/* The replicas that were there at the last start, or two of each service. */
static int
make_nodes(const struct stack *stack, struct nodes *nodes)
{
	static const struct node first[] = {
	    {.name = "catalog-1", .service = NODE_CATALOG, .id = 1, .primary = true},
	    {.name = "catalog-2", .service = NODE_CATALOG, .id = 2},
	    {.name = "order-1", .service = NODE_ORDER, .id = 1, .primary = true},
	    {.name = "order-2", .service = NODE_ORDER, .id = 2},
	};
	static const unsigned offsets[] = {80, 82, 81, 83};
	char path[STACK_PATH], error[NODES_ERROR];
	unsigned port = read_port(stack);
	stack_path(path, stack->run, "nodes");
	if (access(path, F_OK) == 0 && port != 0) {
		if (nodes_load(path, nodes, error) != 0)
			return fail("%s. Repair it; or `bazar-run reset` forgets all data.", error);
		for (size_t i = 0; i < nodes->count; i++)
			move_node(&nodes->node[i], port, stack->port);
		return 0;
	}
	nodes->count = sizeof(first) / sizeof(first[0]);
	for (size_t i = 0; i < nodes->count; i++) {
		nodes->node[i] = first[i];
		snprintf(nodes->node[i].address, sizeof(nodes->node[i].address), "127.0.0.1:%u",
		    stack->port + offsets[i]);
	}
	return 0;
}

static int
write_nodes(const struct stack *stack, const struct nodes *nodes)
{
	char text[NODES_MAX * 160];
	size_t len = 0;
	for (size_t i = 0; i < nodes->count; i++) {
		const struct node *n = &nodes->node[i];
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s %s %u %s %s\n", n->name,
		    node_service_name(n->service), n->id, n->primary ? "primary" : "backup",
		    n->address);
	}
	return write_file(stack, "nodes", "# name service id role address\n%s", text);
}

/* What replicas show each other; made once. */
static int
write_secret(const struct stack *stack)
{
	char path[STACK_PATH], text[SETTINGS_SECRET] = "", error[SETTINGS_ERROR];
	unsigned char bytes[(SETTINGS_SECRET - 1) / 2];
	stack_path(path, stack->run, "secret");
	if (access(path, F_OK) == 0) {
		if (settings_secret(stack->run, text, error) == 0)
			return 0;
		return fail("%s Remove it, and the next start makes a new one.", error);
	}
	if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
		return fail("Cannot make a secret: %s.", strerror(errno));
	for (size_t i = 0; i < sizeof(bytes); i++)
		snprintf(text + 2 * i, 3, "%02x", bytes[i]);
	return write_file(stack, "secret", "%s\n", text);
}

/* The first contents, from the authority in sql/. */
static int
write_seed(const struct stack *stack)
{
	char program[STACK_PATH], schema[STACK_PATH], seed[STACK_PATH];
	char path[STACK_PATH], fresh[STACK_PATH];
	stack_path(program, stack->bin, "bazar-init");
	stack_path(schema, stack->share, "sql/schema.sql");
	stack_path(seed, stack->share, "sql/seed.sql");
	stack_path(path, stack->run, "seed.json");
	stack_path(fresh, stack->run, "seed.json.new");
	int fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return fail("Cannot write %s: %s.", fresh, strerror(errno));
	char *argv[] = {program, "--schema", schema, "--seed", seed, NULL};
	bool good = process_run(argv, fd) == 0;
	good = close(fd) == 0 && good && rename(fresh, path) == 0;
	return good ? 0 : fail("The first contents in %s cannot be loaded.", seed);
}

static int
make_directory(const struct stack *stack, const char *name)
{
	char path[STACK_PATH];
	stack_path(path, stack->run, "%s", name);
	if (mkdir(path, 0700) != 0 && errno != EEXIST)
		return fail("Cannot create %s: %s.", path, strerror(errno));
	return 0;
}

/* The log of the last run moves aside. */
static int
rotate_log(const struct stack *stack, const char *name)
{
	if (logs_rotate(stack, name) != 0)
		return fail("Cannot rename %s/log/%s.log: %s.", stack->run, name, strerror(errno));
	return 0;
}

/* RUN/log, with fresh logs, and RUN/<replica> for each. */
static int
make_places(const struct stack *stack, const struct nodes *nodes)
{
	if (make_directory(stack, "log") != 0 || rotate_log(stack, "bazar-run") != 0 ||
	    rotate_log(stack, "nginx") != 0 || rotate_log(stack, "access") != 0)
		return -1;
	for (size_t i = 0; i < nodes->count; i++) {
		const char *name = nodes->node[i].name;
		if (make_directory(stack, name) != 0 || rotate_log(stack, name) != 0)
			return -1;
	}
	return 0;
}

static int
load(const struct stack *stack, struct settings *settings, struct nodes *nodes)
{
	char error[SETTINGS_ERROR];
	if (settings_load(stack->run, settings, error) != 0)
		return fail("%s", error);
	if (!process_exists("nginx"))
		return fail("nginx is not installed; `make deps` installs what is missing.");
	return make_nodes(stack, nodes) != 0 || check_listen(settings) != 0 ? -1 : 0;
}

static int
write_files(const struct stack *stack, const struct settings *settings, const struct nodes *nodes)
{
	if (write_nodes(stack, nodes) != 0 || write_file(stack, "port", "%u\n", stack->port) != 0 ||
	    write_file(stack, "listen", "%s\n", settings->listen) != 0 ||
	    write_secret(stack) != 0 || write_seed(stack) != 0)
		return -1;
	return nginx_render(stack, settings);
}

int
prepare_all(const struct stack *stack)
{
	char path[STACK_PATH];
	struct settings settings;
	struct nodes nodes = {.count = 0};
	if (load(stack, &settings, &nodes) != 0 || process_clear_leftovers(stack) != 0 ||
	    check_ports(stack, &settings, &nodes) != 0 || make_places(stack, &nodes) != 0)
		return -1;
	stack_path(path, stack->run, "managed");
	if (unlink(path) != 0 && errno != ENOENT)
		return fail("Cannot remove %s: %s.", path, strerror(errno));
	return write_files(stack, &settings, &nodes);
}

int
prepare_managed(const struct stack *stack)
{
	struct settings settings;
	struct nodes nodes = {.count = 0};
	if (load(stack, &settings, &nodes) != 0 || make_directory(stack, "log") != 0 ||
	    write_file(stack, "managed", "by systemd\n") != 0)
		return -1;
	for (size_t i = 0; i < nodes.count; i++)
		if (make_directory(stack, nodes.node[i].name) != 0)
			return -1;
	return write_files(stack, &settings, &nodes);
}
