/* Was built for another interface: it has that one's symbol and not ours. */
#include "rfid_plugin.h"
RFID_EXPORT const rfid_module *rfid_plugin_module_v9(uint32_t host_abi_minor);
#define ID "wrong-major"
#define DESCRIPTION "Is of version 9 of the interface"
#define ENTRY rfid_plugin_module_v9
#include "healthy.h"
