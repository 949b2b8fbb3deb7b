"""What matrix products reach in ONNX Runtime: the other practical peak, as a program of its own.

`python peaks.py THREADS` prints `{"float32": GFLOP/s, "int8": GOP/s}`; one that cannot be measured is the reason why.
Both are the best of many calls of a square product whose right side is constant, as a network's weights are. It needs
onnxruntime and numpy only: the few bytes of an ONNX file are written here.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import numpy as np

SIDES = (512, 1024)
SECONDS = 0.2  # for each product and side
FLOAT, UINT8, INT8, INT32 = 1, 2, 3, 6  # ONNX's numbers of the element types


def best_gops(operation: str, side: int, threads: int) -> float:
    """Billions of operations a second (a multiply-add is two) of `MatMul` or `MatMulInteger` (uint8 by int8)."""
    import onnxruntime

    rng = np.random.default_rng(0)
    left: Any
    right: Any
    if operation == "MatMul":
        left, right = (rng.standard_normal((side, side), dtype=np.float32) for _ in range(2))
        types = (FLOAT, FLOAT, FLOAT)
    else:
        left = rng.integers(0, 256, (side, side), dtype=np.uint8)
        right = rng.integers(-64, 64, (side, side), dtype=np.int8)
        types = (UINT8, INT8, INT32)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 4
    model = product_model(operation, side, types, right.tobytes())
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    feed = {"a": left}
    session.run(None, feed)
    best, end = float("inf"), time.perf_counter() + SECONDS
    while time.perf_counter() < end or best == float("inf"):
        start = time.perf_counter()
        session.run(None, feed)
        best = min(best, time.perf_counter() - start)
    return float(2 * side**3 / best / 1e9)


def product_model(operation: str, side: int, types: tuple[int, int, int], right: bytes) -> bytes:
    """An ONNX file `c = operation(a, b)` of side x side matrices; `types` of a, b and c, `right` the elements of b.

    The numbers are the field numbers of onnx.proto3.
    """
    node = field(1, b"a") + field(1, b"b") + field(2, b"c") + field(4, operation.encode())
    weights = field(1, side) * 2 + field(2, types[1]) + field(8, b"b") + field(9, right)
    values = []
    for name, kind in ((b"a", types[0]), (b"c", types[2])):
        shape = field(1, field(1, side)) * 2
        values.append(field(1, name) + field(2, field(1, field(1, kind) + field(2, shape))))
    graph = field(1, node) + field(2, b"g") + field(5, weights) + field(11, values[0]) + field(12, values[1])
    return field(1, 8) + field(7, graph) + field(8, field(1, b"") + field(2, 17))  # IR version 8, opset 17


def field(number: int, value: int | bytes) -> bytes:
    """One field of a protocol buffer: an integer as varint, bytes with their length before them."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def varint(value: int) -> bytes:
    """Seven bits a byte, the lowest first; the eighth says that more follow."""
    found = bytearray()
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    return bytes([*found, value])


def measure(threads: int) -> dict[str, float | str]:
    """`{float32, int8}`; see above."""
    found: dict[str, float | str] = {}
    for name, operation in (("float32", "MatMul"), ("int8", "MatMulInteger")):
        try:
            found[name] = max(best_gops(operation, side, threads) for side in SIDES)
        except (
            Exception
        ) as error:  # an old release, a build without this operation: a machine is described all the same
            found[name] = f"{operation} in onnxruntime: {type(error).__name__}: {error}".partition("\n")[0]
    return found


if __name__ == "__main__":
    print(json.dumps(measure(int(sys.argv[1]))))
