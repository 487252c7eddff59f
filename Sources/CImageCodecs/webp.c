#include "CImageCodecs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <webp/decode.h>
#include <webp/demux.h>
#include <webp/encode.h>

static jic_status status_of(VP8StatusCode code, char *message) {
    switch (code) {
        case VP8_STATUS_OK: return JIC_OK;
        case VP8_STATUS_NOT_ENOUGH_DATA: return JIC_TRUNCATED;
        case VP8_STATUS_OUT_OF_MEMORY: return JIC_MEMORY;
        case VP8_STATUS_UNSUPPORTED_FEATURE: return JIC_UNSUPPORTED;
        default: snprintf(message, JIC_MESSAGE_BYTES, "libwebp's status %d", (int)code); return JIC_CORRUPT;
    }
}

// The first picture of an animation, on its canvas, as PIL shows it.
static jic_status read_animation(
    const uint8_t *bytes, size_t count, uint32_t width, uint32_t height, uint8_t *rgb, char *message) {
    WebPData data = {bytes, count};
    WebPAnimDecoderOptions options;
    WebPAnimDecoderOptionsInit(&options);
    options.color_mode = MODE_RGBA;
    WebPAnimDecoder *decoder = WebPAnimDecoderNew(&data, &options);
    if (!decoder) {
        snprintf(message, JIC_MESSAGE_BYTES, "the animation cannot be opened");
        return JIC_CORRUPT;
    }
    WebPAnimInfo info;
    uint8_t *canvas = NULL;
    int timestamp = 0;
    jic_status status = JIC_OK;
    if (!WebPAnimDecoderGetInfo(decoder, &info) || info.canvas_width != width || info.canvas_height != height
        || !WebPAnimDecoderGetNext(decoder, &canvas, &timestamp)) {
        snprintf(message, JIC_MESSAGE_BYTES, "the animation's first picture cannot be decoded");
        status = JIC_CORRUPT;
    } else {
        size_t pixels = (size_t)width * height;
        for (size_t index = 0; index < pixels; index++) memcpy(rgb + 3 * index, canvas + 4 * index, 3);
    }
    WebPAnimDecoderDelete(decoder);
    return status;
}

jic_status jic_read_webp(
    const uint8_t *bytes, size_t count, uint32_t *width, uint32_t *height, uint8_t *rgb, char *message) {
    message[0] = 0;
    WebPDecoderConfig config;
    if (!WebPInitDecoderConfig(&config)) return JIC_MEMORY;
    jic_status status = status_of(WebPGetFeatures(bytes, count, &config.input), message);
    if (status != JIC_OK) return status;
    uint32_t found_width = (uint32_t)config.input.width;
    uint32_t found_height = (uint32_t)config.input.height;
    if (!rgb) {
        *width = found_width;
        *height = found_height;
        return JIC_OK;
    }
    if (*width != found_width || *height != found_height) return JIC_CORRUPT;
    if (config.input.has_animation) return read_animation(bytes, count, *width, *height, rgb, message);
    config.output.colorspace = MODE_RGB;
    config.output.is_external_memory = 1;
    config.output.u.RGBA.rgba = rgb;
    config.output.u.RGBA.stride = (int)(3 * *width);
    config.output.u.RGBA.size = 3 * (size_t)*width * *height;
    status = status_of(WebPDecode(bytes, count, &config), message);
    WebPFreeDecBuffer(&config.output);
    return status;
}

jic_status jic_write_webp(
    const uint8_t *rgb, uint32_t width, uint32_t height, float quality, jic_file *file, char *message) {
    message[0] = 0;
    *file = (jic_file){NULL, 0};
    uint8_t *encoded = NULL;
    size_t count = WebPEncodeRGB(rgb, (int)width, (int)height, (int)(3 * width), quality, &encoded);
    if (count == 0) {
        WebPFree(encoded);
        snprintf(message, JIC_MESSAGE_BYTES, "libwebp does not encode %ux%u", width, height);
        return JIC_UNSUPPORTED;
    }
    // One way to free every file.
    file->bytes = malloc(count);
    if (file->bytes) {
        memcpy(file->bytes, encoded, count);
        file->count = count;
    }
    WebPFree(encoded);
    return file->bytes ? JIC_OK : JIC_MEMORY;
}
