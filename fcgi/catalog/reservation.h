/* Reservations: all lines of an order or none, and the answer that is stored about them. */
#ifndef BAZAR_CATALOG_RESERVATION_H
#define BAZAR_CATALOG_RESERVATION_H

#include "fcgi/catalog/change.h"
#include "fcgi/catalog/operation.h"

/* Decides; writes what changes, the answer, and the reservation's row. */
void reservation_execute(struct change *c, const struct op *op, const struct request *r);

#endif
