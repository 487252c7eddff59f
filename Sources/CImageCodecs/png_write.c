#include "png_errors.h"

#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

struct jic_png_writer {
    png_structp png;
    png_infop info;
    jic_file file;
    size_t row_bytes;
    char message[JIC_MESSAGE_BYTES];
};

static void write_bytes(png_structp png, png_bytep bytes, size_t count) {
    jic_file *file = png_get_io_ptr(png);
    uint8_t *grown = realloc(file->bytes, file->count + count);
    if (!grown) png_error(png, "out of memory");
    memcpy(grown + file->count, bytes, count);
    file->bytes = grown;
    file->count += count;
}

static void flush_nothing(png_structp png) { (void)png; }

jic_png_writer *jic_png_begin(
    uint32_t width, uint32_t height, const char *const *keywords, const char *const *texts, size_t text_count) {
    jic_png_writer *writer = calloc(1, sizeof *writer);
    if (!writer) return NULL;
    writer->row_bytes = 3 * (size_t)width;
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, writer->message, fail, ignore_warning);
    png_infop info = png ? png_create_info_struct(png) : NULL;
    writer->png = png;
    writer->info = info;
    if (!info) {
        jic_png_free(writer);
        return NULL;
    }
    // A failure stays in the message, which the next call finds.
    if (setjmp(png_jmpbuf(png))) return writer;
    png_set_write_fn(png, &writer->file, write_bytes, flush_nothing);
    png_set_IHDR(
        png, info, width, height, 8, PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT,
        PNG_FILTER_TYPE_DEFAULT);
    for (size_t index = 0; index < text_count; index++) {
        png_text entry = {0};
        entry.compression = PNG_ITXT_COMPRESSION_NONE;
        entry.key = (char *)keywords[index];
        entry.text = (char *)texts[index];
        entry.itxt_length = strlen(texts[index]);
        entry.lang = (char *)"";
        entry.lang_key = (char *)"";
        png_set_text(png, info, &entry, 1);
    }
    png_write_info(png, info);
    return writer;
}

jic_status jic_png_write(jic_png_writer *writer, const uint8_t *rgb, uint32_t rows) {
    if (writer->message[0] || setjmp(png_jmpbuf(writer->png))) return JIC_CORRUPT;
    for (uint32_t row = 0; row < rows; row++) png_write_row(writer->png, rgb + writer->row_bytes * row);
    return JIC_OK;
}

jic_status jic_png_end(jic_png_writer *writer, jic_file *file) {
    if (writer->message[0] || setjmp(png_jmpbuf(writer->png))) return JIC_CORRUPT;
    png_write_end(writer->png, NULL);
    *file = writer->file;
    writer->file = (jic_file){NULL, 0};
    return JIC_OK;
}

const char *jic_png_message(const jic_png_writer *writer) { return writer->message; }

void jic_png_free(jic_png_writer *writer) {
    png_destroy_write_struct(&writer->png, &writer->info);
    jic_free_file(writer->file);
    free(writer);
}

void jic_free_file(jic_file file) { free(file.bytes); }
