import torch


def loss(logits, target_probs):
    return -(target_probs * logits.log_softmax(-1)).sum(-1).mean()


def example():
    torch.manual_seed(0)
    return torch.randn(8, 11), torch.randn(8, 11).softmax(1)
