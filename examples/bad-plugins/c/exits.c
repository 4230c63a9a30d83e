/* Ends the process in an orderly way. */
#define ID "exits"
#define DESCRIPTION "Calls exit"
#define HARM exit(0);
#include "healthy.h"
