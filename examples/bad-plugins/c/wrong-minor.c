/* Was built with a newer header. */
#define ID "wrong-minor"
#define DESCRIPTION "Is of the next minor version of the interface"
#define ABI_MINOR (RFID_MINOR + 1)
#include "healthy.h"
