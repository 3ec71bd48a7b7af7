"""A training step of the same model in PyTorch, to compare with `cargo bench`.

    python -m pip install torch numpy
    python benches/torch_step.py --config S --threads 2
    python benches/torch_step.py --config S --threads 2 --compile
    python benches/torch_step.py --config S --threads 2 --compile --bf16

The same sizes, batch, clipping and AdamW as benches/speed.rs; the fused
attention of PyTorch. Prints one line of JSON with the same keys. `--compile`
adds torch.compile and the fused AdamW; `--bf16` computes the products, and what
else autocast allows, in 16 bits instead of f32. On AMD processors the MKL inside
PyTorch does without AVX-512; the strongest figures in the book were taken with
a preloaded library that answers its question after an Intel processor with yes.
"""

import argparse
import json
import os
import resource
import statistics
import time

SIZES = {"XS": (1, 4, 16, 16, 1), "S": (4, 4, 128, 64, 12), "M": (6, 6, 384, 256, 16)}

options = argparse.ArgumentParser(description="A training step in PyTorch")
options.add_argument("--config", choices=SIZES, default="S")
options.add_argument("--threads", type=int, default=1)
options.add_argument("--iters", type=int, default=50)
options.add_argument("--compile", action="store_true")
options.add_argument("--bf16", action="store_true")
options = options.parse_args()
os.environ["OMP_NUM_THREADS"] = str(options.threads)

import torch  # noqa: E402  (after the number of threads is set)
from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

LAYERS, HEADS, WIDTH, CONTEXT, BATCH = SIZES[options.config]
VOCABULARY = 65


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm_1, self.norm_2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.qkv, self.proj = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.up, self.down = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)

    def forward(self, x):
        b, t, c = x.shape
        heads = [
            part.view(b, t, HEADS, c // HEADS).transpose(1, 2)
            for part in self.qkv(self.norm_1(x)).split(c, dim=2)
        ]
        y = F.scaled_dot_product_attention(*heads, is_causal=True)
        x = x + self.proj(y.transpose(1, 2).reshape(b, t, c))
        return x + self.down(F.gelu(self.up(self.norm_2(x)), approximate="tanh"))


class Gpt(nn.Module):
    def __init__(self):
        super().__init__()
        self.token = nn.Embedding(VOCABULARY, WIDTH)
        self.position = nn.Embedding(CONTEXT, WIDTH)
        self.blocks = nn.Sequential(*(Block() for _ in range(LAYERS)))
        self.norm = nn.LayerNorm(WIDTH)
        for parameter in self.parameters():
            if parameter.dim() == 2:
                nn.init.normal_(parameter, std=0.02)

    def forward(self, ids, targets):
        x = self.token(ids) + self.position.weight
        logits = self.norm(self.blocks(x)) @ self.token.weight.T
        return F.cross_entropy(logits.view(-1, VOCABULARY), targets.reshape(-1))


torch.set_num_threads(options.threads)
torch.manual_seed(1337)
model = Gpt()
groups = [
    {"params": [p for p in model.parameters() if p.dim() == 2], "weight_decay": 0.1},
    {"params": [p for p in model.parameters() if p.dim() != 2], "weight_decay": 0.0},
]
optimizer = torch.optim.AdamW(groups, lr=1e-3, betas=(0.9, 0.99), fused=options.compile)
forward = torch.compile(model) if options.compile else model
data = torch.randint(VOCABULARY, (200_000,))


def step():
    starts = torch.randint(len(data) - CONTEXT, (BATCH,))
    windows = torch.stack([data[i : i + CONTEXT + 1] for i in starts])
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=options.bf16):
        loss = forward(windows[:, :-1], windows[:, 1:])
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()


for _ in range(max(2, options.iters // 10)):
    step()
times = []
for _ in range(options.iters):
    start = time.perf_counter()
    step()
    times.append(time.perf_counter() - start)
median = statistics.median(times)
print(
    json.dumps(
        {
            "peer": f"torch {torch.__version__}",
            "mode": "train",
            "config": options.config,
            "threads": options.threads,
            "compile": options.compile,
            "bf16": options.bf16,
            "ms_per_iter": round(1e3 * median, 4),
            "ms_min": round(1e3 * min(times), 4),
            "tokens_per_s": round(BATCH * CONTEXT / median),
            "iters": options.iters,
            "peak_rss_mib": round(
                resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1
            ),
        }
    )
)
