/* Keeps to time limits, and waits them out after `cancel`. */
#include "rfid_plugin.h"
#define ID "ignores-cancel"
#define DESCRIPTION "Goes on waiting after cancel"
static void ignores_cancel(rfid_instance *instance) { (void)instance; }
#define CANCEL_FUNCTION ignores_cancel
#include "healthy.h"
