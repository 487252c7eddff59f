"""How weights move: Muon for the matrices of the language model's layers, AdamW for everything else.

On the words of stage 0 Muon needs about two thirds of AdamW's steps to look a thing up by its name, at a tenth more time a step.
"""

from __future__ import annotations

import torch

from . import workers

BETAS = (0.9, 0.95)
NORM_MAX = 1.0


class Optimisers:
    """Both as one, and a step of all workers: what every training loop but the tokenizer's does with its loss."""

    def __init__(self, language: torch.nn.Module, parameters: list[torch.nn.Parameter]) -> None:
        self._parameters = parameters
        of_layers = {id(p) for p in language.layers.parameters() if p.ndim == 2}
        matrices = [p for p in parameters if id(p) in of_layers]
        others = [p for p in parameters if id(p) not in of_layers]
        self._parts: list[torch.optim.Optimizer] = [torch.optim.AdamW(others, betas=BETAS, weight_decay=0.0, fused=True)]
        if matrices:
            # its updates get the size of AdamW's, so that both go by one rate
            self._parts.append(torch.optim.Muon(matrices, weight_decay=0.0, adjust_lr_fn="match_rms_adamw"))

    def learn(self, loss: torch.Tensor, rate: float, stop: bool) -> bool:
        """Moves the weights by the workers' mean gradient and forgets it; true when any of the workers wants to stop."""
        loss.backward()
        stopped = workers.average_gradients(self._parameters, stop)
        torch.nn.utils.clip_grad_norm_(self._parameters, NORM_MAX)
        for part in self._parts:
            for group in part.param_groups:
                group["lr"] = rate
            part.step()
            part.zero_grad(set_to_none=True)
        return stopped

    def state_dict(self) -> list[dict]:
        return [part.state_dict() for part in self._parts]

    def load_state_dict(self, state: list[dict]) -> None:
        for part, of_part in zip(self._parts, state, strict=True):
            part.load_state_dict(of_part)
