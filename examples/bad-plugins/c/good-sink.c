/* Nothing is wrong with this one: what `flush` has answered for survives a loss of power. */
#define ID "good-sink"
#define DESCRIPTION "Appends events to a file"
#include "sink.h"
