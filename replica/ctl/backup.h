/* The ids of all orders in a backup. */
#ifndef BAZAR_CTL_BACKUP_H
#define BAZAR_CTL_BACKUP_H

#include <stdbool.h>
#include <stddef.h>

struct order_ids;
struct order_ids *order_ids_new(void);
void order_ids_free(struct order_ids *o);

/* Those that these effects of the order service put. */
void order_ids_take(struct order_ids *o, const void *effects, size_t len);
/* Once, after all were taken and before the first is asked for. */
void order_ids_sort(struct order_ids *o);
bool order_ids_has(const struct order_ids *o, const void *id, size_t len);

#endif
