import torch
import torch.nn.functional as F


def loss(logits, bad):
    logp = logits.log_softmax(-1).gather(1, bad[:, None]).squeeze(1)
    others = logits.masked_fill(F.one_hot(bad, logits.shape[1]).bool(), float("-inf"))
    return -(torch.logsumexp(others, 1) - torch.logsumexp(logits, 1)).mean()


def example():
    torch.manual_seed(0)
    return torch.randn(8, 6), torch.randint(0, 6, (8,))
