#include <stdlib.h>

#include "fcgi/base/xalloc.h"
#include "replica/core/machine.h"

struct op *
op_new(struct uuid id, uint64_t ticket, uint8_t kind, const struct buf *args)
{
	struct op *op = xcalloc(1, sizeof(*op));
	op->id = id;
	op->ticket = ticket;
	op->kind = kind;
	if (args != NULL)
		buf_add(&op->args, args->data, args->len);
	return op;
}

void
op_free(struct op *op)
{
	if (op == NULL)
		return;
	buf_free(&op->args);
	free(op);
}
