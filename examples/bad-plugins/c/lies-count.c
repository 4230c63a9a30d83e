/* Says that there are more records than fit. */
#define ID "lies-count"
#define DESCRIPTION "Says that it delivered more reads than fit"
#define ON_READ buf->count = buf->capacity + 1;
#include "healthy.h"
