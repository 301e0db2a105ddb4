#!/usr/bin/python3
"""GPT-2 on PyTorch's CPU, tuned: the peer of the train and parity benches.

Usage:
  torch_gpt.py train  --layers 4 --heads 4 --width 256 --vocab 4096 [--context 256] [--batch 8] [--steps N]
      Random tokens. With --steps: that many steps, one JSON line each. Without: one request a line on standard input,
      {"steps": N}, answered by one line {"stepTimesMs": [...], "losses": [...], "peakMemoryBytes": n}; ends with the input.
  torch_gpt.py parity ... --initial weights.safetensors --batches batches.safetensors --output result.safetensors
      Batches: int32 `tokens` and `targets` [steps, batch, context]. Writes `losses` [steps] and, as
      `gradient.<name>`, the gradients of the first step.

Tensor names and layouts are those of Hugging Face's GPT-2: linear weights are [in, out] in files. In memory they are
[out, in], since the linear layers run as oneDNN's 1x1 convolutions, which beat OpenBLAS here. Attention works on blocks of
queries and leaves out the keys that none of them sees; the loss works on blocks of rows and never holds all logits. What
else was tried, and how fast it was, is in ../README.md; the environment that this needs is in ../src/lib/torch.ts.
"""
import argparse
import json
import math
import resource
import struct
import sys
import time

import numpy as np
import torch
import torch.nn.functional as F

ATTENTION_BLOCKS = 4
LOSS_ROWS = 512
LEARNING_RATE, BETAS, EPS, WEIGHT_DECAY = 3e-4, (0.9, 0.95), 1e-8, 0.1
DTYPES = {"F32": np.float32, "I32": np.int32}


def read_safetensors(path):
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
        data = file.read()
    header.pop("__metadata__", None)
    return {
        name: np.frombuffer(data[slice(*entry["data_offsets"])], DTYPES[entry["dtype"]]).reshape(entry["shape"])
        for name, entry in header.items()
    }


