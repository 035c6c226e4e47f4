import torch


def loss(logits, y):
    x = (1 - 2 * y) * logits
    neg = x.masked_fill(y > 0.5, float("-inf"))
    pos = x.masked_fill(y < 0.5, float("-inf"))
    zero = torch.zeros_like(x[:, :1])
    return (torch.logsumexp(torch.cat([neg, zero], 1), 1) + torch.logsumexp(torch.cat([pos, zero], 1), 1)).mean()


def example():
    torch.manual_seed(0)
    return torch.randn(8, 4), (torch.rand(8, 4) > 0.5).float()
