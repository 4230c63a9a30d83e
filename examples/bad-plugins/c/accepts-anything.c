/* Takes any options at all, so that a mistake in them is never found. */
#include "rfid_plugin.h"
#define ID "accepts-anything"
#define DESCRIPTION "Does not look at its options"
static rfid_status accepts(const rfid_host *host, rfid_str options, rfid_instance **made, rfid_error *err);
#define CREATE_FUNCTION accepts
#include "healthy.h"

static rfid_status accepts(const rfid_host *host, rfid_str options, rfid_instance **made, rfid_error *err) {
    rfid_str none = {"{}", 2};
    (void)options;
    return create(host, none, made, err);
}
