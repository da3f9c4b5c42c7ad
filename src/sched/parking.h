/* SPDX-License-Identifier: MIT
 *
 * The parking lot: who waits at which address, threads and fibers alike. One for the process, so
 * that whoever shares an object meets in it, whichever io each passes. After WebKit's
 * WTF::ParkingLot. What park and unpark mean stands at struct pn_park (interface.h); these are the
 * vtable's entries of every implementation.
 */
#ifndef PN_PARKING_H
#define PN_PARKING_H

#include "interface.h"

int pn_parking_park(struct pinion_io *io, struct pn_park *park, const struct pn_how *how);
void pn_parking_unpark(struct pinion_io *io, struct pn_unpark *unpark);

#endif
