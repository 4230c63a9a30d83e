/* Writes a thousand lines to the log with each read. */
#define ID "floods"
#define DESCRIPTION "Logs a thousand lines with each read"
#define ON_READ \
    for (int line = 0; line < 1000; line++) rfid_log_line(instance->host, RFID_LOG_INFO, "line %d", line);
#include "healthy.h"
