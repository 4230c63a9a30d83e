/* Describes itself in Latin-1. */
#define ID "bad-utf8"
#define DESCRIPTION "Leser f\xFCr Etiketten"
#include "healthy.h"
