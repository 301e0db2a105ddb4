"""Attention forward and backward on PyTorch's CPU with a dense additive mask, float32, B 1.

One request a line on standard input, answered by one line:
  {"start": [...], "limit": [...], "window": w, "heads": H, "dim": D, "causal": bool}  sets the case up: builds the mask
      (not timed), runs every formulation that fits once to warm it and once or twice to time it, and answers
      {"form": name, "calibration": {name: ms}, "causalForm": name or null}: the fastest with the dense mask, and for a
      causal mask the fastest that leaves out the keys beyond each block of queries.
  {"calls": n, "form": name}  answers {"milliseconds": [...]}: forward and backward of that formulation.
"""
import json
import math
import sys
import time

import torch

torch.set_flush_denormal(True)
# All heads' scores at once take 8 GiB with their gradients beyond this.
WHOLE_TOKENS = 4096


def dense_mask(start, limit, window):
    start, limit = torch.tensor(start)[None], torch.tensor(limit)[None]
    query = torch.arange(start.shape[1])[:, None]
    visible = (start <= query) & (query < limit)
    if window:
        visible &= query - torch.arange(start.shape[1])[None] < window
    return torch.zeros(visible.shape).masked_fill_(~visible, -math.inf)


class Autograd:
    """baddbmm, softmax, bmm over all heads, differentiated by PyTorch."""

    def __init__(self, case):
        self.case = case

    def __call__(self):
        c = self.case
        q, k, v = (x.detach().requires_grad_() for x in (c.q, c.k, c.v))
        scores = torch.baddbmm(c.mask.expand(c.heads, -1, -1), q, k.transpose(1, 2), alpha=c.scale)
        torch.bmm(torch.softmax(scores, -1), v).backward(c.dout)


class Blocks:
    """Blocks of queries of one head at a time, softmax in place, a backward pass by hand."""

    def __init__(self, case, rows, causal=False, recompute=False):
        self.case, self.rows, self.causal, self.recompute = case, rows, causal, recompute

    def __call__(self):
        c = self.case
        out, dq = torch.empty_like(c.q), torch.empty_like(c.q)
        dk, dv = torch.zeros_like(c.k), torch.zeros_like(c.v)
        for h in range(c.heads):
            kept = [self.forward(h, block, out) for block in self.blocks()]
            for block, p in zip(self.blocks(), kept):
                self.backward(h, block, self.probabilities(h, block) if p is None else p, dq, dk, dv)
        dq.mul_(c.scale)

    def blocks(self):
        for first in range(0, self.case.tokens, self.rows):
            last = min(first + self.rows, self.case.tokens)
            yield slice(first, last), slice(0, last if self.causal else self.case.tokens)

    def probabilities(self, h, block):
        c, (queries, keys) = self.case, block
        mask = c.mask[queries, keys][None]
        scores = torch.baddbmm(mask, c.q[h : h + 1, queries], c.k[h : h + 1, keys].transpose(1, 2), alpha=c.scale)
        return torch._softmax(scores, -1, False, out=scores)

    def forward(self, h, block, out):
        queries, keys = block
        p = self.probabilities(h, block)
        torch.bmm(p, self.case.v[h : h + 1, keys], out=out[h : h + 1, queries])
        return None if self.recompute else p

    def backward(self, h, block, p, dq, dk, dv):
        c, head, (queries, keys) = self.case, slice(h, h + 1), block
        dout = c.dout[head, queries]
        dv[head, keys].baddbmm_(p.transpose(1, 2), dout)
        dp = torch.bmm(dout, c.v[head, keys].transpose(1, 2))
        dscores = torch._softmax_backward_data(dp, p, -1, torch.float32)
        torch.bmm(dscores, c.k[head, keys], out=dq[head, queries])
        dk[head, keys].baddbmm_(dscores.transpose(1, 2), c.q[head, queries], alpha=c.scale)


class Case:
    def __init__(self, request):
        self.tokens, self.heads = len(request["start"]), request["heads"]
        self.scale = request["dim"] ** -0.5
        torch.manual_seed(1)
        self.q, self.k, self.v, self.dout = torch.randn(4, self.heads, self.tokens, request["dim"])
        self.mask = dense_mask(request["start"], request["limit"], request["window"])
        self.forms = {}
        if self.tokens <= WHOLE_TOKENS:
            self.forms["autograd, all heads"] = Autograd(self)
        for rows in (128, 256, 512):
            self.forms[f"by hand, {rows} queries at a time"] = Blocks(self, rows)
            self.forms[f"by hand, {rows} queries at a time, recomputed"] = Blocks(self, rows, recompute=True)
            if request["causal"]:
                self.forms[f"by hand, {rows} queries at a time, later keys left out"] = Blocks(self, rows, causal=True)

    def choose(self):
        calls = 3 if self.tokens <= WHOLE_TOKENS else 2
        times = {name: min(self.measure(name, calls)[1:]) for name in self.forms}
        best = lambda causal: min((n for n in times if causal == n.endswith("left out")), key=times.get, default=None)
        return {"form": best(False), "causalForm": best(True), "calibration": times}

    def measure(self, name, calls):
        times = []
        for _ in range(calls):
            start = time.perf_counter()
            self.forms[name]()
            times.append(1000 * (time.perf_counter() - start))
        return times


def main():
    print(json.dumps({"version": torch.__version__, "threads": torch.get_num_threads()}), flush=True)
    case = None
    for line in sys.stdin:
        request = json.loads(line)
        if "start" in request:
            case = Case(request)
            reply = case.choose()
        else:
            reply = {"milliseconds": case.measure(request["form"], request["calls"])}
        print(json.dumps(reply), flush=True)


main()
