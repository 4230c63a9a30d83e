/* Writes each batch from its end. */
#define ID "reorders"
#define DESCRIPTION "Writes events in another order than they come"
#define EVENT_AT(place) rfid_event_at(batch, batch->count - 1 - (place))
#include "sink.h"
