"""How weights move: Muon for the matrices of the language model's layers, AdamW for everything else.

On the words of stage 0 Muon needs about two thirds of AdamW's steps to look a thing up by its name, at a tenth more time a step.
"""

from __future__ import annotations

import torch

BETAS = (0.9, 0.95)


class Optimisers:
    """Both as one: what `torch.optim.Optimizer` is to a training loop."""

    def __init__(self, language: torch.nn.Module, parameters: list[torch.nn.Parameter]) -> None:
        of_layers = {id(p) for p in language.layers.parameters() if p.ndim == 2}
        matrices = [p for p in parameters if id(p) in of_layers]
        others = [p for p in parameters if id(p) not in of_layers]
        self._parts: list[torch.optim.Optimizer] = [torch.optim.AdamW(others, betas=BETAS, weight_decay=0.0, fused=True)]
        if matrices:
            # its updates get the size of AdamW's, so that both go by one rate
            self._parts.append(torch.optim.Muon(matrices, weight_decay=0.0, adjust_lr_fn="match_rms_adamw"))

    def step(self, rate: float) -> None:
        """Moves the weights and forgets the gradients."""
        for part in self._parts:
            for group in part.param_groups:
                group["lr"] = rate
            part.step()
            part.zero_grad(set_to_none=True)

    def state_dict(self) -> list[dict]:
        return [part.state_dict() for part in self._parts]

    def load_state_dict(self, state: list[dict]) -> None:
        for part, of_part in zip(self._parts, state, strict=True):
            part.load_state_dict(of_part)
