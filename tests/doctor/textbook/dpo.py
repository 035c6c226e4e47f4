import torch
import torch.nn.functional as F


def loss(policy_chosen, policy_rejected, ref_chosen, ref_rejected, beta=0.1):
    margin = (policy_chosen - policy_rejected) - (ref_chosen - ref_rejected)
    return -F.logsigmoid(beta * margin).mean()


def example():
    torch.manual_seed(0)
    return tuple(-torch.rand(8) * 20 for _ in range(4))
