"""Goes on training an exported model, with as many processes as you like.

    torchrun --nproc-per-node 2 ddp.py DIR TEXT NEW_DIR
"""

import sys

import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel
from transformers import AutoTokenizer, GPT2LMHeadModel

folder, text, new_folder = sys.argv[1:]
dist.init_process_group("gloo")  # "nccl" where each has a GPU
torch.manual_seed(dist.get_rank())  # each draws windows of its own
tokenizer = AutoTokenizer.from_pretrained(folder)
model = GPT2LMHeadModel.from_pretrained(folder).train()
shared = DistributedDataParallel(model)  # takes the mean of their gradients
optimizer = torch.optim.AdamW(shared.parameters(), 1e-3, betas=(0.9, 0.99))

ids = torch.tensor(tokenizer(open(text).read()).input_ids)
t = model.config.n_positions
for step in range(101):
    starts = torch.randint(len(ids) - t, (8,)).tolist()
    batch = torch.stack([ids[start : start + t] for start in starts])
    loss = shared(input_ids=batch, labels=batch).loss
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 20 == 0 and dist.get_rank() == 0:
        print(f"step {step:3}  loss {loss.item():.3f}")
if dist.get_rank() == 0:
    model.save_pretrained(new_folder)
    tokenizer.save_pretrained(new_folder)
dist.destroy_process_group()
