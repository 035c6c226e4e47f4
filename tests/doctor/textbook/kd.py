import torch
import torch.nn.functional as F


def loss(student, teacher, labels, T=4.0, a=0.7):
    soft = F.kl_div(
        (student / T).log_softmax(1), (teacher / T).log_softmax(1).detach(), reduction="batchmean", log_target=True
    )
    return a * T * T * soft + (1 - a) * F.cross_entropy(student, labels)


def example():
    torch.manual_seed(0)
    return torch.randn(8, 5), torch.randn(8, 5), torch.randint(0, 5, (8,))
