/* Two of its functions are missing. */
#define ID "null-functions"
#define DESCRIPTION "Has no read and no cancel"
#define READ_FUNCTION NULL
#define CANCEL_FUNCTION NULL
#include "healthy.h"
