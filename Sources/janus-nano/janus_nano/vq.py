"""The picture tokenizer: 64×64 pixels to 8×8 codes out of 512.

Autoencoder first (latents free, then on the sphere), spherical k-means for the codebook, then vector quantisation
(EMA codebook, dead codes restarted, commitment 0.25, straight-through), then the decoder alone on fixed codes.
The codebook's rows have norm 1 and so have the latents, so that an encoder that normalises and one that does not
choose the same row.

Equal sights get equal codes: the encoder's GroupNorm sees the whole picture, and left alone it gives one background a
hundred codes, depending on what stands elsewhere, which no language model can foresee (3.1 nats a cell were measured).
Two losses cure it: cells with the same 64 pixels are drawn together on the sphere, cells that differ are pushed apart.
"""

from __future__ import annotations

import dataclasses
import math
import random
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from transformers import JanusVQVAEConfig
from transformers.models.janus.modeling_janus import JanusVQVAE, JanusVQVAEAttnBlock, JanusVQVAEResnetBlock

from . import device, progress
from .render import coverage, render
from .world import LETTERS, SHAPES, SIDE_PIXELS, Thing, sample_scene

CODES, CODE_SIZE, CELLS = 512, 8, 8
CELL_PIXELS = SIDE_PIXELS // CELLS
DEAD = 0.005  # uses a step, below which a code is restarted
SHARPNESS = 8.0  # of the push between sights: how much the nearest count more than the far ones


@dataclasses.dataclass(frozen=True)
class Plan:
    # the phases end after these steps
    free: int = 1200  # latents not normalised, on crowded quarters of pictures
    quarters: int = 3000  # normalised, equal sights equal, on quarters of the world's pictures, two batches at once
    sphere: int = 3800  # on whole pictures, not yet quantised
    quantised: int = 4400  # quantised; from here on the codes are final
    bf16: int = 5800  # the decoder alone, still under bf16 autocast (1.7 times as fast)
    steps: int = 6200  # the decoder alone, in f32
    batch: int = 8
    rate: float = 1e-3
    seed: int = 1
    ema: float = 0.99
    commitment: float = 0.25
    sights_equal: float = 1.0
    sights_apart: float = 0.1
    log_every: int = 50
    save_every: int = 250

    def scaled(self, share: float) -> Plan:
        """The same plan in a share of the steps."""
        ends = {name: max(2, round(getattr(self, name) * share)) for name in ("free", "quarters", "sphere", "quantised", "bf16", "steps")}
        return dataclasses.replace(self, **ends, log_every=min(self.log_every, ends["steps"]))


def configuration(projection: int) -> JanusVQVAEConfig:
    return JanusVQVAEConfig(
        embed_dim=CODE_SIZE, num_embeddings=CODES, latent_channels=64, base_channels=64, channel_multiplier=[1, 1, 1, 1],
        num_res_blocks=1, num_patches=CELLS, dropout=0.0, projection_dim=projection, num_hidden_layers=2,
        image_token_embed_dim=projection,
    )  # fmt: skip


@torch.no_grad()
def _pass_through(model: JanusVQVAE) -> None:
    """At the start every 3×3 convolution of the straight path hands its input on: means down, copies up. A random start
    must first unlearn eight textures before colours get through, which costs more steps than we have."""
    noise = 0.1

    def begin(convolution: torch.nn.Conv2d, taps: tuple[tuple[int, int], ...]) -> None:
        convolution.weight.mul_(noise)
        mix = torch.empty(convolution.out_channels, convolution.in_channels)
        if convolution.out_channels == convolution.in_channels:
            torch.nn.init.eye_(mix)
        else:
            torch.nn.init.orthogonal_(mix, gain=max(1.0, (convolution.out_channels / convolution.in_channels) ** 0.5))
        for y, x in taps:
            convolution.weight[:, :, y, x] += mix / len(taps)
        torch.nn.init.zeros_(convolution.bias)

    encoder, decoder, centre = model.encoder, model.decoder, ((1, 1),)
    for convolution in (encoder.conv_in, encoder.conv_out, decoder.conv_in, decoder.conv_out):
        begin(convolution, centre)
    for level in encoder.down:
        if hasattr(level, "downsample"):
            begin(level.downsample.conv, ((0, 0), (0, 1), (1, 0), (1, 1)))
    for level in decoder.up:
        if hasattr(level, "upsample"):
            begin(level.upsample.conv, centre)


