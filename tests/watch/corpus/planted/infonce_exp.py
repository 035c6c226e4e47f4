# fault: nan-loss/inf-loss
import torch
from torch import nn


class InfoNCE(nn.Module):
    def __init__(self, temperature):
        super().__init__()
        self.temperature = temperature

    def forward(self, z, other):
        sim = torch.exp(z @ other.T / self.temperature)  # here
        return -torch.log(sim.diag() / sim.sum(1)).mean()


encoder = nn.Linear(8, 4)
optimizer = torch.optim.SGD(encoder.parameters(), 0.001)
criterion = InfoNCE(0.07)


def train():
    for step in range(10):
        x = torch.randn(16, 8) * (10 if step == 6 else 0.1)
        loss = criterion(encoder(x), encoder(x + 0.01))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


train()
