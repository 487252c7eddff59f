#include "CImageCodecs.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jerror.h>
#include <jpeglib.h>

// A progressive file may hold any number of empty scans, each a pass over the whole picture; real ones have about ten.
enum { SCANS_MAX = 50 };

typedef struct failure {
    struct jpeg_error_mgr manager;  // first: libjpeg hands a pointer to it back
    jmp_buf jump;
    jic_status status;
    char *message;
} failure;

static void fail(j_common_ptr info) {
    failure *state = (failure *)info->err;
    char text[JMSG_LENGTH_MAX];
    info->err->format_message(info, text);
    snprintf(state->message, JIC_MESSAGE_BYTES, "%s", text);
    longjmp(state->jump, 1);
}

// Warnings are about data that decodes to something nevertheless; PIL ignores them too.
static void ignore_warning(j_common_ptr info, int level) {
    (void)info;
    (void)level;
}

static void prepare(failure *state, char *message) {
    message[0] = 0;
    jpeg_std_error(&state->manager);
    state->manager.error_exit = fail;
    state->manager.emit_message = ignore_warning;
    state->status = JIC_CORRUPT;
    state->message = message;
}

static void nothing(j_decompress_ptr info) { (void)info; }

static boolean end_of_input(j_decompress_ptr info) {
    ((failure *)info->err)->status = JIC_TRUNCATED;
    ERREXIT(info, JERR_INPUT_EOF);
    return FALSE;
}

static void skip(j_decompress_ptr info, long count) {
    if (count <= 0) return;
    if ((size_t)count > info->src->bytes_in_buffer) end_of_input(info);
    info->src->next_input_byte += count;
    info->src->bytes_in_buffer -= (size_t)count;
}

static void limit_scans(j_common_ptr info) {
    if (((j_decompress_ptr)info)->input_scan_number <= SCANS_MAX) return;
    failure *state = (failure *)info->err;
    state->status = JIC_UNSUPPORTED;
    snprintf(state->message, JIC_MESSAGE_BYTES, "it has more than %d scans", SCANS_MAX);
    longjmp(state->jump, 1);
}

static uint8_t times(unsigned a, unsigned b) {
    unsigned product = a * b + 128;
    return (uint8_t)(((product >> 8) + product) >> 8);
}

// Adobe writes CMYK inverted, and PIL takes every file for one of theirs.
static void rgb_from_cmyk(const uint8_t *cmyk, uint8_t *rgb, uint32_t width) {
    for (uint32_t index = 0; index < width; index++) {
        unsigned white = cmyk[4 * index + 3];
        for (int channel = 0; channel < 3; channel++) {
            int value = (int)white - times(255u - cmyk[4 * index + channel], white);
            rgb[3 * index + channel] = (uint8_t)(value < 0 ? 0 : value);
        }
    }
}

static void read_rows(j_decompress_ptr info, uint8_t *rgb) {
    size_t stride = 3 * (size_t)info->output_width;
    JSAMPARRAY buffer = NULL;
    if (info->out_color_space == JCS_CMYK) {
        buffer = info->mem->alloc_sarray((j_common_ptr)info, JPOOL_IMAGE, info->output_width * 4, 1);
    }
    while (info->output_scanline < info->output_height) {
        uint8_t *target = rgb + stride * info->output_scanline;
        JSAMPROW row = buffer ? buffer[0] : target;
        jpeg_read_scanlines(info, &row, 1);
        if (buffer) rgb_from_cmyk(buffer[0], target, info->output_width);
    }
}

jic_status jic_read_jpeg(
    const uint8_t *bytes, size_t count, uint32_t *width, uint32_t *height, uint8_t *rgb, char *message) {
    struct jpeg_decompress_struct info;
    memset(&info, 0, sizeof info);
    failure state;
    prepare(&state, message);
    info.err = &state.manager;
    if (setjmp(state.jump)) {
        jpeg_destroy_decompress(&info);
        return state.status;
    }
    jpeg_create_decompress(&info);
    struct jpeg_source_mgr source = {
        .next_input_byte = bytes, .bytes_in_buffer = count, .init_source = nothing, .fill_input_buffer = end_of_input,
        .skip_input_data = skip, .resync_to_restart = jpeg_resync_to_restart, .term_source = nothing};
    info.src = &source;
    struct jpeg_progress_mgr progress = {.progress_monitor = limit_scans};
    info.progress = &progress;
    jpeg_read_header(&info, TRUE);
    if (!rgb) {
        *width = info.image_width;
        *height = info.image_height;
    } else {
        info.out_color_space = info.num_components == 4 ? JCS_CMYK : JCS_RGB;
        jpeg_start_decompress(&info);
        if (*width != info.output_width || *height != info.output_height) {
            snprintf(message, JIC_MESSAGE_BYTES, "the size changed between header and picture");
            longjmp(state.jump, 1);
        }
        read_rows(&info, rgb);
    }
    jpeg_destroy_decompress(&info);
    return JIC_OK;
}

typedef struct sink {
    struct jpeg_destination_mgr manager;  // first: libjpeg hands a pointer to it back
    jic_file *file;
    uint8_t buffer[16384];
} sink;

static void begin_buffer(j_compress_ptr info) {
    sink *target = (sink *)info->dest;
    target->manager.next_output_byte = target->buffer;
    target->manager.free_in_buffer = sizeof target->buffer;
}

static void append(j_compress_ptr info, size_t count) {
    sink *target = (sink *)info->dest;
    uint8_t *grown = realloc(target->file->bytes, target->file->count + count);
    if (!grown) ERREXIT1(info, JERR_OUT_OF_MEMORY, 0);
    memcpy(grown + target->file->count, target->buffer, count);
    target->file->bytes = grown;
    target->file->count += count;
    begin_buffer(info);
}

// libjpeg asks for this when all of the buffer is full, whatever free_in_buffer says.
static boolean append_all(j_compress_ptr info) {
    append(info, sizeof ((sink *)info->dest)->buffer);
    return TRUE;
}

static void append_rest(j_compress_ptr info) {
    append(info, sizeof ((sink *)info->dest)->buffer - info->dest->free_in_buffer);
}

jic_status jic_write_jpeg(
    const uint8_t *rgb, uint32_t width, uint32_t height, int quality, const uint8_t *app1, size_t app1_count,
    jic_file *file, char *message) {
    *file = (jic_file){NULL, 0};
    struct jpeg_compress_struct info;
    memset(&info, 0, sizeof info);
    failure state;
    prepare(&state, message);
    info.err = &state.manager;
    if (setjmp(state.jump)) {
        jpeg_destroy_compress(&info);
        jic_free_file(*file);
        *file = (jic_file){NULL, 0};
        return state.status;
    }
    jpeg_create_compress(&info);
    sink target = {
        .manager = {
            .init_destination = begin_buffer, .empty_output_buffer = append_all, .term_destination = append_rest},
        .file = file};
    info.dest = &target.manager;
    info.image_width = width;
    info.image_height = height;
    info.input_components = 3;
    info.in_color_space = JCS_RGB;
    jpeg_set_defaults(&info);
    jpeg_set_quality(&info, quality, TRUE);
    jpeg_start_compress(&info, TRUE);
    if (app1_count > 0) jpeg_write_marker(&info, JPEG_APP0 + 1, app1, (unsigned)app1_count);
    while (info.next_scanline < height) {
        JSAMPROW row = (JSAMPROW)(rgb + 3 * (size_t)width * info.next_scanline);
        jpeg_write_scanlines(&info, &row, 1);
    }
    jpeg_finish_compress(&info);
    jpeg_destroy_compress(&info);
    return JIC_OK;
}
