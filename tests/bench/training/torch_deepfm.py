"""The whole step in PyTorch: nn.Embedding with sparse gradients, the FM and deep parts of DeepFM (without its
first-order weights, which ours has), Adagrad on both, two threads.

Usage: torch_deepfm.py BATCH,BATCH,... IDS SECONDS   (a JSON line for each: batch, examplesPerSecond, version)
"""
import json
import sys
import time

import torch

SLOTS, DIM, DENSE_WIDTH = 26, 16, 13
ids, seconds = int(sys.argv[2]), float(sys.argv[3])
torch.manual_seed(0)
torch.set_num_threads(2)

per_slot = ids // SLOTS
embedding = torch.nn.Embedding(per_slot * SLOTS, DIM, sparse=True)
torch.nn.init.uniform_(embedding.weight, -0.05, 0.05)
mlp = torch.nn.Sequential(
    torch.nn.Linear(DENSE_WIDTH + SLOTS * DIM, 256), torch.nn.ReLU(),
    torch.nn.Linear(256, 128), torch.nn.ReLU(),
    torch.nn.Linear(128, 1),
)
sparse = torch.optim.Adagrad(embedding.parameters(), lr=0.05, initial_accumulator_value=0.1)
dense = torch.optim.Adagrad(mlp.parameters(), lr=0.01, initial_accumulator_value=0.1)

weights = 1.0 / torch.arange(1, per_slot + 1).double().pow(1.05)
cumulative = torch.cumsum(weights, 0)
cumulative /= cumulative[-1].clone()


def draw(batch):
    picks = torch.searchsorted(cumulative, torch.rand(batch, SLOTS, dtype=torch.double))
    features = picks.clamp(max=per_slot - 1) + torch.arange(SLOTS) * per_slot
    return features, torch.rand(batch, DENSE_WIDTH), (torch.rand(batch, 1) < 0.25).float()


def step(features, values, labels):
    e = embedding(features)
    total = e.sum(1)
    pairs = 0.5 * (total * total - (e * e).sum(1)).sum(1, keepdim=True)
    logit = pairs + mlp(torch.cat([e.flatten(1), values], 1))
    loss = torch.nn.functional.binary_cross_entropy_with_logits(logit, labels)
    sparse.zero_grad()
    dense.zero_grad()
    loss.backward()
    sparse.step()
    dense.step()
    return loss.item()


for batch in map(int, sys.argv[1].split(",")):
    batches = [draw(batch) for _ in range(12)]
    for one in batches[:6]:
        step(*one)
    steps, began = 0, time.perf_counter()
    while time.perf_counter() - began < seconds:
        step(*batches[steps % len(batches)])
        steps += 1
    rate = round(steps * batch / (time.perf_counter() - began))
    print(json.dumps({"batch": batch, "examplesPerSecond": rate, "version": torch.__version__}))