def build(projection: int) -> JanusVQVAE:
    model = JanusVQVAE(configuration(projection))
    _pass_through(model)
    for module in model.modules():  # residual branches start at zero: each block begins as the identity
        if isinstance(module, JanusVQVAEResnetBlock):
            torch.nn.init.zeros_(module.conv2.weight), torch.nn.init.zeros_(module.conv2.bias)
        if isinstance(module, JanusVQVAEAttnBlock):
            torch.nn.init.zeros_(module.proj_out.weight), torch.nn.init.zeros_(module.proj_out.bias)
    for module in model.encoder.modules():  # a code tells of its own cell: the encoder's attention stays out of it
        if isinstance(module, JanusVQVAEAttnBlock):
            module.requires_grad_(False)
    return model.train()


def crowded_picture(r: random.Random, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Many things in any colours over one another: a lesson in colours and edges, where the world's scenes are mostly background."""
    any_colour = lambda: np.array([r.uniform(0, 255) for _ in range(3)], np.float32)  # noqa: E731
    picture, covered = np.broadcast_to(any_colour(), (side, side, 3)).copy(), np.zeros((side, side), np.float32)
    for _ in range(r.randint(1, 9) * side // SIDE_PIXELS + 1):
        if r.random() < 0.15:
            thing = Thing(r.choice(LETTERS), "", r.randint(8, side - 8), r.randint(8, side - 8))
        else:
            thing = Thing(r.choice(SHAPES), "", r.randint(4, side - 4), r.randint(4, side - 4))
        share = coverage(thing, side, r.randint(6, 14))
        picture += share[..., None] * (any_colour() - picture)
        covered = np.maximum(covered, share)
    return np.rint(picture).astype(np.uint8), covered


def window(r: random.Random) -> tuple[np.ndarray, np.ndarray]:
    """A quarter of a scene's picture, in step with its cells, with a thing in it."""
    scene, side = sample_scene(r), SIDE_PIXELS // 2
    picture, covered = render(scene)
    thing = r.choice(scene.things)
    x, y = (min(max(round((at - side / 2 + r.randint(-12, 12)) / CELL_PIXELS) * CELL_PIXELS, 0), side) for at in (thing.x, thing.y))
    return picture[y : y + side, x : x + side], covered[y : y + side, x : x + side]


def batch_of(r: random.Random, count: int, augmented: float, crowded: float = 0.0, side: int = SIDE_PIXELS) -> tuple[torch.Tensor, torch.Tensor]:
    """f32 [B,3,64,64] in −1…1 and the mask of things [B,1,64,64], one pixel wider than they are.

    A share of the pictures has its channels permuted and its colours shifted, so that colour is never two habits."""
    plain = (lambda: render(sample_scene(r))) if side == SIDE_PIXELS else (lambda: window(r))
    pictures, masks = zip(*(crowded_picture(r, side) if r.random() < crowded else plain() for _ in range(count)), strict=True)
    x = device.pixels_in(list(pictures))
    for i in range(count):
        if r.random() < augmented:
            order = r.sample(range(3), 3)
            gain = torch.tensor([r.uniform(0.85, 1.15) for _ in range(3)])[:, None, None]
            shift = torch.tensor([r.uniform(-0.1, 0.1) for _ in range(3)])[:, None, None]
            x[i] = (x[i][order] * gain + shift).clamp(-1, 1)
    mask = device.of_numpy(np.stack(masks))[:, None]
    return x.contiguous(), (F.max_pool2d(mask, 3, 1, 1) > 0.02).float()


def reconstruction_loss(y: torch.Tensor, x: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """L1 of the background, of the things, and of the means of 8×8 cells."""
    error = (y - x).abs().mean(1, keepdim=True)
    background = (error * (1 - mask)).sum() / (1 - mask).sum().clamp(min=1)
    things = (error * mask).sum() / mask.sum().clamp(min=1)
    return background, things, (F.avg_pool2d(y, 8) - F.avg_pool2d(x, 8)).abs().mean()


def sights(x: torch.Tensor) -> torch.Tensor:
    """[B·cells]: the same number for cells of the same pixels, counted from zero. x: pictures [B,3,S,S] in −1…1."""
    cells = F.unfold(x, CELL_PIXELS, stride=CELL_PIXELS).transpose(1, 2).flatten(0, 1)
    mixer = torch.randint(1 << 40, (cells.shape[1],), generator=torch.Generator(x.device).manual_seed(1), device=x.device)
    return torch.unique((((cells + 1) * 127.5).round().long() * mixer).sum(1), return_inverse=True)[1]


def means_of(sight: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
    """[sights,8] on the sphere, of latents [B·cells,8] there."""
    return F.normalize(torch.zeros(int(sight.max()) + 1, CODE_SIZE).index_add(0, sight, rows), dim=1)


def sight_losses(x: torch.Tensor, rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """How far latents of equal cells are from their mean, and how near the means of different sights are to each other (the
    uniformity loss of Wang and Isola)."""
    sight = sights(x)
    means = means_of(sight, rows)
    equal = ((rows - means[sight]) ** 2).sum(1).mean()
    near = SHARPNESS * (means @ means.T - 1) - 1e4 * torch.eye(len(means))
    return equal, torch.logsumexp(near.flatten(), 0) - math.log(max(1, near.numel() - len(near)))


class Codebook:
    """Rows on the unit sphere, moved by exponential means of the latents assigned to them."""

    def __init__(self, decay: float) -> None:
        self.decay = decay
        self.rows = F.normalize(torch.randn(CODES, CODE_SIZE), dim=1)
        self.uses = torch.ones(CODES)
        self.sums = self.rows.clone()

    def fit(self, latents: torch.Tensor, rounds: int = 40) -> None:
        """Spherical k-means over [N,8], begun far apart (k-means++)."""
        rows = [latents[torch.randint(len(latents), (1,)).item()]]
        nearest = latents @ rows[0]
        for _ in range(CODES - 1):
            rows.append(latents[torch.multinomial((1 - nearest).clamp(min=1e-9), 1).item()])
            nearest = torch.maximum(nearest, latents @ rows[-1])
        self.rows = torch.stack(rows)
        for _ in range(rounds):
            chosen = self.nearest(latents)
            sums = torch.zeros_like(self.rows).index_add_(0, chosen, latents)
            self.rows = torch.where(sums.norm(dim=1, keepdim=True) > 1e-6, F.normalize(sums, dim=1), self.rows)
        self.uses = torch.ones(CODES)
        self.sums = self.rows * self.uses[:, None]

    def nearest(self, latents: torch.Tensor) -> torch.Tensor:
        return (latents @ self.rows.T).argmax(1)

    def update(self, latents: torch.Tensor, chosen: torch.Tensor) -> None:
        counts = torch.bincount(chosen, minlength=CODES).float()
        sums = torch.zeros_like(self.rows).index_add_(0, chosen, latents)
        self.uses = self.decay * self.uses + (1 - self.decay) * counts
        self.sums = self.decay * self.sums + (1 - self.decay) * sums
        dead = (self.uses < DEAD).nonzero()[:, 0]
        if len(dead):  # restart on the latents that are served worst
            fit = (latents * self.rows[chosen]).sum(1)
            worst = fit.argsort()[: len(dead)][torch.randperm(min(len(dead), len(fit)))]
            dead = dead[: min(4, len(worst))]
            self.sums[dead], self.uses[dead] = latents[worst[: len(dead)]] * 0.2, 0.2
        self.rows = F.normalize(self.sums, dim=1)

    def state(self) -> dict:
        return {"rows": self.rows, "uses": self.uses, "sums": self.sums}


def latents_of(model: JanusVQVAE, x: torch.Tensor) -> torch.Tensor:
    """f32 [B,8,8,8], channels second, not normalised."""
    return model.quant_conv(model.encoder(x)).float()


def flat(z: torch.Tensor) -> torch.Tensor:
    return z.permute(0, 2, 3, 1).reshape(-1, CODE_SIZE)


def unflat(rows: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    b, _, h, w = like.shape
    return rows.reshape(b, h, w, CODE_SIZE).permute(0, 3, 1, 2).contiguous()


def encode(model: JanusVQVAE, x: torch.Tensor) -> torch.Tensor:
    """Codes [B,64] of pictures in −1…1, by the rule of the official implementation: both sides normalised."""
    z = F.normalize(flat(latents_of(model, x)), dim=1)
    rows = F.normalize(model.quantize.embedding.weight.float(), dim=1)
    return (z @ rows.T).argmax(1).reshape(len(x), -1)


def train(plan: Plan, folder: Path, projection: int, stop_at: float = math.inf) -> JanusVQVAE:
    torch.manual_seed(plan.seed)
    model, book = build(projection), Codebook(plan.ema)
    optimiser = torch.optim.AdamW(model.parameters(), plan.rate, betas=(0.9, 0.99), weight_decay=0.0, fused=True)
    curve, path, first = progress.Curve(folder / "curves", "vq"), folder / "vq.pt", 0
    if state := progress.load(path):
        model.load_state_dict(state["model"]), optimiser.load_state_dict(state["optimiser"])
        book.__dict__.update({name: tensor.to(device.NAME) for name, tensor in state["book"].items()})
        first = state["step"]
        print(f"vq: resuming at step {first} of {plan.steps}", flush=True)
    free, quarters, sphere, quantised = plan.free, plan.quarters, plan.sphere, plan.quantised

    def keep(step: int) -> None:
        model.quantize.embedding.weight.data.copy_(book.rows)
        progress.save(path, {"model": model.state_dict(), "optimiser": optimiser.state_dict(), "book": book.state(), "step": step})

    running: dict[str, float] = {}
    for step in range(first, plan.steps):
        r = random.Random(f"vq {plan.seed} {step}")
        falling = max(0, step - sphere) / (plan.steps - sphere)  # constant until codes are fixed, then a half cosine
        rate = plan.rate * min(1, (step + 1) / 100) * (0.5 + 0.5 * math.cos(math.pi * falling)) + 1e-5
        for group in optimiser.param_groups:
            group["lr"] = rate
        if step < free:
            x, mask = batch_of(r, plan.batch, 0.0, 1.0, SIDE_PIXELS // 2)
        elif step < quarters:
            x, mask = batch_of(r, 2 * plan.batch, 0.3, 0.25, SIDE_PIXELS // 2)
        elif step < quantised:
            x, mask = batch_of(r, plan.batch, 0.1)
        else:
            x, mask = batch_of(r, plan.batch, 0.0)
        commitment = equal = apart = torch.zeros(())
        if step == sphere:
            with torch.no_grad():
                shown = [batch_of(r, 50, 0.0)[0] for _ in range(min(40, 2 + plan.steps // 100))]
                latents = [F.normalize(flat(latents_of(model, pictures)), dim=1) for pictures in shown]
            # a sight counts once, however common: else most of the codebook would go to backgrounds
            book.fit(means_of(sights(torch.cat(shown)), torch.cat(latents)))
        with device.half(enabled=step < plan.bf16):
            with torch.set_grad_enabled(step < quantised):
                z = latents_of(model, x)
            if step >= free:
                z = F.normalize(z, dim=1)
                if step < quantised:
                    equal, apart = sight_losses(x, flat(z))
            if step >= sphere:
                rows = flat(z)
                chosen = book.nearest(rows.detach())
                nearest = book.rows[chosen]
                commitment = ((rows - nearest) ** 2).sum(1).mean()
                if step < quantised:
                    book.update(rows.detach(), chosen)
                z = unflat(rows + (nearest - rows).detach(), z)
            y = model.decoder(model.post_quant_conv(z)).float()
        background, things, cells = reconstruction_loss(y, x, mask)
        loss = background + things + cells + plan.commitment * commitment * (step < quantised)
        loss = loss + plan.sights_equal * equal + plan.sights_apart * apart
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        values = {"background": background, "things": things, "cells": cells, "commitment": commitment, "equal": equal, "apart": apart}
        for key, value in values.items():
            running[key] = 0.95 * running.get(key, value.item()) + 0.05 * value.item()
        if (step + 1) % plan.log_every == 0:
            curve.log(step + 1, rate=rate, codes=(book.uses > DEAD).sum(), **running)
        if (step + 1) % plan.save_every == 0 or step + 1 in (sphere, quantised, plan.steps):
            keep(step + 1)  # from `quantised` on the codes are final: the stages may begin beside the decoder's finish
        if time.monotonic() > stop_at:
            keep(step + 1)
            break
    return model.eval()