def write_safetensors(path, arrays):
    names = {np.dtype(dtype): name for name, dtype in DTYPES.items()}
    header, offset = {}, 0
    for name, array in arrays.items():
        end = offset + array.nbytes
        header[name] = {"dtype": names[array.dtype], "shape": list(array.shape), "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for array in arrays.values():
            file.write(np.ascontiguousarray(array).tobytes())


class CausalAttention(torch.autograd.Function):
    """softmax(scale * q k^T + mask) v over [batch * heads, context, head size], in blocks of queries."""

    @staticmethod
    def forward(ctx, q, k, v, scale, masks):
        rows = q.shape[1] // len(masks)
        out = torch.empty_like(q)
        probabilities = []
        for i, mask in enumerate(masks):
            first, last = i * rows, (i + 1) * rows
            scores = torch.baddbmm(mask, q[:, first:last], k[:, :last].transpose(1, 2), alpha=scale)
            probabilities.append(torch.softmax(scores, -1))
            torch.bmm(probabilities[-1], v[:, :last], out=out[:, first:last])
        ctx.save_for_backward(q, k, v, *probabilities)
        ctx.scale = scale
        return out

    @staticmethod
    def backward(ctx, dout):
        q, k, v, *probabilities = ctx.saved_tensors
        rows = q.shape[1] // len(probabilities)
        dout = dout.contiguous()
        dq, dk, dv = torch.empty_like(q), torch.zeros_like(k), torch.zeros_like(v)
        for i, p in enumerate(probabilities):
            first, last = i * rows, (i + 1) * rows
            dv[:, :last].baddbmm_(p.transpose(1, 2), dout[:, first:last])
            dp = torch.bmm(dout[:, first:last], v[:, :last].transpose(1, 2))
            dscores = torch._softmax_backward_data(dp, p, -1, torch.float32)
            torch.bmm(dscores, k[:, :last], out=dq[:, first:last])
            dk[:, :last].baddbmm_(dscores.transpose(1, 2), q[:, first:last], alpha=ctx.scale)
        return dq.mul_(ctx.scale), dk, dv, None, None


class LinearCrossEntropy(torch.autograd.Function):
    """Mean cross-entropy of x @ weight.T; takes the gradients on the way, block by block of rows."""

    @staticmethod
    def forward(ctx, x, weight, targets):
        rows = x.shape[0]
        dx, dweight, loss = torch.empty_like(x), torch.zeros_like(weight), x.new_zeros((), dtype=torch.float64)
        for first in range(0, rows, LOSS_ROWS):
            block, target = x[first : first + LOSS_ROWS], targets[first : first + LOSS_ROWS, None]
            logits = torch.mm(block, weight.t())
            at_target = logits.gather(1, target)
            highest = logits.amax(1, keepdim=True)
            total = logits.sub_(highest).exp_().sum(1, keepdim=True)
            loss += (total.log() + highest - at_target).sum(dtype=torch.float64)
            logits.mul_((1 / rows) / total).scatter_add_(1, target, torch.full_like(at_target, -1 / rows))
            torch.mm(logits, weight, out=dx[first : first + LOSS_ROWS])
            dweight.addmm_(logits.t(), block)
        ctx.save_for_backward(dx, dweight)
        return loss / rows

    @staticmethod
    def backward(ctx, dloss):
        dx, dweight = ctx.saved_tensors
        return dx * dloss.float(), dweight * dloss.float(), None


class Gpt2:
    def __init__(self, config):
        self.config = config
        self.parameters = {name: self.initial(name, shape).requires_grad_() for name, shape in self.shapes()}
        rows = config.context // ATTENTION_BLOCKS
        mask = torch.full((1, config.context, config.context), -math.inf).triu(1)
        self.masks = [mask[:, i * rows : (i + 1) * rows, : (i + 1) * rows].contiguous() for i in range(ATTENTION_BLOCKS)]
        self.scale = 1 / math.sqrt(config.width // config.heads)

    def shapes(self):
        """Names and shapes as they are in memory."""
        c, width = self.config, self.config.width
        yield "wte.weight", (c.vocab, width)
        yield "wpe.weight", (c.context, width)
        for layer in range(c.layers):
            for norm in ("ln_1", "ln_2"):
                yield f"h.{layer}.{norm}.weight", (width,)
                yield f"h.{layer}.{norm}.bias", (width,)
            for linear, outputs, inputs in (
                ("attn.c_attn", 3 * width, width),
                ("attn.c_proj", width, width),
                ("mlp.c_fc", 4 * width, width),
                ("mlp.c_proj", width, 4 * width),
            ):
                yield f"h.{layer}.{linear}.weight", (outputs, inputs)
                yield f"h.{layer}.{linear}.bias", (outputs,)
        yield "ln_f.weight", (width,)
        yield "ln_f.bias", (width,)

    @staticmethod
    def initial(name, shape):
        if name.endswith("bias"):
            return torch.zeros(shape)
        return torch.ones(shape) if "ln_" in name else torch.randn(shape) * 0.02

    @staticmethod
    def in_file(name, tensor):
        """A tensor in its file's layout, or back: the linear weights change places of inputs and outputs."""
        return tensor.t().contiguous() if ".c_" in name and tensor.dim() == 2 else tensor

    def load(self, arrays):
        with torch.no_grad():
            for name, parameter in self.parameters.items():
                parameter.copy_(self.in_file(name, torch.from_numpy(arrays[name].copy())))

    def linear(self, x, name):
        weight, bias = self.parameters[f"{name}.weight"], self.parameters[f"{name}.bias"]
        image = x.view(self.config.batch, self.config.context, 1, -1).permute(0, 3, 1, 2)
        return F.conv2d(image, weight[:, :, None, None], bias).permute(0, 2, 3, 1).reshape(len(x), -1)

    def norm(self, x, name):
        return F.layer_norm(x, x.shape[-1:], self.parameters[f"{name}.weight"], self.parameters[f"{name}.bias"])

    def attention(self, x, name):
        batch, context, heads, width = (getattr(self.config, key) for key in ("batch", "context", "heads", "width"))
        qkv = self.linear(x, f"{name}.c_attn").view(batch, context, 3, heads, width // heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4).reshape(3, batch * heads, context, width // heads).unbind(0)
        y = CausalAttention.apply(q, k, v, self.scale, self.masks)
        return self.linear(y.view(batch, heads, context, -1).transpose(1, 2).reshape(-1, width), f"{name}.c_proj")

    def loss(self, tokens, targets):
        x = (F.embedding(tokens, self.parameters["wte.weight"]) + self.parameters["wpe.weight"]).view(-1, self.config.width)
        for layer in range(self.config.layers):
            x = x + self.attention(self.norm(x, f"h.{layer}.ln_1"), f"h.{layer}.attn")
            hidden = self.linear(self.norm(x, f"h.{layer}.ln_2"), f"h.{layer}.mlp.c_fc")
            x = x + self.linear(F.gelu(hidden, approximate="tanh"), f"h.{layer}.mlp.c_proj")
        return LinearCrossEntropy.apply(self.norm(x, "ln_f"), self.parameters["wte.weight"], targets.view(-1))


def make_optimizer(model):
    matrices = [p for p in model.parameters.values() if p.dim() == 2]
    vectors = [p for p in model.parameters.values() if p.dim() == 1]
    groups = [{"params": matrices, "weight_decay": WEIGHT_DECAY}, {"params": vectors, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=LEARNING_RATE, betas=BETAS, eps=EPS, foreach=True)


def train_step(model, optimizer, tokens, targets, on_gradients=None):
    loss = model.loss(tokens, targets)
    loss.backward()
    if on_gradients:
        on_gradients()
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return loss.item()


def say(message):
    print(json.dumps(message), flush=True)


def peak_memory_bytes():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def train(options):
    torch.manual_seed(1)
    model = Gpt2(options)
    optimizer = make_optimizer(model)
    size = sum(p.numel() for p in model.parameters.values())
    say({"ready": True, "version": torch.__version__, "cpuCapability": cpu_capability(), "parameters": size})

    def timed_step():
        tokens = torch.randint(options.vocab, (options.batch, options.context))
        targets = torch.randint(options.vocab, (options.batch, options.context))
        start = time.perf_counter()
        loss = train_step(model, optimizer, tokens, targets)
        return (time.perf_counter() - start) * 1e3, loss

    if options.steps:
        for step in range(options.steps):
            milliseconds, loss = timed_step()
            say({"step": step + 1, "stepTimeMs": milliseconds, "loss": loss})
        say({"peakMemoryBytes": peak_memory_bytes()})
        return
    for line in sys.stdin:
        times, losses = zip(*(timed_step() for _ in range(json.loads(line)["steps"])))
        say({"stepTimesMs": times, "losses": losses, "peakMemoryBytes": peak_memory_bytes()})


def cpu_capability():
    lines = torch.__config__.show().splitlines()
    return next((line.split(": ")[1] for line in lines if "CPU capability" in line), "unknown")


def parity(options):
    model = Gpt2(options)
    model.load(read_safetensors(options.initial))
    optimizer = make_optimizer(model)
    batches = read_safetensors(options.batches)
    tokens, targets = (torch.from_numpy(batches[name].astype(np.int64)) for name in ("tokens", "targets"))
    results = {}

    def keep_gradients():
        for name, parameter in model.parameters.items():
            results[f"gradient.{name}"] = model.in_file(name, parameter.grad).numpy().copy()

    losses = [
        train_step(model, optimizer, tokens[step], targets[step], keep_gradients if step == 0 else None)
        for step in range(len(tokens))
    ]
    write_safetensors(options.output, {"losses": np.array(losses, np.float32), **results})


def main():
    parser = argparse.ArgumentParser(description="GPT-2 on PyTorch's CPU, the peer of the train and parity benches")
    parser.add_argument("mode", choices=["train", "parity"])
    for name, default in (("layers", None), ("heads", None), ("width", None), ("vocab", None), ("context", 256), ("batch", 8)):
        parser.add_argument(f"--{name}", type=int, default=default, required=default is None)
    parser.add_argument("--steps", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    for name in ("initial", "batches", "output"):
        parser.add_argument(f"--{name}")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.set_flush_denormal(True)
    (train if options.mode == "train" else parity)(options)


if __name__ == "__main__":
    main()
