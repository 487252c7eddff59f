#!/usr/bin/env python3
"""A real HTTP receiver for tests and demonstrations; Python's standard library only.

    receiver.py [--folder DIR] [--remove] [--tls CERTIFICATE KEY]

Listens on 127.0.0.1 at a free port, prints the port as its first line, and ends when its standard input closes.
Every request is a line of DIR/requests.jsonl before it is answered; what is PUT lies under DIR/put/. A path that begins
with /~ROOM is one without it whose log and files lie under DIR/ROOM, so that many tests can share one receiver.

    PUT, GET /put/PATH        store, and read back        GET /image/NAME       red.png truncated.png text.png empty.png
    POST /hook/…              answer 200                                        bomb.png (60000 x 60000 in its header)
    /status/CODE              that status                 /bytes/N, /chunked/N  N bytes, with or without their length
    /fail-then-ok/N/…         N times 503, then 200       /retry-after/VALUE    503 with that header (?status=429)
    /redirect                 302 to /image/red.png       /hang                 no answer
    /endless, /slow           a body without end, fast or a byte a second       /headers  headers without end
    /drop                     close without an answer     /big-error            404 with a body without end
    /break-off/CODE           status, then a cut body     /dawdle/CODE          status, then nothing for ever
    /gzip/N                   N bytes, sent as gzip       /gzip/NAME            a picture, sent as gzip
"""

import argparse
import base64
import collections
import gzip
import hashlib
import json
import os
import pathlib
import shutil
import ssl
import struct
import sys
import tempfile
import threading
import urllib.parse
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

LOGGED_BODY_BYTES_MAX = 64 << 10
REQUEST_BODY_BYTES_MAX = 256 << 20


def png(width, height, rows):
    """A PNG of 8-bit RGB; `rows` are its raw pixels, `height` of them or a lie."""
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = b"".join(b"\0" + row for row in rows)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(pixels)) + chunk(b"IEND", b"")


RED = png(16, 16, [b"\xd0\x20\x20" * 16] * 16)
IMAGES = {
    "red.png": RED,
    "truncated.png": RED[:-20],
    "text.png": b"this is no picture\n",
    "empty.png": b"",
    "bomb.png": png(60000, 60000, [b"\0" * 180000] * 4),
}


