import torch


def loss(log_risk, time, event):
    order = time.argsort(descending=True)
    log_risk, event = log_risk[order], event[order]
    return -((log_risk - log_risk.logcumsumexp(0)) * event).sum() / event.sum().clamp(min=1)


def example():
    torch.manual_seed(0)
    return torch.randn(8), torch.rand(8) + 0.1, (torch.rand(8) > 0.3).float()
