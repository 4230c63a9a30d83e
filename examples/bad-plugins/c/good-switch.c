/* Nothing is wrong with this one: its tag is there while the file of the option `path` is. */
#include <unistd.h>

#define ID "good-switch"
#define DESCRIPTION "One tag, while a file is there"
#define FIELDS char path[1024];
#define PROPERTIES ",\"path\":{\"type\":\"string\",\"description\":\"File without which there is no tag\"}"
#define ON_OPTION \
    if (rfid_option_is(&option, "path")) { \
        if (rfid_option_text(&option, instance->path, sizeof instance->path)) continue; \
        return rfid_error_set(err, RFID_CONFIG, "/path: the name of a file belongs here"); \
    }
#define HARM if (instance->path[0] != '\0' && access(instance->path, F_OK) != 0) return RFID_NO_DATA;
#include "healthy.h"
