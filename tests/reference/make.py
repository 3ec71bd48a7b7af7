"""Makes the fixtures beside this file: what PyTorch and transformers say.

    python -m venv env && env/bin/pip install -r requirements.txt
    env/bin/python make.py

The tests read the files and never run this. The same versions on the same kind
of processor give the same bytes; see README.md.
"""

import os

# Kernels that do not depend on the processor; before torch is loaded
os.environ["ATEN_CPU_CAPABILITY"] = "default"
os.environ["MKL_CBWR"] = "COMPATIBLE"

import hashlib
import math
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import nn
from transformers import GPT2Config, GPT2LMHeadModel

SEED = 1609
N_LAYER, N_HEAD, N_EMBD, BLOCK_SIZE, VOCAB_SIZE = 2, 2, 12, 8, 11
BATCH, STEPS, TEXT = 3, 10, 20
MAX_LR, MIN_LR, WARMUP = 1e-2, 1e-3, 3
BETAS, EPS, DECAY, MAX_NORM = (0.9, 0.99), 1e-8, 0.1, 1.0


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.q = nn.Linear(N_EMBD, N_EMBD)
        self.k = nn.Linear(N_EMBD, N_EMBD)
        self.v = nn.Linear(N_EMBD, N_EMBD)
        self.proj = nn.Linear(N_EMBD, N_EMBD)

    def forward(self, x):
        b, t, _ = x.shape
        split = lambda x: x.view(b, t, N_HEAD, -1).transpose(1, 2)
        q, k, v = split(self.q(x)), split(self.k(x)), split(self.v(x))
        scores = q @ k.transpose(-2, -1) / math.sqrt(N_EMBD // N_HEAD)
        future = torch.ones(t, t, dtype=torch.bool).triu(1)
        scores = scores.masked_fill(future, -math.inf)
        y = scores.softmax(-1) @ v
        return self.proj(y.transpose(1, 2).reshape(b, t, N_EMBD))


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm_1 = nn.LayerNorm(N_EMBD, eps=1e-5)
        self.attention = Attention()
        self.norm_2 = nn.LayerNorm(N_EMBD, eps=1e-5)
        self.up = nn.Linear(N_EMBD, 4 * N_EMBD)
        self.down = nn.Linear(4 * N_EMBD, N_EMBD)

    def forward(self, x):
        x = x + self.attention(self.norm_1(x))
        h = F.gelu(self.up(self.norm_2(x)), approximate="tanh")
        return x + self.down(h)


class Gpt(nn.Module):
    def __init__(self):
        super().__init__()
        self.token = nn.Embedding(VOCAB_SIZE, N_EMBD)
        self.position = nn.Embedding(BLOCK_SIZE, N_EMBD)
        self.blocks = nn.ModuleList(Block() for _ in range(N_LAYER))
        self.norm = nn.LayerNorm(N_EMBD, eps=1e-5)

    def forward(self, ids):
        x = self.token(ids) + self.position(torch.arange(ids.shape[1]))
        for block in self.blocks:
            x = block(x)
        return F.linear(self.norm(x), self.token.weight)


def loss_of(logits, targets):
    return F.cross_entropy(logits.reshape(-1, VOCAB_SIZE), targets.reshape(-1))


def shake(model, generator):
    """Weights larger than initial ones, and no gain one, no bias zero."""
    for parameter in model.parameters():
        noise = torch.randn(parameter.shape, generator=generator)
        ones = parameter.dim() == 1 and bool((parameter == 1).all())
        with torch.no_grad():
            parameter.copy_(0.3 * noise + (1.0 if ones else 0.0))


def tensors(model, of):
    """The crate's names and layout: matrices [in, out], q, k, v in one."""
    named = {}

    def put(name, *parts):
        parts = [of(part) for part in parts]
        named[name] = torch.cat([p.T if p.dim() == 2 else p for p in parts], -1)

    named["embeddings.token"] = of(model.token.weight)
    named["embeddings.position"] = of(model.position.weight)
    for i, block in enumerate(model.blocks):
        a = block.attention
        layers = {
            "norm_1": [block.norm_1],
            "attention.qkv": [a.q, a.k, a.v],
            "attention.proj": [a.proj],
            "norm_2": [block.norm_2],
            "mlp.up": [block.up],
            "mlp.down": [block.down],
        }
        for name, parts in layers.items():
            name = f"blocks.{i}.{name}"
            put(f"{name}.weight", *(part.weight for part in parts))
            put(f"{name}.bias", *(part.bias for part in parts))
    put("norm.weight", model.norm.weight)
    put("norm.bias", model.norm.bias)
    return named


def value(parameter):
    return parameter.detach().clone()


def gradient(parameter):
    return parameter.grad.clone()


def with_prefix(prefix, named):
    return {f"{prefix}.{name}": tensor for name, tensor in named.items()}


def rate(step):
    """nanoGPT's: a straight rise, then half a period of a cosine."""
    if step < WARMUP:
        return MAX_LR * (step + 1) / (WARMUP + 1)
    way = (step - WARMUP) / (STEPS - WARMUP)
    return MIN_LR + 0.5 * (1 + math.cos(math.pi * way)) * (MAX_LR - MIN_LR)


def train(model, inputs, targets, clip):
    """Ten steps of AdamW; returns each one's loss, gradient norm and rate."""
    matrices = [p for p in model.parameters() if p.dim() == 2]
    others = [p for p in model.parameters() if p.dim() != 2]
    groups = [
        {"params": matrices, "weight_decay": DECAY},
        {"params": others, "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, betas=BETAS, eps=EPS)
    losses, norms = [], []
    for step in range(STEPS):
        for group in optimizer.param_groups:
            group["lr"] = rate(step)
        optimizer.zero_grad()
        loss = loss_of(model(inputs[step]), targets[step])
        loss.backward()
        norms.append(clip(list(model.parameters())))
        losses.append(loss.detach())
        optimizer.step()
    rates = torch.tensor([rate(s) for s in range(STEPS)], dtype=torch.float64)
    return torch.stack(losses), torch.stack(norms), rates


def clip_by_the_paper(parameters):
    """Pascanu et al.: g·max/‖g‖ where ‖g‖ is above max.

    clip_grad_norm_ divides by ‖g‖ + 1e-6, which is another function.
    """
    norm = torch.nn.utils.get_total_norm([p.grad for p in parameters])
    if norm > MAX_NORM:
        for parameter in parameters:
            parameter.grad *= MAX_NORM / norm
    return norm


def clip_by_torch(parameters):
    return torch.nn.utils.clip_grad_norm_(parameters, MAX_NORM)


def plain(dtype):
    generator = torch.Generator().manual_seed(SEED)
    model = Gpt()
    shake(model, generator)
    model.to(dtype)
    # Windows of a short text, so that they overlap and ids repeat in them; of
    # eleven ids two never come
    text = torch.randint(9, (TEXT - 9,), generator=generator)
    text = torch.cat([text, torch.randperm(9, generator=generator)])
    shape = (STEPS, BATCH, 1)
    starts = torch.randint(TEXT - BLOCK_SIZE, shape, generator=generator)
    places = starts + torch.arange(BLOCK_SIZE)
    inputs, targets = text[places], text[places + 1]
    twin = Gpt().to(dtype)
    twin.load_state_dict(model.state_dict())

    named = with_prefix("given.weight", tensors(model, value))
    logits = model(inputs[0])
    loss = loss_of(logits, targets[0])
    loss.backward()
    named |= with_prefix("pass.gradient", tensors(model, gradient))
    named |= {"given.inputs": inputs, "given.targets": targets}
    named |= {"pass.logits": logits.detach(), "pass.loss": loss.detach()}
    losses, norms, rates = train(model, inputs, targets, clip_by_the_paper)
    assert norms.max() > MAX_NORM > norms.min()  # clipped, and not clipped
    named |= with_prefix("steps.weight", tensors(model, value))
    named |= {"steps.losses": losses, "steps.norms": norms}
    named |= {"steps.rates": rates}
    named |= {"steps.logits": model(inputs[0]).detach()}

    train(twin, inputs, targets, clip_by_torch)
    print(f"{dtype}: norms {[round(n.item(), 2) for n in norms]}")
    apart = [
        ((value(b) - a).abs().max() / a.abs().max()).item()
        for (name, a), b in zip(model.named_parameters(), twin.parameters())
        if not name.endswith(".k.bias")  # see README.md
    ]
    print(f"{dtype}: clip_grad_norm_ would differ by {max(apart):.1e}")
    return named


def gpt2(dtype):
    """transformers' own class, with its names and its layout."""
    config = GPT2Config(
        n_layer=N_LAYER,
        n_head=N_HEAD,
        n_embd=N_EMBD,
        n_positions=BLOCK_SIZE + 1,
        vocab_size=VOCAB_SIZE,
        bos_token_id=0,
        eos_token_id=0,
        attn_implementation="eager",
    )
    generator = torch.Generator().manual_seed(SEED + 1)
    model = GPT2LMHeadModel(config).eval()  # no dropout
    shake(model, generator)
    model.to(dtype)
    ids = torch.randint(9, (BATCH, BLOCK_SIZE + 1), generator=generator)
    named = with_prefix("given.weight", dict(each(model, value)))
    output = model(input_ids=ids, labels=ids)
    logits = output.logits[:, :-1]  # the last position has no target
    # The class's own loss turns logits into f32 first, whatever they were
    loss = loss_of(logits, ids[:, 1:])
    assert abs(loss - output.loss) < 1e-6
    loss.backward()
    named |= with_prefix("pass.gradient", dict(each(model, gradient)))
    named |= {"given.ids": ids}
    named |= {"pass.logits": logits.detach(), "pass.loss": loss.detach()}
    return named


def each(model, of):
    """`lm_head.weight` is `transformer.wte.weight`, and listed once."""
    return [(name, of(p)) for name, p in model.named_parameters()]


def main():
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    torch.backends.mkldnn.enabled = False
    for name, make in [("plain", plain), ("gpt2", gpt2)]:
        for suffix, dtype in [("f64", torch.float64), ("f32", torch.float32)]:
            path = Path(__file__).parent / f"{name}-{suffix}.safetensors"
            named = {name: t.contiguous() for name, t in make(dtype).items()}
            save_file(named, path)
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            print(f"{digest}  {path.name}  {path.stat().st_size}")


if __name__ == "__main__":
    main()
