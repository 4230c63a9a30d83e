/* Nothing is wrong with this one: it writes down how it ends, a line for each call, to the file of the
 * option `path`. */
#include <stdio.h>
#include <string.h>

static char file_name[1024];

static void note(const char *call) {
    FILE *file = file_name[0] == '\0' ? NULL : fopen(file_name, "ae");
    if (file == NULL) return;
    fprintf(file, "%s\n", call);
    fclose(file);
}

static void deinit(void) { note("deinit"); }

#define ID "good-end"
#define DESCRIPTION "Writes down how it ends"
#define FIELDS char path[1024];
#define PROPERTIES ",\"path\":{\"type\":\"string\",\"description\":\"File to write to\"}"
#define ON_OPTION \
    if (rfid_option_is(&option, "path")) { \
        if (rfid_option_text(&option, instance->path, sizeof instance->path)) continue; \
        return rfid_error_set(err, RFID_CONFIG, "/path: the name of a file belongs here"); \
    }
#define ON_OPEN memcpy(file_name, instance->path, sizeof file_name);
#define ON_DESTROY note("destroy");
#define DEINIT deinit
#include "healthy.h"
