import torch
import torch.nn.functional as F


def loss(logits, actions, returns, baseline):
    logp = logits.log_softmax(-1).gather(1, actions[:, None]).squeeze(1)
    return -(logp * (returns - baseline.detach())).mean() + 0.5 * F.mse_loss(baseline, returns)


def example():
    torch.manual_seed(0)
    return torch.randn(8, 4), torch.randint(0, 4, (8,)), torch.randn(8), torch.randn(8)
