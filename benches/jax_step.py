"""A training step of the same model in JAX, to compare with `cargo bench`.

    python -m pip install jax
    python benches/jax_step.py --config S --threads 2
    python benches/jax_step.py --config S --threads 2 --bf16

The same sizes, batch, clipping and AdamW as benches/speed.rs, compiled as one
function. Prints one line of JSON with the same keys. `--bf16` rounds the factors
of the products to 16 bits and adds in f32. XLA has no option for its number of
threads: the process is bound to as many processors (Linux).
"""

import argparse
import json
import os
import resource
import statistics
import time

SIZES = {"XS": (1, 4, 16, 16, 1), "S": (4, 4, 128, 64, 12), "M": (6, 6, 384, 256, 16)}

options = argparse.ArgumentParser(description="A training step in JAX")
options.add_argument("--config", choices=SIZES, default="S")
options.add_argument("--threads", type=int, default=1)
options.add_argument("--iters", type=int, default=50)
options.add_argument("--bf16", action="store_true")
options = options.parse_args()
os.sched_setaffinity(0, range(options.threads))
os.environ["JAX_PLATFORMS"] = "cpu"

import jax  # noqa: E402  (after the processors are chosen)
from jax import numpy as jnp  # noqa: E402

LAYERS, HEADS, WIDTH, CONTEXT, BATCH = SIZES[options.config]
VOCABULARY = 65
RATE, BETA_1, BETA_2, DECAY = 1e-3, 0.9, 0.99, 0.1


def initial(key):
    keys = iter(jax.random.split(key, 2 + 4 * LAYERS))

    def normal(*shape):
        return 0.02 * jax.random.normal(next(keys), shape)

    def linear(inputs, outputs):
        return {"weight": normal(inputs, outputs), "bias": jnp.zeros(outputs)}

    def norm():
        return {"weight": jnp.ones(WIDTH), "bias": jnp.zeros(WIDTH)}

    def block():
        return {
            "norm_1": norm(),
            "qkv": linear(WIDTH, 3 * WIDTH),
            "proj": linear(WIDTH, WIDTH),
            "norm_2": norm(),
            "up": linear(WIDTH, 4 * WIDTH),
            "down": linear(4 * WIDTH, WIDTH),
        }

    return {
        "token": normal(VOCABULARY, WIDTH),
        "position": normal(CONTEXT, WIDTH),
        "blocks": [block() for _ in range(LAYERS)],
        "norm": norm(),
    }


def multiply(spec, a, b):
    if options.bf16:
        a, b = a.astype(jnp.bfloat16), b.astype(jnp.bfloat16)
    return jnp.einsum(spec, a, b, preferred_element_type=jnp.float32)


def linear(x, layer):
    return multiply("btc,cd->btd", x, layer["weight"]) + layer["bias"]


def norm(x, layer):
    x = x - x.mean(-1, keepdims=True)
    x = x * jax.lax.rsqrt(jnp.square(x).mean(-1, keepdims=True) + 1e-5)
    return x * layer["weight"] + layer["bias"]


def attention(x, block):
    heads = (BATCH, CONTEXT, HEADS, WIDTH // HEADS)
    qkv = jnp.split(linear(x, block["qkv"]), 3, -1)
    q, k, v = (part.reshape(heads) for part in qkv)
    scores = multiply("bqhd,bkhd->bhqk", q, k) / (WIDTH // HEADS) ** 0.5
    past = jnp.tril(jnp.ones((CONTEXT, CONTEXT), bool))
    weights = jax.nn.softmax(jnp.where(past, scores, -jnp.inf), -1)
    y = multiply("bhqk,bkhd->bqhd", weights, v)
    return linear(y.reshape(BATCH, CONTEXT, WIDTH), block["proj"])


def loss(model, ids, targets):
    x = model["token"][ids] + model["position"]
    for block in model["blocks"]:
        x = x + attention(norm(x, block["norm_1"]), block)
        h = jax.nn.gelu(linear(norm(x, block["norm_2"]), block["up"]), approximate=True)
        x = x + linear(h, block["down"])
    x = norm(x, model["norm"])
    logits = multiply("btc,vc->btv", x, model["token"])
    log_p = jax.nn.log_softmax(logits, -1)
    return -jnp.take_along_axis(log_p, targets[..., None], -1).mean()


def step(model, mean, square, steps, ids, targets):
    grad = jax.grad(loss)(model, ids, targets)
    length = jnp.sqrt(sum(jnp.vdot(g, g) for g in jax.tree.leaves(grad)))
    grad = jax.tree.map(lambda g: g * jnp.minimum(1.0, 1.0 / length), grad)
    mean = jax.tree.map(lambda m, g: BETA_1 * m + (1 - BETA_1) * g, mean, grad)
    square = jax.tree.map(lambda v, g: BETA_2 * v + (1 - BETA_2) * g * g, square, grad)

    def update(w, m, v):
        keep = 1 - RATE * DECAY if w.ndim == 2 else 1.0
        m, v = m / (1 - BETA_1**steps), v / (1 - BETA_2**steps)
        return keep * w - RATE * m / (jnp.sqrt(v) + 1e-8)

    return jax.tree.map(update, model, mean, square), mean, square


key = jax.random.PRNGKey(1337)
model = initial(key)
mean, square = (jax.tree.map(jnp.zeros_like, model) for _ in range(2))
step = jax.jit(step, donate_argnums=(0, 1, 2))
times = []
warm_up = max(3, options.iters // 10)
for i in range(1, warm_up + options.iters + 1):
    key, windows = jax.random.split(key)
    windows = jax.random.randint(windows, (BATCH, CONTEXT + 1), 0, VOCABULARY)
    windows.block_until_ready()
    start = time.perf_counter()
    model, mean, square = step(
        model, mean, square, float(i), windows[:, :-1], windows[:, 1:]
    )
    jax.block_until_ready(model)
    times.append(time.perf_counter() - start)
times = times[warm_up:]
median = statistics.median(times)
print(
    json.dumps(
        {
            "peer": f"jax {jax.__version__}",
            "mode": "train",
            "config": options.config,
            "threads": options.threads,
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
