/* On Windows the resource utility functions are declared in resapi.h; so they are here. */
#ifndef STEAD_RESUTILS_H
#define STEAD_RESUTILS_H

#include "resapi.h"

#endif
