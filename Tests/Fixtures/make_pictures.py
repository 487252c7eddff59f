"""Writes pictures.json: small picture files with what Pillow decodes them to, and fingerprints of Pillow's resizes.

    pip install pillow numpy && python3 make_pictures.py > pictures.json
"""

import base64
import io
import json

import numpy as np
from PIL import Image, PngImagePlugin


def noise(width, height, seed, channels=3):
    """The generator that the Swift test repeats: a 32-bit LCG, smoothed by nothing."""
    state, out = seed, bytearray()
    for _ in range(width * height * channels):
        state = (state * 1664525 + 1013904223) % 2**32
        out.append(state >> 24)
    return np.frombuffer(bytes(out), np.uint8).reshape(height, width, channels)


def smooth(width, height):
    y, x = np.mgrid[0:height, 0:width]
    return np.stack([x * 255 // max(width - 1, 1), y * 255 // max(height - 1, 1), (x + y) * 9 % 256], 2).astype(np.uint8)


def fnv1a(data):
    value = 0xCBF29CE484222325
    for byte in data:
        value = (value ^ byte) * 0x100000001B3 % 2**64
    return f"{value:016x}"


def b64(data):
    return base64.b64encode(data).decode()


def saved(image, **options):
    buffer = io.BytesIO()
    image.save(buffer, **options)
    return buffer.getvalue()


files = []


def add(name, data):
    image = Image.open(io.BytesIO(data))
    mode = image.mode
    rgb = np.array(image.convert("RGB"))
    files.append({"name": f"{name} ({mode})", "file": b64(data), "width": rgb.shape[1], "height": rgb.shape[0],
                  "rgb": b64(rgb.tobytes())})


color = Image.fromarray(noise(7, 5, 1))
alpha = Image.fromarray(noise(7, 5, 2, 4), "RGBA")
gray = Image.fromarray(noise(7, 5, 3, 1)[:, :, 0])
picture = Image.fromarray(smooth(23, 17))
add("PNG", saved(color, format="png"))
add("PNG with alpha", saved(alpha, format="png"))
add("PNG grey", saved(gray, format="png"))
add("PNG grey and alpha", saved(Image.fromarray(noise(7, 5, 4, 2), "LA"), format="png"))
add("PNG one bit", saved(gray.convert("1"), format="png"))
add("PNG palette", saved(color.quantize(16), format="png"))
add("PNG palette, two bits", saved(color.quantize(4), format="png", bits=2))
add("PNG palette with transparency", saved(color.quantize(8), format="png", transparency=b"\x00\x80\xff"))
add("PNG colour key", saved(color, format="png", transparency=tuple(int(v) for v in noise(7, 5, 1)[0, 0])))
add("PNG grey, 16 bits", saved(Image.fromarray((noise(7, 5, 5, 2).astype(np.uint16) @ [256, 1]).astype(np.uint16) // 90),
                              format="png"))


def png_by_hand(width, height, depth, color, rows, interlace=0):
    """Kinds that Pillow does not write."""
    import struct
    import zlib

    def chunk(name, data):
        body = name + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, interlace)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def rows(data):
    return b"".join(b"\0" + bytes(row) for row in data)


add("PNG RGB, 16 bits", png_by_hand(7, 5, 16, 2, rows(noise(42, 5, 6, 1)[:, :, 0])))
add("PNG RGBA, 16 bits", png_by_hand(7, 5, 16, 6, rows(noise(56, 5, 7, 1)[:, :, 0])))
add("PNG grey and alpha, 16 bits", png_by_hand(7, 5, 16, 4, rows(noise(28, 5, 8, 1)[:, :, 0])))
add("PNG grey, two bits", png_by_hand(8, 5, 2, 0, rows(noise(2, 5, 9, 1)[:, :, 0])))
add("PNG grey, four bits", png_by_hand(8, 5, 4, 0, rows(noise(4, 5, 10, 1)[:, :, 0])))


def adam7(pixels):
    out = b""
    for x0, y0, dx, dy in [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]:
        part = pixels[y0::dy, x0::dx]
        if part.size:
            out += rows(part.reshape(part.shape[0], -1))
    return out


add("PNG interlaced", png_by_hand(23, 17, 8, 2, adam7(smooth(23, 17)), interlace=1))
info = PngImagePlugin.PngInfo()
info.add_itxt("prompt", "a fox 狐")
add("PNG with text, gamma and profile", saved(color, format="png", pnginfo=info, icc_profile=b"none" * 40))
add("JPEG", saved(picture, format="jpeg", quality=90))
add("JPEG 4:4:4", saved(picture, format="jpeg", quality=90, subsampling=0))
add("JPEG 4:2:2", saved(picture, format="jpeg", quality=90, subsampling=1))
add("JPEG progressive", saved(picture, format="jpeg", quality=90, progressive=True))
add("JPEG grey", saved(picture.convert("L"), format="jpeg", quality=90))
add("JPEG CMYK", saved(picture.convert("CMYK"), format="jpeg", quality=90))
exif = Image.Exif()
exif[0x0112] = 6
add("JPEG with an EXIF rotation", saved(picture, format="jpeg", quality=90, exif=exif))
add("WebP lossy", saved(picture, format="webp", quality=80))
add("WebP lossless", saved(color, format="webp", lossless=True))
add("WebP lossless with alpha", saved(alpha, format="webp", lossless=True, exact=True))
add("WebP lossy with alpha", saved(picture.convert("RGBA"), format="webp", quality=80))
add("WebP animated", saved(color, format="webp", lossless=True, save_all=True, append_images=[picture.resize((7, 5))]))

resizes = []
for index, (w, h, tw, th) in enumerate([
    (300, 200, 64, 42), (97, 251, 24, 64), (20, 33, 38, 64), (64, 64, 64, 64), (1, 1, 64, 64), (1, 200, 14, 64),
    (640, 3, 64, 14), (64, 40, 64, 39), (65, 64, 64, 63), (5, 4, 384, 307), (127, 384, 127, 383), (384, 127, 383, 127),
    (31, 17, 7, 90), (2, 2, 3, 1), (400, 399, 384, 383), (13, 11, 12, 10), (333, 222, 111, 74)]):
    image = Image.fromarray(noise(w, h, 100 + index))
    result = image.resize((tw, th), Image.BICUBIC)
    resizes.append({"width": w, "height": h, "seed": 100 + index, "newWidth": tw, "newHeight": th,
                    "fnv1a": fnv1a(result.tobytes())})

print(json.dumps({"files": files, "resizes": resizes}, indent=0))
