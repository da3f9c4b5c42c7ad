/* SPDX-License-Identifier: MIT
 *
 * A look at an XML file before hwloc gets it. hwloc 2.9 trusts some of what it reads: an object
 * that lacks one of its sets, as in a file that was edited or cut, ends in a null pointer, and a
 * file without nodes in words on standard error. This is no XML parser: it reads the tags of
 * objects.
 */
#ifndef PN_XML_H
#define PN_XML_H

#include <stdbool.h>

/* Whether hwloc can be given this text. */
bool pn_xml_is_sound(const char *text);

#endif
