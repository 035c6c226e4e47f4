import torch
import torch.nn.functional as F


def loss(logits, targets):
    soft = logits.softmax(1)
    hard = F.one_hot(soft.argmax(1), logits.shape[1]).to(soft.dtype)
    y = hard + soft - soft.detach()
    return F.cross_entropy(logits, targets) + 0.1 * (y * torch.arange(logits.shape[1], dtype=soft.dtype)).sum(1).mean()


def example():
    torch.manual_seed(0)
    return torch.randn(8, 5), torch.randint(0, 5, (8,))
