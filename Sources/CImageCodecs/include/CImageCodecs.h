// Typed doors to libpng, libjpeg and libwebp. They exist because those libraries report errors by setjmp/longjmp, which
// Swift cannot call, or by variadic macros, which Swift does not import. Nothing here keeps state, but for a PNG that is
// being written, or allocates what it does not free or hand over.
#pragma once
#include <stddef.h>
#include <stdint.h>

typedef enum jic_status {
    JIC_OK = 0,
    JIC_TRUNCATED,    // the file ends too early
    JIC_CORRUPT,      // the file contradicts its format; message says how
    JIC_UNSUPPORTED,  // sound, but a variant that is not read
    JIC_MEMORY,
} jic_status;

enum { JIC_MESSAGE_BYTES = 200 };

// Reads a file's header and, where rgb is not null, its first picture as 8-bit RGB without padding, top row first.
//
// Call it with rgb null first: width and height are set. Then with room for 3 * width * height bytes and the same width
// and height. message has room for JIC_MESSAGE_BYTES and is always terminated.
typedef jic_status (*jic_reader)(
    const uint8_t *bytes, size_t count, uint32_t *width, uint32_t *height, uint8_t *rgb, char *message);
jic_status jic_read_png(
    const uint8_t *bytes, size_t count, uint32_t *width, uint32_t *height, uint8_t *rgb, char *message);
jic_status jic_read_jpeg(
    const uint8_t *bytes, size_t count, uint32_t *width, uint32_t *height, uint8_t *rgb, char *message);
jic_status jic_read_webp(
    const uint8_t *bytes, size_t count, uint32_t *width, uint32_t *height, uint8_t *rgb, char *message);

// A file in memory that jic_free_file releases.
typedef struct jic_file {
    uint8_t *bytes;
    size_t count;
} jic_file;
void jic_free_file(jic_file file);

// A PNG in the course of being written: begun, given its rows from the top, ended, freed. Text entries become iTXt chunks;
// keywords are Latin-1 of at most 79 bytes, texts are UTF-8. After a failure, which jic_png_message names, only freeing is
// of use.
typedef struct jic_png_writer jic_png_writer;
// Null: out of memory.
jic_png_writer *jic_png_begin(
    uint32_t width, uint32_t height, const char *const *keywords, const char *const *texts, size_t text_count);
// The next rows, 3 * width bytes each.
jic_status jic_png_write(jic_png_writer *writer, const uint8_t *rgb, uint32_t rows);
// After the last row: hands the file over.
jic_status jic_png_end(jic_png_writer *writer, jic_file *file);
const char *jic_png_message(const jic_png_writer *writer);
void jic_png_free(jic_png_writer *writer);

// app1 is the content of one APP1 marker, at most 65,533 bytes; none where app1_count is 0.
jic_status jic_write_jpeg(
    const uint8_t *rgb, uint32_t width, uint32_t height, int quality, const uint8_t *app1, size_t app1_count,
    jic_file *file, char *message);
// A simple lossy file, without metadata.
jic_status jic_write_webp(
    const uint8_t *rgb, uint32_t width, uint32_t height, float quality, jic_file *file, char *message);
