/* Its schema takes keys that it does not know, so that a misspelt one is not found. */
#define ID "open-schema"
#define DESCRIPTION "Has a schema that is not closed"
#define SCHEMA \
    "{\"type\":\"object\",\"properties\":{" \
    "\"after\":{\"type\":\"integer\",\"minimum\":0,\"maximum\":1000000,\"description\":\"Reads before the fault\"}," \
    "\"in_open\":{\"type\":\"boolean\",\"description\":\"The fault is in open\"}}}"
#include "healthy.h"
