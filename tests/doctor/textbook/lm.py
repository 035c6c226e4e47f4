import torch
import torch.nn.functional as F


def loss(logits, tokens, pad=-100):
    return F.cross_entropy(logits[:, :-1].flatten(0, 1), tokens[:, 1:].flatten(), ignore_index=pad, reduction="sum") / (
        tokens[:, 1:] != pad
    ).sum().clamp(min=1)


def example():
    torch.manual_seed(0)
    t = torch.randint(0, 7, (3, 6))
    t[0, 4:] = -100
    return torch.randn(3, 6, 7), t
