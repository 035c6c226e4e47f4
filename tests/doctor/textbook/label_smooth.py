import torch


def loss(x, target, smoothing=0.1):
    logprobs = x.log_softmax(-1)
    nll = -logprobs.gather(-1, target.unsqueeze(1)).squeeze(1)
    return ((1 - smoothing) * nll - smoothing * logprobs.mean(-1)).mean()


def example():
    torch.manual_seed(0)
    return torch.randn(8, 5), torch.randint(0, 5, (8,))
