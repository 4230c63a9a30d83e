/* Calls abort, as a failed assert does. */
#define ID "aborts"
#define DESCRIPTION "Calls abort"
#define HARM abort();
#include "healthy.h"
