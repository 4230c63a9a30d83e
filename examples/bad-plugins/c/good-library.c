/* Nothing is wrong with this one. It needs a library that lies beside it, as a vendor's SDK does. */
int acme_sdk_version(void);

#define ID "good-library"
#define DESCRIPTION "One tag, with a library that it brings along"
#define ON_OPEN \
    if (acme_sdk_version() != 1) return rfid_error_set(err, RFID_INTERNAL, "this is another library");
#include "healthy.h"
