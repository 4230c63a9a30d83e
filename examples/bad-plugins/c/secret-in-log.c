/* Says its password. */
#define ID "secret-in-log"
#define DESCRIPTION "Writes a password to the log"
#define FIELDS char password[256];
#define PROPERTIES ",\"password\":{\"type\":\"string\",\"writeOnly\":true,\"description\":\"Password of the reader\"}"
#define ON_OPTION \
    if (rfid_option_is(&option, "password")) { \
        if (rfid_option_text(&option, instance->password, sizeof instance->password)) continue; \
        return rfid_error_set(err, RFID_CONFIG, "/password: a text of at most 255 bytes belongs here"); \
    }
#define ON_OPEN rfid_log_line(instance->host, RFID_LOG_INFO, "logging in with password %s", instance->password);
#include "healthy.h"
