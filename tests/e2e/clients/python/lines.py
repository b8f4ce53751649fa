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


def flooding(command):
    """The records of the command `flood`: partition, key, value, headers."""
    name = command["name"]
    for seq in range(command["count"]):
        text = f"{name} {seq} ".encode()
        size = 64 + seq * 7919 % 4001
        key = None if seq % 5 == 0 else f"{name}-{seq % 101}".encode()
        headers = [("seq", str(seq).encode())] if seq % 3 == 0 else []
        yield seq % command["partitions"], key, (text * (size // len(text) + 1))[:size], headers


class Progress:
    """Counts acknowledgements, and says how many there are from time to time."""

    def __init__(self):
        self.count = 0
        self.fault = None

    def add(self):
        self.count += 1
        if self.count % 500 == 0:
            print(json.dumps({"progress": self.count}), flush=True)
