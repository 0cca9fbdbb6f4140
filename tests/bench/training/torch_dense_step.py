"""The dense step in PyTorch eager: pooled embeddings from the host, loss, backward, Adagrad, embedding gradients to the host.

Usage: torch_dense_step.py DEVICE SLOTS DIM DENSE HIDDEN BATCH...   (HIDDEN as 256,128; JSON lines: ms a step by batch)
"""
import json
import sys
import time

import torch

device, slots, dim, dense_width = sys.argv[1], *map(int, sys.argv[2:5])
hidden = [int(width) for width in sys.argv[5].split(",")]
torch.manual_seed(0)
if device == "cpu":
    torch.set_num_threads(int(sys.argv[6]))
batches = [int(rows) for rows in sys.argv[7:]]

widths = [slots * dim + dense_width, *hidden, 1]
layers = []
for index in range(len(widths) - 1):
    layers.append(torch.nn.Linear(widths[index], widths[index + 1]))
    if index < len(widths) - 2:
        layers.append(torch.nn.ReLU())
mlp = torch.nn.Sequential(*layers).to(device)
bias = torch.nn.Parameter(torch.zeros(1, device=device))
optimizer = torch.optim.Adagrad([*mlp.parameters(), bias], lr=0.01, initial_accumulator_value=0.1)


def step(embeddings, first_order, dense, labels, into):
    e = embeddings.to(device, non_blocking=True).requires_grad_()
    f = first_order.to(device, non_blocking=True).requires_grad_()
    x = torch.cat([e.flatten(1), dense.to(device, non_blocking=True)], 1)
    total = e.sum(1)
    pairs = 0.5 * (total * total - (e * e).sum(1)).sum(1, keepdim=True)
    logit = bias + f.sum(1, keepdim=True) + pairs + mlp(x)
    target = labels.to(device, non_blocking=True)
    loss = torch.nn.functional.binary_cross_entropy_with_logits(logit, target)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if into is None:
        return loss.item(), e.grad.cpu(), f.grad.cpu()
    into[0].copy_(e.grad, non_blocking=True)
    into[1].copy_(f.grad, non_blocking=True)
    return loss.item(), into[0], into[1]


def milliseconds(rows, pinned):
    shapes = [(rows, slots, dim), (rows, slots), (rows, dense_width), (rows, 1)]
    inputs = [torch.rand(shape) * 0.1 for shape in shapes]
    inputs[3] = (torch.rand(rows, 1) < 0.25).float()
    into = None
    if pinned:
        inputs = [tensor.pin_memory() for tensor in inputs]
        into = [torch.empty(shapes[0]).pin_memory(), torch.empty(shapes[1]).pin_memory()]
    times = []
    begin = time.perf_counter()
    while len(times) < 20 or (time.perf_counter() - begin < 3 and len(times) < 400):
        start = time.perf_counter()
        step(*inputs, into)
        if device == "cuda":
            torch.cuda.synchronize()
        times.append((time.perf_counter() - start) * 1e3)
    times = sorted(times[5:])
    return times[len(times) // 2]


name = torch.cuda.get_device_name() if device == "cuda" else "cpu"
for rows in batches:
    line = {"batch": rows, "version": torch.__version__, "device": name, "ms": milliseconds(rows, False)}
    if device == "cuda":
        line["pinnedMs"] = milliseconds(rows, True)
    print(json.dumps(line), flush=True)
