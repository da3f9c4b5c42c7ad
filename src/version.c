/* SPDX-License-Identifier: MIT */
#include <pinion/version.h>

#define PN_TEXT(x)  PN_TEXT2(x)
#define PN_TEXT2(x) #x

const char *pinion_version(void)
{
    return PN_TEXT(PINION_VERSION_MAJOR) "." PN_TEXT(PINION_VERSION_MINOR) "." PN_TEXT(
        PINION_VERSION_PATCH);
}
