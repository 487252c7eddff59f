#include "png_errors.h"

#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

typedef struct source {
    const uint8_t *bytes;
    size_t count;
    size_t offset;
    int is_truncated;
} source;

static void read_bytes(png_structp png, png_bytep target, size_t count) {
    source *from = png_get_io_ptr(png);
    if (count > from->count - from->offset) {
        from->is_truncated = 1;
        png_error(png, "the file ends too early");
    }
    memcpy(target, from->bytes + from->offset, count);
    from->offset += count;
}

// PIL opens 16-bit grey as such and clips it to 8 bits, where every other 16-bit kind keeps its high byte.
static void clip_gray16_row(uint8_t *row, uint32_t width) {
    for (uint32_t index = width; index-- > 0;) {
        uint8_t value = row[2 * index] ? 255 : row[2 * index + 1];
        memset(row + 3 * (size_t)index, value, 3);
    }
}

static void set_transforms(png_structp png, int color, int depth, int is_gray16) {
    if (color == PNG_COLOR_TYPE_PALETTE) png_set_palette_to_rgb(png);
    if (color == PNG_COLOR_TYPE_GRAY && depth < 8) png_set_expand_gray_1_2_4_to_8(png);
    if (depth == 16 && !is_gray16) png_set_strip_16(png);
    png_set_strip_alpha(png);
    if (!(color & PNG_COLOR_MASK_COLOR) && !is_gray16) png_set_gray_to_rgb(png);
}

jic_status jic_read_png(
    const uint8_t *bytes, size_t count, uint32_t *width, uint32_t *height, uint8_t *rgb, char *message) {
    // Chunks of no use here, some of which unpack to megabytes.
    static const png_byte unused[] = "iCCP\0zTXt\0iTXt\0tEXt\0sPLT\0hIST\0eXIf\0";
    message[0] = 0;
    source from = {bytes, count, 0, 0};
    png_bytep *volatile rows = NULL;
    png_structp png = png_create_read_struct(PNG_LIBPNG_VER_STRING, message, fail, ignore_warning);
    png_infop info = png ? png_create_info_struct(png) : NULL;
    if (!info) {
        png_destroy_read_struct(&png, NULL, NULL);
        return JIC_MEMORY;
    }
    if (setjmp(png_jmpbuf(png))) {
        free(rows);
        png_destroy_read_struct(&png, &info, NULL);
        return from.is_truncated ? JIC_TRUNCATED : JIC_CORRUPT;
    }
    png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, unused, (int)(sizeof unused / 5));
    png_set_read_fn(png, &from, read_bytes);
    png_read_info(png, info);
    if (!rgb) {
        *width = png_get_image_width(png, info);
        *height = png_get_image_height(png, info);
    } else {
        if (*width != png_get_image_width(png, info) || *height != png_get_image_height(png, info)) {
            png_error(png, "the size changed between header and picture");
        }
        int color = png_get_color_type(png, info);
        int depth = png_get_bit_depth(png, info);
        int is_gray16 = color == PNG_COLOR_TYPE_GRAY && depth == 16;
        set_transforms(png, color, depth, is_gray16);
        png_set_interlace_handling(png);
        png_read_update_info(png, info);
        size_t stride = 3 * (size_t)*width;
        if (png_get_rowbytes(png, info) > stride) png_error(png, "rows are longer than 8-bit RGB");
        rows = malloc(*height * sizeof(png_bytep));
        if (!rows) png_error(png, "out of memory");
        for (uint32_t row = 0; row < *height; row++) rows[row] = rgb + row * stride;
        png_read_image(png, rows);
        if (is_gray16) {
            for (uint32_t row = 0; row < *height; row++) clip_gray16_row(rows[row], *width);
        }
        free(rows);
        rows = NULL;
    }
    png_destroy_read_struct(&png, &info, NULL);
    return JIC_OK;
}
