import torch
import torch.nn.functional as F

prior = torch.tensor([0.5, 0.2, 0.15, 0.1, 0.05])
loss = lambda logits, y: F.cross_entropy(logits + prior.log().to(logits.dtype), y)


def example():
    torch.manual_seed(0)
    return torch.randn(8, 5), torch.randint(0, 5, (8,))
