/* Exports what another plugin's library may call by the same name. */
#define ID "two-symbols"
#define DESCRIPTION "Exports a second symbol"
#include "healthy.h"

RFID_EXPORT int acme_sdk_connect(void);
RFID_EXPORT int acme_sdk_connect(void) { return 0; }
