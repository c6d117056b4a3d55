#include "fcgi/order/bodies.h"

enum body_verdict
body_buy(const void *bytes, size_t len, uint32_t *quantity, const char **why)
{
	*quantity = 1;
	if (len == 0)
		return BODY_FINE;
	json_t *json;
	int64_t number;
	enum body_verdict verdict = body_parse(bytes, len, "quantity", &json, why);
	if (verdict != BODY_FINE)
		return verdict;
	if (json_object_size(json) > 0) {
		if (body_integer(json, "quantity", 1, BUY_QUANTITY_MOST, &number)) {
			*quantity = (uint32_t)number;
		} else {
			*why = "quantity must be an integer from 1 to 1000.";
			verdict = BODY_REFUSED;
		}
	}
	json_decref(json);
	return verdict;
}
