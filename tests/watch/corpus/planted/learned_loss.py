# fault: no-optimizer
import torch
from torch import nn


class Uncertainty(nn.Module):
    def __init__(self):
        super().__init__()
        self.log_vars = nn.Parameter(torch.zeros(2))

    def forward(self, a, b):
        return (torch.exp(-self.log_vars) * torch.stack([a, b]) + self.log_vars).sum()


net, weigh = nn.Linear(8, 2), Uncertainty()
optimizer = torch.optim.SGD(net.parameters(), 0.01)
for _ in range(20):
    out = net(torch.randn(8, 8))
    loss = weigh((out[:, 0] - 1).pow(2).mean(), (out[:, 1] + 1).abs().mean())
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()  # here