class Server(ThreadingHTTPServer):
    request_queue_size = 128
    daemon_threads = True


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    root = pathlib.Path(".")
    lock = threading.Lock()
    tries = collections.Counter()

    def handle_any(self):
        url = urllib.parse.urlsplit(self.path)
        self.folder = self.root
        if url.path.startswith("/~"):
            room, _, rest = url.path[2:].partition("/")
            self.folder = self.root / pathlib.PurePath(room).name
            self.folder.mkdir(exist_ok=True)
            url = url._replace(path="/" + rest)
        self.query = dict(urllib.parse.parse_qsl(url.query))
        size = int(self.headers.get("content-length") or 0)
        body = self.rfile.read(min(size, REQUEST_BODY_BYTES_MAX))
        self.record(url, body)
        kind, _, rest = url.path[1:].partition("/")
        answer = getattr(self, "answer_" + kind.replace("-", "_"), None)
        if answer is None:
            self.reply(404, b"no such place\n")
        else:
            answer(rest, body)

    do_GET = do_PUT = do_POST = do_HEAD = handle_any

    def record(self, url, body):
        entry = {
            "method": self.command,
            "path": url.path,
            "query": url.query,
            "headers": {name.lower(): value for name, value in self.headers.items()},
            "body_bytes": len(body),
            "body_sha256": hashlib.sha256(body).hexdigest(),
            "body_base64": base64.b64encode(body[:LOGGED_BODY_BYTES_MAX]).decode(),
        }
        with self.lock, open(self.folder / "requests.jsonl", "a", encoding="utf-8") as log:
            log.write(json.dumps(entry) + "\n")

    def reply(self, status, body=b"", media_type="text/plain", headers=()):
        self.send_response(status)
        self.send_header("Content-Type", media_type)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        if status != 204 and self.command != "HEAD":
            self.wfile.write(body)

    def stored(self, rest):
        place = (self.folder / "put" / urllib.parse.unquote(rest)).resolve()
        return place if place.is_relative_to((self.folder / "put").resolve()) else None

    def answer_put(self, rest, body):
        place = self.stored(rest)
        if place is None:
            self.reply(403, b"outside of the folder\n")
        elif self.command == "PUT":
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(body)
            self.reply(201)
        elif place.is_file():
            self.reply(200, place.read_bytes(), "application/octet-stream")
        else:
            self.reply(404)

    def answer_hook(self, rest, body):
        self.reply(200, b'{"ok":true}\n', "application/json")

    def answer_image(self, rest, body):
        if rest in IMAGES:
            self.reply(200, IMAGES[rest], "image/png")
        else:
            self.reply(404, b"no such picture\n")

    def answer_status(self, rest, body):
        self.reply(int(rest.partition("/")[0]), b"as you asked\n")

    def answer_bytes(self, rest, body):
        self.reply(200, b"x" * int(rest), "application/octet-stream")

    def answer_chunked(self, rest, body):
        self.begin_chunks(200)
        self.wfile.write(b"%x\r\n" % int(rest) + b"x" * int(rest) + b"\r\n0\r\n\r\n")

    def answer_fail_then_ok(self, rest, body):
        with self.lock:
            self.tries[self.path] += 1
            failed = self.tries[self.path] <= int(rest.partition("/")[0])
        self.reply(503 if failed else 200, b"tried %d times\n" % self.tries[self.path])

    def answer_retry_after(self, rest, body):
        wish = urllib.parse.unquote(rest)
        self.reply(int(self.query.get("status", "503")), b"later\n", headers=[("Retry-After", wish)])

    def answer_redirect(self, rest, body):
        self.reply(302, headers=[("Location", "/image/red.png")])

    def answer_hang(self, rest, body):
        while self.connection.recv(1024):  # until the client goes
            pass

    def begin_chunks(self, status):
        self.send_response(status)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def answer_endless(self, rest, body, status=200):
        self.begin_chunks(status)
        while True:
            self.wfile.write(b"4000\r\n" + b"x" * 0x4000 + b"\r\n")

    def answer_big_error(self, rest, body):
        self.answer_endless(rest, body, 404)

    def answer_slow(self, rest, body):
        self.begin_chunks(200)
        while True:
            self.wfile.write(b"1\r\nx\r\n")
            threading.Event().wait(1)

    def answer_headers(self, rest, body):
        self.send_response(200)
        while True:
            self.send_header("X-More", "y" * 1000)
            self.flush_headers()

    def answer_break_off(self, rest, body):
        self.begin_long(rest)
        self.close_connection = True

    def answer_dawdle(self, rest, body):
        self.begin_long(rest)
        self.answer_hang(rest, body)

    def begin_long(self, rest):
        """A status and the beginning of a body of 1000 bytes."""
        self.send_response(int(rest.partition("/")[0]))
        self.send_header("Content-Length", "1000")
        self.end_headers()
        self.wfile.write(b"x" * 10)

    def answer_gzip(self, rest, body):
        plain = IMAGES[rest] if rest in IMAGES else b"x" * int(rest)
        self.reply(200, gzip.compress(plain), "image/png", [("Content-Encoding", "gzip")])

    def answer_drop(self, rest, body):
        self.close_connection = True

    def handle(self):
        try:
            super().handle()
        except (ConnectionError, ssl.SSLError):
            pass  # the client had enough

    def log_message(self, format, *args):
        pass


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--folder", type=pathlib.Path, help="default: a temporary one, named on the second line")
    options.add_argument("--tls", nargs=2, metavar=("CERTIFICATE", "KEY"))
    options.add_argument("--remove", action="store_true", help="remove the folder at the end")
    given = options.parse_args()

    Handler.root = given.folder or pathlib.Path(tempfile.mkdtemp(prefix="receiver-"))
    (Handler.root / "put").mkdir(parents=True, exist_ok=True)
    server = Server(("127.0.0.1", 0), Handler)
    if given.tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*given.tls)
        # the handshake belongs to the connection's own thread, not to the one that accepts
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_address[1], Handler.root, sep="\n", flush=True)
    sys.stdin.read()
    if given.remove:
        shutil.rmtree(Handler.root, ignore_errors=True)
    os._exit(0)  # without waiting for those who hang


if __name__ == "__main__":
    main()
