import torch


def loss(log_prob, old_log_prob, advantage, clip=0.2):
    ratio = torch.exp((log_prob - old_log_prob).clamp(-20, 20))
    return -torch.min(ratio * advantage, ratio.clamp(1 - clip, 1 + clip) * advantage).mean()


def example():
    torch.manual_seed(0)
    old = -torch.rand(8) * 3
    return old + 0.1 * torch.randn(8), old, torch.randn(8)
