# fault: unreached
import torch
from torch import nn


def make():
    return nn.Linear(8, 2)


net = make()
optimizer = torch.optim.SGD(make().parameters(), 0.01)
for _ in range(6):
    loss = nn.functional.cross_entropy(net(torch.randn(8, 8)), torch.randint(0, 2, (8,)))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()  # here
