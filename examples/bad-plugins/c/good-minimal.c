/* Nothing is wrong with this one. */
#define ID "good-minimal"
#define DESCRIPTION "One tag, twenty times a second"
#include "healthy.h"
