import torch
import torch.nn.functional as F

loss = lambda fake_logits: F.softplus(-fake_logits).mean()


def example():
    torch.manual_seed(0)
    return (torch.randn(8, 1),)
