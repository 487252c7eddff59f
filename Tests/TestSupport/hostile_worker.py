"""A worker that a hostile picture has taken over: it speaks the protocol, gives false answers, and writes what it likes.

  hostile_worker.py MODE --socket=3 …

MODE says what it does with a job; "sound" answers truly, to show that the others fail by what they add."""

import json, os, socket, struct, sys, zlib

MODE = sys.argv[1]
OPTIONS = dict(argument[2:].split("=", 1) for argument in sys.argv[2:])
SIDE = 64
VERSION = 4
READY, PROGRESS, OUTPUT, FINISHED, FAILED, STOPPED = 101, 102, 103, 104, 105, 106
connection = socket.socket(fileno=int(OPTIONS["socket"]))


def receive(count):
    data = b""
    while len(data) < count:
        part = connection.recv(count - len(data))
        if not part:
            os._exit(0)
        data += part
    return data


def next_frame():
    magic, version, kind, metadata, payload = struct.unpack("<4sHHII", receive(16))
    assert magic == b"JANW" and version == VERSION, "another protocol"
    return kind, json.loads(receive(metadata) or b"null"), receive(payload)


def send(kind, metadata, payload=b""):
    text = json.dumps(metadata).encode()
    connection.sendall(struct.pack("<4sHHII", b"JANW", VERSION, kind, len(text), len(payload)) + text + payload)


def about(run, content):
    return {"run": run, "content": content}


def png(width=SIDE, height=SIDE, more=0):
    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    rows = (b"\0" + b"\x7f" * 3 * SIDE) * SIDE
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
            + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"") + b"\0" * more)


def output(run, index, data, width=SIDE, height=SIDE):
    form = {"image": {"_0": "png", "width": width, "height": height}}
    send(OUTPUT, about(run, {"index": index, "format": form}), data)


def finish(run, images=1):
    usage = {"prompt_tokens": 3, "output_tokens": 16 * images, "images": images, "prefill_seconds": 0.1,
             "drawing_seconds": 0.1, "decoding_seconds": 0.1}
    send(FINISHED, about(run, {"usage": usage}))


def answer(run):
    if MODE == "many":
        for index in range(300):
            output(run, index, png(more=16 << 20))
    elif MODE == "repeated":
        output(run, 0, png())
        output(run, 0, png())
    elif MODE == "negative":
        output(run, -1, png())
    elif MODE == "wide":
        output(run, 0, png(), width=1 << 40)
    elif MODE == "other-bytes":
        output(run, 0, b"<html>" * 100)
    elif MODE == "without-pictures":
        pass
    elif MODE == "neighbours":
        for job in range(1, 1000):
            send(FAILED, about({"job": job, "runLease": 1}, {"code": "invalid_request", "message": "", "retryable": False}))
    elif MODE == "flood":
        for number in range(20_000):
            print(f"<0>\x1b[31m{number} " + "x" * 2000, flush=True)
        output(run, 0, png())
    else:
        output(run, 0, png())
    finish(run)


try:
    jobs = 2**31 - 1 if MODE == "jobs" else 1
    send(READY, {"jobsMax": jobs, "fingerprint": "hostile", "summary": MODE, "pictureSide": SIDE, "tokenBytesMax": 8})
    while True:
        kind, metadata, _ = next_frame()
        if kind == 1:
            send(PROGRESS, about(metadata["run"], {"phase": "preparing", "stepsDone": 0, "stepsTotal": 1}))
            answer(metadata["run"])
        elif kind == 4:
            break
except OSError:
    pass  # the supervisor has had enough
