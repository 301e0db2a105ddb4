"""Answers requests {"values", "threads", "calls"} with the milliseconds of each torch.quantize_per_channel to 8 bits, on
[values / 256, 256] with a scale a row that is known beforehand; the same for dequantize."""
import json
import sys
import time

import torch

print(json.dumps({"version": torch.__version__}), flush=True)
data = {}


def milliseconds(run):
    start = time.perf_counter()
    run()
    return 1000 * (time.perf_counter() - start)


for line in sys.stdin:
    request = json.loads(line)
    torch.set_num_threads(request["threads"])
    rows = request["values"] // 256
    if rows not in data:
        x = torch.randn(rows, 256)
        scales = x.abs().amax(1).double() / 127
        data[rows] = x, scales, torch.zeros(rows, dtype=torch.int64)
    x, scales, zeros = data[rows]
    quantize = lambda: torch.quantize_per_channel(x, scales, zeros, 0, torch.qint8)
    quantized = quantize()
    reply = {
        "quantize": [milliseconds(quantize) for _ in range(request["calls"])],
        "dequantize": [milliseconds(quantized.dequantize) for _ in range(request["calls"])],
    }
    print(json.dumps(reply), flush=True)
