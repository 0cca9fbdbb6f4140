"""PyTorch's sparse Adagrad as a contender for "sum duplicates, then one step an id": an embedding of
all keys on one thread, gradients as a sparse tensor that the optimizer coalesces. Driven line by
line over standard input."""
import sys
import time

import numpy
import torch

folder, dim = sys.argv[1], int(sys.argv[2])
torch.set_num_threads(1)
rows = numpy.fromfile(f"{folder}/zipf.rows", dtype=numpy.uint32).astype(numpy.int64)
keys = numpy.fromfile(f"{folder}/keys", dtype=numpy.uint64)
gradients = torch.from_numpy(numpy.fromfile(f"{folder}/gradients", dtype=numpy.float32))
low = (keys & numpy.uint64(0xFFFFFFFF)).astype(numpy.uint32)
columns = (numpy.arange(dim, dtype=numpy.uint64) * 0x9E3779B1 & 0xFFFFFFFF).astype(numpy.uint32)
start_weights = ((low[:, None] ^ columns[None, :]) >> numpy.uint32(8)).astype(numpy.float32) * 2.0**-24
weight = torch.nn.Parameter(torch.from_numpy(start_weights))
optimizer = torch.optim.Adagrad([weight], lr=0.01, initial_accumulator_value=1.0, eps=0.0)

for line in sys.stdin:
    command, *words = line.split()
    if command == "dedupe":
        start, count, batch = map(int, words[1:])
        values = gradients[: batch * dim].view(batch, dim)
        begun = time.thread_time_ns()
        for at in range(start, start + count, batch):
            indices = torch.from_numpy(rows[at : at + batch])[None, :]
            weight.grad = torch.sparse_coo_tensor(indices, values, weight.shape, check_invariants=False)
            optimizer.step()
        answer = float(time.thread_time_ns() - begun)
    elif command == "sum":
        count = int(words[1])
        answer = float(weight.detach()[torch.from_numpy(rows[:count])].double().sum())
    else:
        sys.exit(1)
    print(repr(answer), flush=True)
