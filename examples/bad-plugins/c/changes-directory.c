/* Changes the folder that belongs to the whole process. */
#define ID "changes-directory"
#define DESCRIPTION "Changes the current folder"
#define ON_OPEN \
    if (chdir("/") != 0) return rfid_error_set(err, RFID_INTERNAL, "chdir failed");
#include "healthy.h"
