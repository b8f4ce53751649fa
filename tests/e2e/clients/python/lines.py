"""One JSON command a line in, one JSON answer a line out; see ../README.md."""

import json
import sys


def unhex(text):
    return None if text is None else bytes.fromhex(text)


def hexed(data):
    return None if data is None else data.hex()


def serve(handlers):
    for line in sys.stdin:
        command = json.loads(line)
        try:
            answer = handlers[command["do"]](command)
        except Exception as fault:
            answer = {"error": f"{type(fault).__name__}: {fault}"}
        print(json.dumps(answer), flush=True)
