import torch


def loss(y_pred, y_true):
    return -(y_true.softmax(1) * y_pred.log_softmax(1)).sum(1).mean()


def example():
    torch.manual_seed(0)
    return torch.randn(4, 6), torch.randint(0, 3, (4, 6)).float()
