"""Where the arithmetic runs: a GPU where there is one (or what JANUS_NANO_DEVICE says), else the CPU."""

from __future__ import annotations

import os

import numpy as np
import torch

NAME = os.environ.get("JANUS_NANO_DEVICE") or ("cuda" if torch.cuda.is_available() else "cpu")


def start() -> None:
    """Tensors are made there from now on."""
    torch.set_default_device(NAME)


def of_numpy(array: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(array).to(NAME)


def pixels_in(pictures: list[np.ndarray]) -> torch.Tensor:
    """f32 [B,3,S,S] in −1…1 of uint8 [S,S,3] pictures."""
    return of_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float() / 127.5 - 1


def pixels_out(pixels: torch.Tensor) -> np.ndarray:
    """uint8 [B,S,S,3], truncated as the official implementation does."""
    return ((pixels + 1) / 2 * 255).clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()


def half(enabled: bool = True) -> torch.autocast:
    """bf16 for convolutions and linears."""
    return torch.autocast(NAME, torch.bfloat16, enabled=enabled)
