// How libpng's errors leave it: as text for the caller, by longjmp. Warnings are nobody's concern.
#pragma once
#include "CImageCodecs.h"

#include <png.h>
#include <string.h>

static inline void fail(png_structp png, png_const_charp text) {
    char *message = png_get_error_ptr(png);
    strncpy(message, text, JIC_MESSAGE_BYTES - 1);
    message[JIC_MESSAGE_BYTES - 1] = 0;
    png_longjmp(png, 1);
}

static inline void ignore_warning(png_structp png, png_const_charp text) {
    (void)png;
    (void)text;
}
