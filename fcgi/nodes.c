#include "fcgi/nodes.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_SIZE 512
#define WORDS 5

static const char *const service_names[] = {
    [NODE_CATALOG] = "catalog",
    [NODE_ORDER] = "order",
};

const char *
node_service_name(enum node_service service)
{
	return service_names[service];
}

/* The number after the last colon, 1 to 65535; 0 when there is none. */
static uint16_t
address_port(const char *address)
{
	const char *colon = strrchr(address, ':');
	if (colon == NULL || colon == address)
		return 0;
	size_t digits = strspn(colon + 1, "0123456789");
	if (digits == 0 || digits > 5 || colon[1 + digits] != '\0')
		return 0;
	unsigned long port = strtoul(colon + 1, NULL, 10);
	return port <= UINT16_MAX ? (uint16_t)port : 0;
}

uint16_t
node_port(const struct node *node)
{
	return address_port(node->address);
}

static bool
is_name(const char *word)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789-_";
	size_t len = strlen(word);
	return len > 0 && len < NODE_NAME && strspn(word, allowed) == len;
}

/* Cut `line` into words in place. Returns how many there are; more than WORDS count as WORDS+1. */
static size_t
split(char *line, char *words[WORDS])
{
	size_t count = 0;
	char *rest = NULL;
	line[strcspn(line, "#\n")] = '\0';
	for (char *w = strtok_r(line, " \t\r", &rest); w != NULL;
	     w = strtok_r(NULL, " \t\r", &rest)) {
		if (count == WORDS)
			return WORDS + 1;
		words[count++] = w;
	}
	return count;
}

/* One replica from its five words. Returns NULL, or what is wrong with them. */
static const char *
parse_node(char *words[WORDS], struct node *out)
{
	memset(out, 0, sizeof *out);
	if (!is_name(words[0]))
		return "the name must be letters, digits, '-' or '_'";
	snprintf(out->name, sizeof(out->name), "%s", words[0]);

	if (strcmp(words[1], "catalog") != 0 && strcmp(words[1], "order") != 0)
		return "the service must be catalog or order";
	out->service = strcmp(words[1], "catalog") == 0 ? NODE_CATALOG : NODE_ORDER;

	char *end;
	unsigned long id = strtoul(words[2], &end, 10);
	if (*end != '\0' || id == 0 || id > NODES_MAX)
		return "the id must be a small positive number";
	out->id = (uint32_t)id;

	if (strcmp(words[3], "primary") != 0 && strcmp(words[3], "backup") != 0)
		return "the role must be primary or backup";
	out->primary = strcmp(words[3], "primary") == 0;

	if (strlen(words[4]) >= sizeof(out->address) || address_port(words[4]) == 0)
		return "the address must be host:port";
	snprintf(out->address, sizeof(out->address), "%s", words[4]);
	return NULL;
}

/* Does `node` fit beside those read before it? Returns NULL, or why not. */
static const char *
check_unique(const struct nodes *nodes, const struct node *node)
{
	if (nodes_find(nodes, node->name) != NULL)
		return "this name is already taken";
	for (size_t i = 0; i < nodes->count; i++) {
		const struct node *other = &nodes->node[i];
		if (strcmp(other->address, node->address) == 0)
			return "this address is already taken";
		if (other->service != node->service)
			continue;
		if (other->id == node->id)
			return "this id is already taken in its service";
		if (other->primary && node->primary)
			return "its service already has a primary";
	}
	return NULL;
}

/* One line into `nodes`. Returns NULL, or what is wrong. */
static const char *
read_line(struct nodes *nodes, char *line)
{
	char *words[WORDS];
	struct node node;

	if (strlen(line) == LINE_SIZE - 1)
		return "the line is too long";
	size_t count = split(line, words);
	if (count == 0)
		return NULL;
	if (count != WORDS)
		return "expected: name service id role address";
	const char *wrong = parse_node(words, &node);
	if (wrong == NULL)
		wrong = check_unique(nodes, &node);
	if (wrong == NULL && nodes->count == NODES_MAX)
		wrong = "too many replicas";
	if (wrong == NULL)
		nodes->node[nodes->count++] = node;
	return wrong;
}

/* Every service that has a replica has a primary. Returns NULL, or what is wrong. */
static const char *
check_whole(const struct nodes *nodes)
{
	if (nodes->count == 0)
		return "it names no replica";
	for (size_t i = 0; i < nodes->count; i++)
		if (nodes_primary(nodes, nodes->node[i].service) == NULL)
			return "a service has no primary";
	return NULL;
}

static void
complain(struct complaints *c, const char *path, unsigned line, const char *wrong)
{
	char sentence[NODES_ERROR];
	if (line > 0)
		snprintf(sentence, sizeof(sentence), "%s, line %u: %s", path, line, wrong);
	else
		snprintf(sentence, sizeof(sentence), "%s: %s", path, wrong);
	c->count++;
	c->say(c, sentence);
}

void
nodes_read(const char *path, struct nodes *out, struct complaints *c)
{
	char line[LINE_SIZE];
	unsigned number = 0, before = c->count;
	const char *wrong;

	out->count = 0;
	FILE *file = fopen(path, "re");
	if (file == NULL) {
		complain(c, path, 0, strerror(errno));
		return;
	}
	while (fgets(line, sizeof(line), file) != NULL) {
		number++;
		if ((wrong = read_line(out, line)) != NULL)
			complain(c, path, number, wrong);
	}
	if (ferror(file))
		complain(c, path, 0, "cannot be read");
	fclose(file);
	/* What lines with mistakes would have said is not known. */
	if (c->count == before && (wrong = check_whole(out)) != NULL)
		complain(c, path, 0, wrong);
}

int
nodes_load(const char *path, struct nodes *out, char error[NODES_ERROR])
{
	struct first_complaint first = {{complaint_keep_first, 0}, error, NODES_ERROR};
	nodes_read(path, out, &first.all);
	return first.all.count == 0 ? 0 : -1;
}

const struct node *
nodes_find(const struct nodes *nodes, const char *name)
{
	for (size_t i = 0; i < nodes->count; i++)
		if (strcmp(nodes->node[i].name, name) == 0)
			return &nodes->node[i];
	return NULL;
}

const struct node *
nodes_primary(const struct nodes *nodes, enum node_service service)
{
	for (size_t i = 0; i < nodes->count; i++)
		if (nodes->node[i].service == service && nodes->node[i].primary)
			return &nodes->node[i];
	return NULL;
}
