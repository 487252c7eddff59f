"""Several processes of one thread each, where `torchrun --nproc-per-node N` started them; else one.

On a shared machine, two processes of one thread get far more done than one of two: a thread team waits for its
slowest member at every operation, these only once a step.
"""

from __future__ import annotations

import os

import torch
import torch.distributed as dist

COUNT = int(os.environ.get("WORLD_SIZE", "1"))
RANK = int(os.environ.get("RANK", "0"))


def start() -> None:
    if COUNT > 1 and not dist.is_initialized():
        dist.init_process_group("gloo")


def share_of(total: int) -> int:
    """This worker's part of `total` things."""
    return total * (RANK + 1) // COUNT - total * RANK // COUNT


def average_gradients(parameters: list[torch.nn.Parameter], stop: bool) -> bool:
    """Replaces every gradient by its mean over the workers; true when any of them wants to stop."""
    if COUNT == 1:
        return stop
    flat = torch.cat([*(p.grad.reshape(-1) for p in parameters), torch.tensor([float(stop)])])
    dist.all_reduce(flat)
    at = 0
    for parameter in parameters:
        parameter.grad.copy_(flat[at : at + parameter.numel()].view_as(parameter) / COUNT)
        at += parameter.numel()
    return bool(flat[-1] > 0)


def any_of(flag: bool) -> bool:
    """Whether any worker says so: all get the same answer."""
    if COUNT == 1:
        return flag
    sum_of = torch.tensor(float(flag))
    dist.all_reduce(sum_of)
    return bool(sum_of > 0)


def wait() -> None:
    if COUNT > 1:
        dist.barrier()
